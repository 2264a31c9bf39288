using System.Text;
using DfPO.Models.Tokenizers.Segmentation;

namespace DfPO.Models.Tokenizers.Decoders;

/// <summary><c>ByteFallback</c>: runs of byte tokens as text, or one U+FFFD for each byte of a run that is not UTF-8 as a whole.</summary>
internal sealed class ByteFallbackDecoder : IDecoder
{
    private static readonly UTF8Encoding s_strict = new(false, throwOnInvalidBytes: true);

    public List<string> Decode(List<string> tokens, bool begins)
    {
        var parts = new List<string>(tokens.Count);
        var run = new List<byte>();
        foreach (var token in tokens)
        {
            if (ByteTokens.ByteOf(token) is { } value)
            {
                run.Add(value);
                continue;
            }
            Flush(run, parts);
            parts.Add(token);
        }
        Flush(run, parts);
        return parts;
    }

    private static void Flush(List<byte> run, List<string> parts)
    {
        if (run.Count == 0)
            return;
        try
        {
            parts.Add(s_strict.GetString([.. run]));
        }
        catch (DecoderFallbackException)
        {
            parts.AddRange(Enumerable.Repeat("\uFFFD", run.Count));
        }
        run.Clear();
    }
}
