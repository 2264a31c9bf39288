using DfPO.Models.Decoding;
using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Gpt2;

/// <summary>A GPT-2's weights laid out for decoding on a CPU, as they were when this was made.</summary>
internal sealed class Gpt2PackedWeights : IDisposable
{
    // oneDNN is twice as fast on several products of this width as on one of 50257 columns.
    private const long HeadColumns = 3072;

    public Gpt2PackedWeights(Gpt2Model body, Tensor head, ScalarType dtype)
    {
        using var _ = no_grad();
        Dtype = dtype;
        Blocks = [.. body.Blocks.Select(block => new Block(block, dtype))];
        FinalNorm = new Norm(body.FinalNorm);
        Head =
        [
            .. head.split(HeadColumns)
                .Select(part =>
                {
                    using (part)
                        return new PackedLinear(part, null, dtype);
                }),
        ];
    }

    public ScalarType Dtype { get; }

    public Block[] Blocks { get; }

    public Norm FinalNorm { get; }

    /// <summary>The head in parts of its vocabulary, in order.</summary>
    public PackedLinear[] Head { get; }

    public void Dispose()
    {
        foreach (var block in Blocks)
            block.Dispose();
        foreach (var part in Head)
            part.Dispose();
    }

    /// <summary>A layer norm's weight and bias in float32.</summary>
    internal sealed class Norm
    {
        public Norm(TorchSharp.Modules.LayerNorm norm)
        {
            using var scope = NewDisposeScope();
            Weight = norm.weight!.detach().to(ScalarType.Float32).data<float>().ToArray();
            Bias = norm.bias!.detach().to(ScalarType.Float32).data<float>().ToArray();
        }

        public float[] Weight { get; }

        public float[] Bias { get; }
    }

    internal sealed class Block(Gpt2Block block, ScalarType dtype) : IDisposable
    {
        public Norm Norm1 { get; } = new(block.ln_1);

        public Norm Norm2 { get; } = new(block.ln_2);

        public PackedLinear QueryKeyValue { get; } = Pack(block.attn.c_attn, dtype);

        public PackedLinear AttentionProjection { get; } = Pack(block.attn.c_proj, dtype);

        public PackedLinear Expansion { get; } = Pack(block.mlp.c_fc, dtype);

        public PackedLinear Contraction { get; } = Pack(block.mlp.c_proj, dtype);

        public float Scale { get; } = (float)block.attn.Scale;

        public void Dispose()
        {
            QueryKeyValue.Dispose();
            AttentionProjection.Dispose();
            Expansion.Dispose();
            Contraction.Dispose();
        }

        private static PackedLinear Pack(Conv1D layer, ScalarType dtype)
        {
            using var weight = ((IProjection)layer).EffectiveWeight();
            using var transposed = weight.t();
            using var bias = ((IProjection)layer).EffectiveBias();
            return new PackedLinear(transposed, bias, dtype);
        }
    }
}
