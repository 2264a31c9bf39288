using System.Diagnostics;
using DfPO.Actors.Evaluation;
using DfPO.Actors.Learning;
using DfPO.Actors.Weights;
using DfPO.Rollout;
using DfPO.Tasks.Prompts;

namespace DfPO.Actors.Experiments;

/// <summary>The policy that a run has published, evaluated by its workers.</summary>
/// <param name="plan">Seeds and units.</param>
/// <param name="pipeline">Rolls out and rewards.</param>
/// <param name="services">The learner, which holds the weights.</param>
/// <param name="weights">The published weights.</param>
/// <param name="name">Name of the evaluation, unique within the run.</param>
/// <param name="exported">Folder that the weights are from; null where they are those being learnt.</param>
/// <param name="parent">The evaluation's span.</param>
internal sealed class PublishedPolicy(
    RolloutPlan plan,
    UnitPipeline pipeline,
    IExperimentServices services,
    WeightsRef weights,
    string name,
    string? exported,
    ActivityContext parent
) : IEvaluatedPolicy
{
    /// <inheritdoc/>
    public async Task<RewardedContinuations> Continue(
        IReadOnlyList<Prompt> prompts,
        GenerationOptions decoding,
        CancellationToken cancellation
    )
    {
        var units = await pipeline.Process(plan.Evaluation(name, prompts, decoding, weights), parent, cancellation);
        return new([.. units.SelectMany(unit => unit.Continuations)], [.. units.SelectMany(unit => unit.Rewards)]);
    }

    /// <inheritdoc/>
    public async Task<double?> ReferencePerplexity(IReadOnlyList<Prompt> prompts, CancellationToken cancellation) =>
        (await services.Learner(new LearnerProtocol.Measure(prompts, exported), cancellation)).ReferencePerplexity;
}
