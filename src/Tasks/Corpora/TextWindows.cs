using DfPO.Models;

namespace DfPO.Tasks.Corpora;

/// <summary>Random pieces of texts, for a judge that will be asked about short continuations.</summary>
/// <param name="LeastWords">Words of the shortest piece, at least 1.</param>
/// <param name="MostWords">Words of the longest one, at least <paramref name="LeastWords"/>.</param>
/// <param name="WholeShare">Share of texts that are left whole, 0 to 1.</param>
public sealed record TextWindows(int LeastWords = 24, int MostWords = 128, double WholeShare = 0.5)
{
    private const ulong Stream = 0x5EED;

    /// <summary>The fields themselves when they make sense.</summary>
    /// <exception cref="DfpoException"><c>train/options</c>, naming the field.</exception>
    public TextWindows Checked() =>
        LeastWords < 1 || MostWords < LeastWords
            ? throw new DfpoException(
                "train/options",
                $"Training options 'least-words' and 'most-words' are {LeastWords} and {MostWords} but must be at least 1, the second at least the first."
            )
        : WholeShare is >= 0 and <= 1 ? this
        : throw new DfpoException("train/options", $"Training option 'whole-share' is {WholeShare} but must lie between 0 and 1.");

    /// <summary>A text as a draw sees it: whole, or a piece of it. The same for the same seed and draw.</summary>
    /// <param name="text">Words with single spaces between them.</param>
    /// <param name="seed">Seed of all draws.</param>
    /// <param name="draw">Number of the draw.</param>
    /// <returns>The whole text also where it is no longer than the piece.</returns>
    public string Of(string text, ulong seed, ulong draw)
    {
        double Uniform(int which) => CounterRandom.Uniform(seed ^ Stream, (3 * draw) + (ulong)which);
        if (Uniform(0) < WholeShare)
            return text;
        var words = text.Split(' ');
        var count = LeastWords + (int)(Uniform(1) * (MostWords - LeastWords + 1));
        if (words.Length <= count)
            return text;
        var start = (int)(Uniform(2) * (words.Length - count + 1));
        return string.Join(' ', words, start, count);
    }

    /// <summary>The first words of a text.</summary>
    public static string First(string text, int words) => string.Join(' ', text.Split(' ').Take(words));
}
