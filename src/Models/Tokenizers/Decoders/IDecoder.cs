namespace DfPO.Models.Tokenizers.Decoders;

/// <summary>Turns tokens back into parts of a text; a step of <c>decoder</c> in <c>tokenizer.json</c>.</summary>
internal interface IDecoder
{
    /// <param name="tokens">Tokens, or what the step before has made of them.</param>
    /// <param name="begins">Whether they begin a text, rather than go on with one.</param>
    List<string> Decode(List<string> tokens, bool begins);
}
