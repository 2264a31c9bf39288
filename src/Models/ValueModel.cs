using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models;

/// <summary>State values: one or more scalar heads on a trunk of its own, which starts as a copy of the policy (as in RL4LMs).</summary>
public sealed class ValueModel : nn.Module
{
    private readonly LanguageModel trunk;
    private readonly Linear v_head;

    /// <summary>Takes ownership of <paramref name="trunk"/>; the heads start at zero, so that first values are zero.</summary>
    /// <param name="trunk">The body.</param>
    /// <param name="heads">Value heads, at least 1.</param>
    public ValueModel(LanguageModel trunk, int heads = 1)
        : base(nameof(ValueModel))
    {
        this.trunk = trunk;
        Heads = heads;
        var like = trunk.parameters().First();
        v_head = nn.Linear(trunk.HiddenSize, heads, hasBias: false, device: like.device, dtype: like.dtype);
        using (no_grad())
            v_head.weight!.zero_();
        RegisterComponents();
    }

    /// <summary>Value heads.</summary>
    public int Heads { get; }

    /// <summary>The body, whose kind decides how a batch is laid out.</summary>
    public LanguageModel Trunk => trunk;

    /// <summary>Matrix-product precision of the trunk; the heads always work in the parameters' dtype.</summary>
    public ComputePrecision Precision => trunk.Precision;

    /// <summary>
    /// The parameters that learning changes: the heads, and of the trunk its adapters where there are adapters, else everything.
    /// </summary>
    public IEnumerable<(string name, Parameter parameter)> TrainedParameters() =>
        trunk.Adapters is null
            ? named_parameters()
            : trunk
                .TrainedParameters()
                .Select(p => ($"{nameof(trunk)}.{p.name}", p.parameter))
                .Append(($"{nameof(v_head)}.weight", v_head.weight!));

    /// <summary>
    /// Values <c>[batch, time]</c>, float32, of sequences of a decoder-only trunk; see <see cref="Values(ModelInput, Tensor)"/>.
    /// </summary>
    public Tensor Values(Tensor inputIds, Tensor? heads = null) => Values(new ModelInput(inputIds), heads);

    /// <summary>
    /// Values <c>[batch, time]</c>, float32, of right-padded sequences <c>[batch, time]</c>: entry t is the value of the state after token
    /// t.
    /// </summary>
    /// <param name="input">The sequences.</param>
    /// <param name="heads">The head that values each row, <c>[batch]</c>, int64; head 0 when null.</param>
    public Tensor Values(ModelInput input, Tensor? heads = null)
    {
        using var scope = NewDisposeScope();
        var all = v_head.call(trunk.Hidden(input));
        var values = heads is null ? all.select(2, 0) : all.gather(2, heads.view(-1, 1, 1).expand(-1, all.size(1), 1)).squeeze(2);
        return values.to(ScalarType.Float32).MoveToOuterDisposeScope();
    }
}
