using DfPO.Rollout;
using DfPO.Tasks.Metrics;
using DfPO.Tasks.Prompts;

namespace DfPO.Actors.Evaluation;

/// <summary>What a policy made of a prompt.</summary>
/// <param name="Prompt">The prompt; a conversation is rendered.</param>
/// <param name="Text">The continuation's text alone.</param>
/// <param name="Sequence">Its tokens, and what the engine knows of them.</param>
public sealed record Continuation(Prompt Prompt, string Text, GeneratedSequence Sequence)
{
    /// <summary>As rewards and text metrics take it.</summary>
    public PromptContinuation ToText() => new(Prompt.Text, Text) { References = Prompt.References, Concepts = Prompt.Concepts };

    /// <summary>As figures and readers take it, with its task reward.</summary>
    public Sample ToSample(double reward)
    {
        static double Sum(float[] values) => values.Sum(value => (double)value);
        return new(Prompt.Id, Prompt.Text, Text, reward)
        {
            Tokens = Sequence.Tokens.Length,
            DrawnCrossEntropy = -Sum(Sequence.ReferenceLogprobs),
            PolicyKl = Sum(Sequence.StateKl),
            Decoding = Sequence.Figures,
        };
    }
}
