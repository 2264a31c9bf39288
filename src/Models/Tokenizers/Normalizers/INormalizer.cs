namespace DfPO.Models.Tokenizers.Normalizers;

/// <summary>What happens to a text before it is cut up; a step of <c>normalizer</c> in <c>tokenizer.json</c>.</summary>
internal interface INormalizer
{
    /// <param name="text">Well-formed UTF-16.</param>
    string Normalize(string text);
}
