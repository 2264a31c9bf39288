using DfPO.Models.Tokenizers.Text;

namespace DfPO.Models.Tokenizers;

/// <summary>Reads a <c>pattern</c> of <c>tokenizer.json</c>: <c>{"String": ...}</c> or <c>{"Regex": ...}</c>.</summary>
internal static class PatternReader
{
    /// <exception cref="DfpoException"><c>tokenizer/unsupported</c>, with the field.</exception>
    public static TextPattern Read(JsonField field)
    {
        field.Only("String", "Regex");
        var (literal, regex) = (field["String"], field["Regex"]);
        field.Require(literal.Text().Length == 0 != (regex.Text().Length == 0), "one String or one Regex that is not empty");
        if (!literal.IsAbsent)
            return new LiteralPattern(literal.Text());
        try
        {
            return RegexPattern.Of(regex.Text());
        }
        catch (Exception e) when (e is FormatException or System.Text.RegularExpressions.RegexParseException)
        {
            throw regex.Refused($"a pattern that means the same to every engine ({e.Message})");
        }
    }
}
