using DfPO.Models.Files;

namespace DfPO.Models.Tests.Files;

public sealed class DiskTests : IDisposable
{
    private static readonly TimeSpan[] s_pauses = [TimeSpan.Zero, TimeSpan.Zero];
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_disk_that_is_full_for_a_moment_is_waited_for()
    {
        var attempts = 0;
        DiskPatience.Do(
            "a file",
            () =>
            {
                if (++attempts < 3)
                    throw new IOException("No space left on device");
            },
            s_pauses
        );
        Assert.Equal(3, attempts);
    }

    [Fact]
    public void A_disk_that_stays_full_is_one_line_that_names_the_file()
    {
        var attempts = 0;
        void Write()
        {
            attempts++;
            throw new IOException("No space left on device");
        }
        var error = Assert.Throws<DfpoException>(() => DiskPatience.Do("the/file", Write, s_pauses));
        Assert.Equal(("disk/write", 3), (error.Code, attempts));
        Assert.Contains("'the/file' cannot be written (No space left on device)", error.Message);
    }

    [Fact]
    public void What_no_waiting_mends_is_not_waited_for()
    {
        var attempts = 0;
        void Write()
        {
            attempts++;
            throw new UnauthorizedAccessException("Access to the path is denied.");
        }
        Assert.Equal("disk/write", Assert.Throws<DfpoException>(() => DiskPatience.Do("the/file", Write, s_pauses)).Code);
        Assert.Throws<DfpoException>(() => DurableFile.Write(_folder["none/file"], "text"));
        Assert.Equal(1, attempts);
    }

    [Fact]
    public void Files_are_written_whole_and_appended_to()
    {
        DurableFile.Write(_folder["file"], "one\n");
        DurableFile.Append(_folder["file"], "two\n");
        DurableFile.Append(_folder["file"], "three\n", sync: true);
        Assert.Equal("one\ntwo\nthree\n", File.ReadAllText(_folder["file"]));
        DurableFile.Write(_folder["file"], "four\n");
        Assert.Equal("four\n", File.ReadAllText(_folder["file"]));
        Assert.Equal([_folder["file"]], Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void A_sealed_folder_tells_what_is_damaged()
    {
        Directory.CreateDirectory(_folder["sealed/policy"]);
        File.WriteAllText(_folder["sealed/a"], "a");
        File.WriteAllText(_folder["sealed/policy/b"], "b");
        Assert.Null(FolderChecksums.Problem(_folder["sealed"]));
        FolderChecksums.Seal(_folder["sealed"]);
        Assert.Null(FolderChecksums.Problem(_folder["sealed"]));
        File.WriteAllText(_folder["sealed/policy/b"], "c");
        Assert.Equal("policy/b is not what was written", FolderChecksums.Problem(_folder["sealed"]));
        File.Delete(_folder["sealed/policy/b"]);
        Assert.Equal("policy/b is missing", FolderChecksums.Problem(_folder["sealed"]));
    }
}
