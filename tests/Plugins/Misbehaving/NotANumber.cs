using DfPO.Tasks.Prompts;
using DfPO.Tasks.Rewards;

namespace Misbehaving;

/// <summary>Divides nothing by nothing.</summary>
public sealed class NotANumber : IReward
{
    public IReadOnlyList<float> Score(IReadOnlyList<PromptContinuation> texts) => [.. texts.Select(_ => float.NaN)];

    public void Dispose() { }
}
