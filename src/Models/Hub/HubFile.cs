namespace DfPO.Models.Hub;

/// <summary>A file of a model, as the hub announces it.</summary>
/// <param name="Name">Plain file name, or one in a folder of the model's, parted by <c>/</c>.</param>
/// <param name="Size">Bytes.</param>
/// <param name="ETag">The hub's name for the content: the SHA-256 of large files, git's SHA-1 of small ones.</param>
public sealed record HubFile(string Name, long Size, string ETag)
{
    /// <summary>Whether <see cref="ETag"/> is the content's SHA-256.</summary>
    public bool HasSha256 => IsHex(64);

    /// <summary>Whether <see cref="ETag"/> is git's SHA-1 of the content.</summary>
    public bool HasGitSha1 => IsHex(40);

    private bool IsHex(int length) => ETag.Length == length && ETag.All(char.IsAsciiHexDigitLower);
}

/// <summary>How far a pull has come.</summary>
/// <param name="File">Its file.</param>
/// <param name="FileBytes">Bytes of the file that are here.</param>
/// <param name="Done">Whether the file is complete and checked.</param>
public sealed record PullProgress(HubFile File, long FileBytes, bool Done);
