namespace DfPO.Models.Tokenizers.Decoders;

/// <summary><c>Strip</c>: so many of a character away from the ends of each part; what goes on with a text keeps its beginning.</summary>
internal sealed class StripDecoder(char character, int start, int stop) : IDecoder
{
    public List<string> Decode(List<string> tokens, bool begins) =>
        tokens.ConvertAll(token =>
        {
            var (from, to) = (0, token.Length);
            while (begins && from < Math.Min(start, token.Length) && token[from] == character)
                from++;
            while (token.Length - to < stop && to > from && token[to - 1] == character)
                to--;
            return token[from..to];
        });
}
