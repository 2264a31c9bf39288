using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Layers;

/// <summary>A layer norm for each head of <c>[batch, heads, time, size]</c>, with a weight of its own and no bias.</summary>
/// <remarks>Names as in HF's <c>StableLmLayerNormPerHead</c>.</remarks>
internal sealed class HeadLayerNorm : nn.Module<Tensor, Tensor>
{
    private readonly ModuleList<LayerNorm> norms;

    public HeadLayerNorm(long heads, long size, double epsilon, Device device, ScalarType dtype)
        : base(nameof(HeadLayerNorm))
    {
        norms = nn.ModuleList([
            .. Enumerable
                .Range(0, (int)heads)
                .Select(_ => nn.LayerNorm(size, epsilon, elementwise_affine: true, bias: false, device: device, dtype: dtype)),
        ]);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return stack([.. input.unbind(1).Zip(norms, (head, norm) => norm.call(head.to(norm.weight!.dtype)).to(input.dtype))], 1)
            .MoveToOuterDisposeScope();
    }
}
