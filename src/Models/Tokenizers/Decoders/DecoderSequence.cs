namespace DfPO.Models.Tokenizers.Decoders;

/// <summary>Decoders one after another.</summary>
internal sealed class DecoderSequence(IReadOnlyList<IDecoder> steps) : IDecoder
{
    public List<string> Decode(List<string> tokens, bool begins) => steps.Aggregate(tokens, (now, step) => step.Decode(now, begins));
}
