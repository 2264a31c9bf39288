using DfPO.Models;

namespace DfPO.Learner;

/// <summary>The learner: advantages, objective, optimiser step, checkpoint. One thread at a time; no actor and no file is needed to test it.</summary>
/// <param name="policy">Trained in place; stays the caller's.</param>
/// <param name="value">Trained in place; stays the caller's.</param>
/// <param name="options">Hyper-parameters.</param>
/// <param name="seed">Seed of the minibatch order.</param>
/// <param name="incidents">Folder that receives the offending batch when a guard trips.</param>
public sealed class PolicyLearner(CausalLM policy, ValueModel value, LearnerOptions options, ulong seed, string incidents) : IDisposable
{
    /// <summary>Updates done.</summary>
    public int Iteration { get; private set; }

    /// <summary>Learns from one iteration's trajectories.</summary>
    /// <exception cref="DfpoException"><c>learner/batch</c>: the batch cannot be divided; <c>learner/not-finite</c> or <c>learner/kl-exploded</c>: a guard tripped, the message names the saved batch.</exception>
    public LearnerReport Update(IReadOnlyList<Trajectory> batch, CancellationToken cancellation = default) =>
        throw new NotImplementedException($"{policy} {value} {options} {seed} {incidents}");

    /// <summary>Writes everything that a resumed run needs to be bit-identical: policy, value, optimiser, KL controller, iteration. The folder appears whole or not at all.</summary>
    public void Save(string folder) => throw new NotImplementedException();

    /// <summary>Restores what <see cref="Save"/> wrote.</summary>
    /// <exception cref="DfpoException"><c>learner/resume</c> or a checkpoint error.</exception>
    public void Load(string folder) => throw new NotImplementedException();

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
