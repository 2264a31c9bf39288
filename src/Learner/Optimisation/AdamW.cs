using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Learner.Optimisation;

/// <summary>AdamW with decoupled weight decay (Loshchilov and Hutter 2019), as PyTorch's fused kernel computes it.</summary>
/// <remarks>
/// TorchSharp's own optimiser takes an operation a parameter; libtorch's fused kernel, reached through TorchScript, is several times
/// faster.
/// </remarks>
public sealed class AdamW : IDisposable
{
    // A constant, tested script: TorchScript ends the process on a script that does not parse.
    private const string FusedStep = """
        def step(params: List[Tensor], grads: List[Tensor], exp_avgs: List[Tensor], exp_avg_sqs: List[Tensor], steps: List[Tensor],
                 lr: float, beta1: float, beta2: float, weight_decay: float, eps: float):
            torch._foreach_add_(steps, 1.0)
            torch._fused_adamw_(params, grads, exp_avgs, exp_avg_sqs, [], steps, lr=lr, beta1=beta1, beta2=beta2,
                                weight_decay=weight_decay, eps=eps, amsgrad=False, maximize=False)
            return steps[0]

        """;

    private readonly jit.CompilationUnit _script = jit.compile(FusedStep);
    private readonly ParameterGroup[] _groups;
    private readonly Dictionary<string, Tensor> _state = [];
    private readonly double _beta1;
    private readonly double _beta2;
    private readonly double _eps;
    private readonly bool _offload;

    /// <summary>Takes groups of parameters.</summary>
    /// <param name="groups">The parameters; they stay the caller's.</param>
    /// <param name="beta1">Decay of the first moment.</param>
    /// <param name="beta2">Decay of the second moment.</param>
    /// <param name="eps">Added to the root of the second moment.</param>
    /// <param name="offload">Whether the moments live, and the steps are taken, in the host's memory, wherever the parameters are.</param>
    public AdamW(IEnumerable<ParameterGroup> groups, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, bool offload = false)
    {
        (_beta1, _beta2, _eps, _offload) = (beta1, beta2, eps, offload);
        _groups = [.. groups];
        using var _ = no_grad();
        foreach (var (name, value) in Parameters)
        {
            _state[$"{name}.exp_avg"] = zeros_like(value, device: StateDevice(value)).DetachFromDisposeScope();
            _state[$"{name}.exp_avg_sq"] = zeros_like(value, device: StateDevice(value)).DetachFromDisposeScope();
            _state[$"{name}.step"] = zeros([], ScalarType.Float32, StateDevice(value)).DetachFromDisposeScope();
        }
    }

    /// <summary>All parameters by name.</summary>
    public IEnumerable<(string Name, Parameter Value)> Parameters => _groups.SelectMany(group => group.Parameters);

    /// <summary>The moments and step counts by <c>{parameter}.{exp_avg|exp_avg_sq|step}</c>, live: for a checkpoint.</summary>
    public IReadOnlyDictionary<string, Tensor> State => _state;

    /// <summary>Updates every parameter that has a gradient.</summary>
    public void Step()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var group in _groups)
            Step(group);
    }

    /// <summary>Sets the learning rate of all groups.</summary>
    public void SetLearningRate(double learningRate)
    {
        foreach (var group in _groups)
            group.LearningRate = learningRate;
    }

    /// <summary>Drops all gradients.</summary>
    public void ZeroGrad()
    {
        foreach (var (_, value) in Parameters)
            value.grad = null;
    }

    /// <summary>Copies a saved state in.</summary>
    /// <param name="get">Gives the tensor of a name in <see cref="State"/>.</param>
    public void LoadState(Func<string, Tensor> get)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var (name, tensor) in _state)
            tensor.copy_(get(name));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in _state.Values)
            tensor.Dispose();
        _script.Dispose();
    }

    private void Step(ParameterGroup group)
    {
        var live = group.Parameters.Where(p => p.Value.grad is not null).ToArray();
        if (live.Length == 0)
            return;
        foreach (var piece in Pieces(live))
            Step(group, piece);
    }

    private void Step(ParameterGroup group, (string Name, Parameter Value)[] live)
    {
        using var scope = NewDisposeScope();
        Tensor[] Moments(string kind) => [.. live.Select(p => _state[$"{p.Name}.{kind}"])];
        Tensor[] values = [.. live.Select(p => p.Value.to(StateDevice(p.Value)))],
            gradients = [.. live.Select(p => p.Value.grad!.to(StateDevice(p.Value)))];
        _script.Call(
            "step",
            values,
            gradients,
            Moments("exp_avg"),
            Moments("exp_avg_sq"),
            Moments("step"),
            group.LearningRate,
            _beta1,
            _beta2,
            group.WeightDecay,
            _eps
        );
        foreach (var (value, (_, parameter)) in values.Zip(live).Where(pair => pair.First.device != pair.Second.Value.device))
            parameter.copy_(value);
    }

    /// <summary>All at once, or one by one where copies would need memory.</summary>
    private IEnumerable<(string Name, Parameter Value)[]> Pieces((string Name, Parameter Value)[] live) =>
        _offload ? live.Select(p => new[] { p }) : [live];

    private Device StateDevice(Tensor parameter) => _offload ? CPU : parameter.device;
}
