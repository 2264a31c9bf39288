using DfPO.Actors.Configuration;
using DfPO.Learner;
using DfPO.Learner.Objectives;
using DfPO.Models;
using DfPO.Tasks.Prompts;

namespace DfPO.Actors.Experiments;

/// <summary>
/// The batches of a rule that rolls nothing out, as a function of the iteration: demonstrations of the training prompts, or given pairs.
/// </summary>
public sealed class GivenTexts
{
    private const ulong Order = 0x67697665;
    private readonly int _perIteration;
    private readonly Func<long, Trajectory[]> _draw;

    private GivenTexts(int perIteration, Func<long, Trajectory[]> draw) => (_perIteration, _draw) = (perIteration, draw);

    /// <summary>References of prompts, each a demonstration.</summary>
    /// <param name="config">The experiment.</param>
    /// <param name="prompts">Training prompts with references.</param>
    /// <param name="texts">Token ids.</param>
    public static GivenTexts Demonstrations(ExperimentConfig config, PromptSet prompts, TaskTexts texts) =>
        new(config.Rollout.PromptsPerIteration, draw =>
        {
            var prompt = prompts.Draw(config.Seed, draw);
            return [Trajectory.Demonstrated(texts.Prompt(prompt), texts.Demonstration(prompt, draw))];
        });

    /// <summary>
    /// Pairs, in a fresh order each epoch. Log-probabilities under the reference are left at 0: who holds that model fills them in.
    /// </summary>
    /// <param name="config">The experiment.</param>
    /// <param name="pairs">At least one pair.</param>
    /// <param name="texts">Token ids.</param>
    public static GivenTexts Pairs(ExperimentConfig config, IReadOnlyList<Preference> pairs, TaskTexts texts)
    {
        var order = new EpochOrder(pairs.Count, CounterRandom.UInt64(config.Seed, Order));
        return new(config.Rollout.PromptsPerIteration, draw =>
        {
            var pair = pairs[order[(ulong)draw]];
            var (chosen, rejected) = (texts.Continuation(pair.Prompt, pair.Chosen), texts.Continuation(pair.Prompt, pair.Rejected));
            return new PreferencePair(
                texts.Prompt(pair.Prompt),
                chosen,
                rejected,
                new float[chosen.Length],
                new float[rejected.Length]
            ).Trajectories((int)draw);
        });
    }

    /// <summary>What an iteration learns from.</summary>
    /// <param name="iteration">Updates done.</param>
    public Trajectory[] Batch(int iteration) =>
        [.. Enumerable.Range(0, _perIteration).SelectMany(i => _draw(((long)iteration * _perIteration) + i))];
}
