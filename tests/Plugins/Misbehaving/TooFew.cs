using DfPO.Tasks.Prompts;
using DfPO.Tasks.Rewards;

namespace Misbehaving;

/// <summary>Forgets the last text.</summary>
public sealed class TooFew : IReward
{
    public IReadOnlyList<float> Score(IReadOnlyList<PromptContinuation> texts) => new float[texts.Count - 1];

    public void Dispose() { }
}
