using System.Globalization;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Rewards;

namespace Brevity;

/// <summary>The example of docs/tasks.md: the shorter, the better.</summary>
/// <param name="scale">Characters that cost one point.</param>
public sealed class Brevity(string scale) : IReward
{
    private readonly float _scale = float.Parse(scale, CultureInfo.InvariantCulture);

    public IReadOnlyList<float> Score(IReadOnlyList<PromptContinuation> texts) =>
        [.. texts.Select(text => -text.Continuation.Length / _scale)];

    public void Dispose() { }
}
