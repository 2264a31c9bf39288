namespace DfPO.Tasks.Metrics;

/// <summary>VADER's rules about the words around a word; the numbers are means of human judgements (Hutto and Gilbert, 2014).</summary>
internal static class VaderRules
{
    /// <summary>Added to a word in capitals among words that are not.</summary>
    public const double Capitals = 0.733;

    /// <summary>Factor of a negated word.</summary>
    public const double Negation = -0.74;

    private const double Booster = 0.293;

    private static readonly HashSet<string> s_negations =
    [
        .. """
            aint arent cannot cant couldnt darent didnt doesnt ain't aren't can't couldn't daren't didn't doesn't dont hadnt hasnt havent isnt mightnt mustnt neither don't hadn't hasn't
            haven't isn't mightn't mustn't neednt needn't never none nope nor not nothing nowhere oughtnt shant shouldnt uhuh wasnt werent oughtn't shan't shouldn't uh-uh wasn't weren't
            without wont wouldnt won't wouldn't rarely seldom despite
            """.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries),
    ];

    private static readonly Dictionary<string, double> s_idioms = new()
    {
        ["the shit"] = 3,
        ["the bomb"] = 3,
        ["bad ass"] = 1.5,
        ["yeah right"] = -2,
        ["cut the mustard"] = 2,
        ["kiss of death"] = -1.5,
        ["hand to mouth"] = -2,
    };

    /// <summary>Words that strengthen or weaken the next.</summary>
    public static IReadOnlyDictionary<string, double> Boosters { get; } =
        """
            absolutely,amazingly,awfully,completely,considerably,decidedly,deeply,effing,enormously,entirely,especially,exceptionally,extremely,fabulously,flipping,flippin,fricking,frickin,
            frigging,friggin,fully,fucking,greatly,hella,highly,hugely,incredibly,intensely,majorly,more,most,particularly,purely,quite,really,remarkably,so,substantially,thoroughly,totally,
            tremendously,uber,unbelievably,unusually,utterly,very
            """.Split(',', StringSplitOptions.TrimEntries).Select(word => (word, Booster)).Concat(
            "almost,barely,hardly,just enough,kind of,kinda,kindof,kind-of,less,little,marginally,occasionally,partly,scarcely,slightly,somewhat,sort of,sorta,sortof,sort-of"
                .Split(',')
                .Select(word => (word, -Booster))
        ).ToDictionary(pair => pair.word, pair => pair.Item2);

    /// <summary>Whether a word has a cased letter and none in lower case.</summary>
    public static bool IsUpper(string word) => word.Any(char.IsUpper) && !word.Any(char.IsLower);

    /// <summary>What a booster adds to the valence of a word after it.</summary>
    public static double Boost(string word, double valence, bool shouts)
    {
        if (!Boosters.TryGetValue(word.ToLowerInvariant(), out var boost))
            return 0;
        boost = valence < 0 ? -boost : boost;
        return shouts && IsUpper(word) ? boost + (valence > 0 ? Capitals : -Capitals) : boost;
    }

    /// <summary>The valence after a negation that stands <paramref name="back"/> words before word <paramref name="i"/>.</summary>
    public static double Negate(double valence, string[] words, int i, int back)
    {
        var isSoOrThis = words[i - 1] is "so" or "this";
        // The grouping of the last condition is the original's, which needs no "never" when "so" or "this" stands next to the word.
        if (back == 2 && words[i - 2] == "never" && isSoOrThis)
            return valence * 1.5;
        if (back == 3 && ((words[i - 3] == "never" && words[i - 2] is "so" or "this") || isSoOrThis))
            return valence * 1.25;
        return IsNegation(words[i - back]) ? valence * Negation : valence;
    }

    /// <summary>The valence of an idiom that word <paramref name="i"/>, which has three words before it, belongs to.</summary>
    public static double Idioms(double valence, string[] words, int i)
    {
        string Run(int from, int to) => string.Join(' ', words[(i + from)..(i + to + 1)]);
        foreach (var run in new[] { Run(-1, 0), Run(-2, 0), Run(-2, -1), Run(-3, -1), Run(-3, -2) })
            if (s_idioms.TryGetValue(run, out var idiom))
            {
                valence = idiom;
                break;
            }
        for (var after = 1; after <= 2 && i + after < words.Length; after++)
            valence = s_idioms.GetValueOrDefault(Run(0, after), valence);
        return Boosters.ContainsKey(Run(-3, -2)) || Boosters.ContainsKey(Run(-2, -1)) ? valence - Booster : valence;
    }

    private static bool IsNegation(string word) =>
        word.ToLowerInvariant() is var lower && (s_negations.Contains(lower) || lower.Contains("n't", StringComparison.Ordinal));
}
