using System.Text;

namespace DfPO.Models.Files;

/// <summary>Files that a crash, a power cut or a full disk leaves whole. Every call is patient with the disk.</summary>
public static class DurableFile
{
    /// <summary>Writes a text beside its destination, syncs it, and moves it there.</summary>
    /// <exception cref="DfpoException">See <see cref="DiskPatience"/>.</exception>
    public static void Write(string path, string text) =>
        DiskPatience.Do(path, () =>
        {
            var partial = path + ".partial";
            using (var file = File.Create(partial))
            {
                file.Write(Encoding.UTF8.GetBytes(text));
                file.Flush(flushToDisk: true);
            }
            File.Move(partial, path, overwrite: true);
        });

    /// <summary>Appends a text. What the disk takes only in part is taken back, so that no later text stands behind a half one.</summary>
    /// <param name="path">The file, which need not exist.</param>
    /// <param name="text">Whole lines.</param>
    /// <param name="sync">Whether it must be on the disk when this returns.</param>
    /// <exception cref="DfpoException">See <see cref="DiskPatience"/>.</exception>
    public static void Append(string path, string text, bool sync = false) =>
        DiskPatience.Do(path, () =>
        {
            // Unbuffered: what fails, fails here, and not when the file is closed.
            using var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read, bufferSize: 0);
            var length = file.Length;
            file.Position = length;
            try
            {
                file.Write(Encoding.UTF8.GetBytes(text));
                file.Flush(flushToDisk: sync);
            }
            catch (IOException)
            {
                file.SetLength(length);
                throw;
            }
        });
}
