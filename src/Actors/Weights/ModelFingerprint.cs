using System.Security.Cryptography;
using System.Text;
using DfPO.Models;
using DfPO.Models.Gguf;

namespace DfPO.Actors.Weights;

/// <summary>Tells whether two machines have the same checkpoint folder.</summary>
public static class ModelFingerprint
{
    private static readonly string[] s_suffixes = [".json", ".safetensors", ".bin", ".txt", ".model", ".jinja"];

    /// <summary>
    /// SHA-256 over names and contents of the folder's configuration, tokenizer and weight files, lower-case hexadecimal. Reads every byte.
    /// </summary>
    /// <exception cref="DfpoException"><c>checkpoint/missing-folder</c>.</exception>
    public static string Of(string folder)
    {
        if (GgufModel.Find(folder) is { } gguf)
        {
            using var file = File.OpenRead(gguf);
            return Convert.ToHexStringLower(SHA256.HashData(file));
        }
        if (!Directory.Exists(folder))
            throw new DfpoException("checkpoint/missing-folder", $"Checkpoint folder '{folder}' does not exist.");
        using var all = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (
            var file in Directory.GetFiles(folder).Where(file => s_suffixes.Contains(Path.GetExtension(file))).Order(StringComparer.Ordinal)
        )
        {
            using var stream = File.OpenRead(file);
            all.AppendData(Encoding.UTF8.GetBytes(Path.GetFileName(file) + "\n"));
            all.AppendData(SHA256.HashData(stream));
        }
        return Convert.ToHexStringLower(all.GetHashAndReset());
    }
}
