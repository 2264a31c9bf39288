namespace DfPO.Models.Tokenizers.Decoders;

/// <summary>Takes away spaces that English does not write.</summary>
internal static class CleanUp
{
    private static readonly (string From, string To)[] s_first =
    [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
    ];
    private static readonly (string From, string To)[] s_last = [(" 's", "'s"), (" 've", "'ve"), (" 're", "'re")];
    private static readonly (string From, string To)[] s_text = [.. s_first, .. s_last];
    private static readonly (string From, string To)[] s_token = [.. s_first, (" do not", " don't"), .. s_last];

    /// <summary>As transformers' <c>clean_up_tokenization</c>.</summary>
    public static string OfText(string text) => Apply(text, s_text);

    /// <summary>As HF tokenizers' WordPiece decoder.</summary>
    public static string OfToken(string token) => Apply(token, s_token);

    private static string Apply(string text, (string From, string To)[] rules) =>
        rules.Aggregate(text, (now, rule) => now.Replace(rule.From, rule.To, StringComparison.Ordinal));
}
