using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Gpt2;

/// <summary>The two-layer perceptron of a block.</summary>
internal sealed class Gpt2Mlp : nn.Module<Tensor, Tensor>
{
    public readonly Conv1D c_fc;
    public readonly Conv1D c_proj;
    private readonly Func<Tensor, Tensor> _activation;

    public Gpt2Mlp(Gpt2Config config, ComputePrecision precision, Device device, ScalarType dtype)
        : base(nameof(Gpt2Mlp))
    {
        var inner = config.NInner ?? 4 * config.NEmbd;
        c_fc = new Conv1D(config.NEmbd, inner, precision, device, dtype);
        c_proj = new Conv1D(inner, config.NEmbd, precision, device, dtype);
        _activation = Activations.Get(config.ActivationFunction);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return c_proj.call(_activation(c_fc.call(input))).MoveToOuterDisposeScope();
    }
}
