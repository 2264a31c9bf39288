using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Learner.Updates;
using DfPO.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests.Objectives;

/// <summary>Any objective on tiny models, with the batch that its traits ask for.</summary>
internal static class EveryObjective
{
    public static readonly LearnerOptions Options = new()
    {
        LearningRate = 1e-3,
        Epochs = 2,
        MinibatchSize = 4,
        MaxKl = 100,
        Ppo = new PpoOptions { TargetKl = 0.5 },
        Grpo = new GrpoOptions { TargetKl = 0.5, TargetKlRate = 1 },
        Nlpo = new NlpoOptions
        {
            RefreshEvery = 2,
            MinTokensToKeep = 3,
            TopP = 0.7,
        },
        Trpo = new TrpoOptions { CriticEpochs = 2, ConjugateGradientIterations = 5 },
    };

    private static readonly Lazy<CausalLM> s_reference = new(() => Support.TinyPolicy(3));

    public static TheoryData<ObjectiveKind> Kinds => [.. Enum.GetValues<ObjectiveKind>()];

    /// <summary>Eight sequences: rolled out, in groups, with demonstrations, or nothing but given texts.</summary>
    public static Trajectory[] Batch(LearnerOptions options, CausalLM policy, CausalLM reference, ulong seed)
    {
        var traits = ObjectiveRegistry.Traits(options);
        var batch = Support.Trajectories(8, policy, reference, seed);
        if (traits.SamplesPerPrompt == 0)
            return [.. batch.Select(t => Trajectory.Demonstrated(t.PromptTokens, t.Tokens))];
        if (traits.SamplesPerPrompt > 1)
            batch =
            [
                .. batch.Select(
                    (t, i) => Rescored(t with { PromptTokens = batch[i / 4 * 4].PromptTokens, Group = i / 4 }, policy, reference)
                ),
            ];
        if (traits.NeedsDemonstrations)
            batch = [.. batch.Select((t, i) => t with { Demonstration = batch[7 - i].Tokens })];
        return batch;
    }

    public static PolicyLearner Learner(LearnerOptions options, CausalLM policy, ValueModel value, CausalLM mask, string incidents) =>
        new(policy, value, options, 7, incidents, mask, ObjectiveRegistry.Traits(options).NeedsMismatched ? s_reference.Value : null);

    private static Trajectory Rescored(Trajectory t, CausalLM policy, CausalLM reference)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var index = tensor(t.Tokens.Select(x => (long)x).ToArray()).unsqueeze(1);
        float[] Of(CausalLM model) => Support.NaiveLogprobs(model, t.PromptTokens, t.Tokens).gather(1, index).data<float>().ToArray();
        return t with { Logprobs = Of(policy), ReferenceLogprobs = Of(reference) };
    }
}
