namespace DfPO.Learner.Objectives;

/// <summary>
/// The coefficient of a KL term: fixed, or steered to a target after each iteration (Ziegler et al. 2019; <see cref="AdaptiveKl"/>).
/// </summary>
/// <param name="coefficient"><c>beta</c> of the first iteration.</param>
/// <param name="target">Target, nats a token; 0 keeps the coefficient fixed.</param>
/// <param name="rate">Strength of the correction, greater than 0; see <see cref="AdaptiveKl.Next"/>.</param>
/// <param name="name">Metric name of the coefficient.</param>
public sealed class KlController(double coefficient, double target, double rate, string name)
{
    /// <summary><c>beta</c> of the iteration to come.</summary>
    public double Coefficient { get; private set; } = coefficient;

    /// <summary>The coefficient by its metric name.</summary>
    public IReadOnlyDictionary<string, double> State => new Dictionary<string, double> { [name] = Coefficient };

    /// <summary>Takes a saved <see cref="State"/> back.</summary>
    public void Restore(IReadOnlyDictionary<string, double> state) => Coefficient = state[name];

    /// <summary>Sees an iteration's mean KL a token, nats.</summary>
    public void EndIteration(double meanKl)
    {
        if (target > 0)
            Coefficient = AdaptiveKl.Next(Coefficient, meanKl, target, rate);
    }
}
