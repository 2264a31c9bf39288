using TorchSharp.Modules;

namespace DfPO.Learner.Optimisation;

/// <summary>Parameters that share a learning rate and a weight decay; they stay the caller's.</summary>
/// <param name="parameters">By name, unique over all groups.</param>
/// <param name="learningRate">Learning rate of the next step.</param>
/// <param name="weightDecay">Decoupled weight decay, multiplied with the learning rate.</param>
public sealed class ParameterGroup(IEnumerable<(string Name, Parameter Value)> parameters, double learningRate, double weightDecay)
{
    /// <summary>Parameters by name.</summary>
    public IReadOnlyList<(string Name, Parameter Value)> Parameters { get; } = [.. parameters];

    /// <summary>Learning rate of the next step.</summary>
    public double LearningRate { get; set; } = learningRate;

    /// <summary>Decoupled weight decay.</summary>
    public double WeightDecay { get; } = weightDecay;

    /// <summary>A module's matrices, which decay, and its vectors (biases, norms), which do not.</summary>
    /// <param name="module">The module.</param>
    /// <param name="prefix">Put before the parameters' names.</param>
    /// <param name="learningRate">Learning rate of both groups.</param>
    /// <param name="weightDecay">Decay of the matrices.</param>
    public static ParameterGroup[] Split(TorchSharp.torch.nn.Module module, string prefix, double learningRate, double weightDecay) =>
        Split(module.named_parameters(), prefix, learningRate, weightDecay);

    /// <summary>The same of parameters by name.</summary>
    public static ParameterGroup[] Split(
        IEnumerable<(string name, Parameter parameter)> parameters,
        string prefix,
        double learningRate,
        double weightDecay
    )
    {
        var named = parameters.Select(p => (prefix + p.name, p.parameter)).ToLookup(p => p.parameter.dim() > 1);
        return [new ParameterGroup(named[true], learningRate, weightDecay), new ParameterGroup(named[false], learningRate, 0)];
    }
}
