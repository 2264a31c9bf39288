using DfPO.Models;
using DfPO.Models.Files;

namespace DfPO.Learner.Checkpoints;

/// <summary>Folders that appear whole or not at all.</summary>
public static class AtomicFolder
{
    /// <summary>Writes a folder beside its destination and swaps it in, so that a kill at any moment leaves a whole one.</summary>
    /// <param name="folder">Destination; what was there is replaced.</param>
    /// <param name="write">Fills the (existing, empty) folder that it is given; called again where the disk was full.</param>
    /// <exception cref="DfpoException"><c>disk/write</c>.</exception>
    public static void Replace(string folder, Action<string> write)
    {
        Recover(folder);
        var partial = folder + ".partial";
        try
        {
            DiskPatience.Do(folder, () =>
            {
                if (Directory.Exists(partial))
                    Directory.Delete(partial, recursive: true);
                Directory.CreateDirectory(partial);
                write(partial);
            });
        }
        catch (DfpoException) when (Directory.Exists(partial))
        {
            Directory.Delete(partial, recursive: true);
            throw;
        }
        var old = folder + ".old";
        if (Directory.Exists(old))
            Directory.Delete(old, recursive: true);
        if (Directory.Exists(folder))
            Directory.Move(folder, old);
        Directory.Move(partial, folder);
        if (Directory.Exists(old))
            Directory.Delete(old, recursive: true);
    }

    /// <summary>
    /// Call before reading: a kill between the two moves of <see cref="Replace"/> leaves only the old folder, which is put back.
    /// </summary>
    public static void Recover(string folder)
    {
        if (!Directory.Exists(folder) && Directory.Exists(folder + ".old"))
            Directory.Move(folder + ".old", folder);
    }
}
