using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Lora;

/// <summary>What stands beside one layer: its sizes, rank and factor.</summary>
/// <param name="Path">The layer's path within the model.</param>
/// <param name="In">Features in; of an embedding its rows.</param>
/// <param name="Out">Features out.</param>
/// <param name="Rank">At least 1.</param>
/// <param name="Scale">What the product is multiplied with.</param>
internal sealed record LoraShape(string Path, long In, long Out, long Rank, double Scale)
{
    /// <summary>Whether each feature out has a magnitude of its own (DoRA).</summary>
    public bool HasMagnitude { get; init; }

    /// <summary>Whether the second factor has a bias.</summary>
    public bool HasBias { get; init; }

    /// <summary>Whether the layer is an embedding.</summary>
    public bool IsEmbedding { get; init; }
}

/// <summary>The factors beside one layer: the second of them starts at zero, so that nothing changes yet.</summary>
internal abstract class LoraLayer : nn.Module
{
    protected LoraLayer(LoraShape shape, string name)
        : base(name) => (Shape, Scale) = (shape, Arithmetic.Kept(shape.Scale));

    public LoraShape Shape { get; }

    /// <summary>The factor; lives as long as this.</summary>
    public Scalar Scale { get; }

    /// <summary>The first factor, <c>[rank, in]</c>.</summary>
    public abstract Parameter A { get; }

    /// <summary>The second factor, <c>[out, rank]</c>.</summary>
    public abstract Parameter B { get; }

    /// <summary>Length of each feature's weights, <c>[out]</c>; null where they have what comes of the sum.</summary>
    public abstract Parameter? Magnitude { get; }

    /// <summary><c>scale B A</c>, <c>[out, in]</c>.</summary>
    public Tensor Delta()
    {
        using var scope = NewDisposeScope();
        return B.matmul(A).mul(Scale).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// What the rows of the sum are multiplied with so that they have their magnitudes, <c>[out]</c>. Their length counts as a constant
    /// (Liu et al. 2024, section 4.3).
    /// </summary>
    /// <param name="weight">The base's, <c>[out, in]</c>.</param>
    public Tensor Gain(Tensor weight)
    {
        using var scope = NewDisposeScope();
        Tensor length;
        using (no_grad())
            length = weight.detach().Plus(Delta().to(weight.dtype)).Squared().sum(1).sqrt();
        return Magnitude!.div(length.to(Magnitude.dtype)).MoveToOuterDisposeScope();
    }

    /// <summary>The base's weight with the adapter in it, <c>[out, in]</c> as it is.</summary>
    public Tensor Merge(Tensor weight)
    {
        using var scope = NewDisposeScope();
        var sum = weight.Plus(Delta().to(weight.dtype));
        return (Magnitude is null ? sum : sum.mul(Gain(weight).to(weight.dtype).unsqueeze(1))).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            Scale.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>A parameter of zeros that the module owns, not the scope it happens to be built in.</summary>
    protected static Parameter Zeros(long[] shape, Device device, ScalarType dtype)
    {
        var parameter = new Parameter(zeros(shape, dtype, device));
        parameter.DetachFromDisposeScope();
        return parameter;
    }
}

/// <summary>
/// Beside a linear layer, under PEFT's names: <c>lora_A.weight</c> <c>[rank, in]</c>, <c>lora_B.weight</c> <c>[out, rank]</c>, and where
/// they are there <c>lora_B.bias</c> and <c>lora_magnitude_vector</c> <c>[out]</c>.
/// </summary>
internal sealed class LinearLora : LoraLayer
{
    private readonly LoraFactor lora_A;
    private readonly LoraFactor lora_B;
    private readonly Parameter? lora_magnitude_vector;

    public LinearLora(LoraShape shape, Device device, ScalarType dtype)
        : base(shape, nameof(LinearLora))
    {
        (lora_A, lora_B) = (
            new LoraFactor(shape.Rank, shape.In, hasBias: false, device, dtype),
            new LoraFactor(shape.Out, shape.Rank, shape.HasBias, device, dtype)
        );
        lora_magnitude_vector = shape.HasMagnitude ? Zeros([shape.Out], device, dtype) : null;
        RegisterComponents();
    }

    public override Parameter A => lora_A.weight;

    public override Parameter B => lora_B.weight;

    public override Parameter? Magnitude => lora_magnitude_vector;

    /// <summary>Bias of the second factor, <c>[out]</c>.</summary>
    public Parameter? Bias => lora_B.bias;
}

/// <summary>
/// Beside an embedding, under PEFT's names: <c>lora_embedding_A</c> <c>[rank, rows]</c>, <c>lora_embedding_B</c> <c>[width, rank]</c>. The
/// rows' features are the layer's features out.
/// </summary>
internal sealed class EmbeddingLora : LoraLayer
{
    private readonly Parameter lora_embedding_A;
    private readonly Parameter lora_embedding_B;
    private readonly Parameter? lora_magnitude_vector;

    public EmbeddingLora(LoraShape shape, Device device, ScalarType dtype)
        : base(shape, nameof(EmbeddingLora))
    {
        (lora_embedding_A, lora_embedding_B) = (
            Zeros([shape.Rank, shape.In], device, dtype),
            Zeros([shape.Out, shape.Rank], device, dtype)
        );
        lora_magnitude_vector = shape.HasMagnitude ? Zeros([shape.Out], device, dtype) : null;
        RegisterComponents();
    }

    public override Parameter A => lora_embedding_A;

    public override Parameter B => lora_embedding_B;

    public override Parameter? Magnitude => lora_magnitude_vector;

    /// <summary>The looked-up rows with the adapter in them.</summary>
    /// <param name="rows">Rows of the base, <c>[..., width]</c>.</param>
    /// <param name="ids">Their ids, int64.</param>
    /// <param name="weight">The base's, <c>[rows, width]</c>.</param>
    public Tensor AddTo(Tensor rows, Tensor ids, Tensor weight)
    {
        using var scope = NewDisposeScope();
        var narrow = A.index_select(1, ids.flatten()).t().reshape([.. ids.shape, Shape.Rank]);
        var own = nn.functional.linear(narrow, B).mul(Scale).to(rows.dtype);
        var sum = rows.Plus(own);
        return (Magnitude is null ? sum : sum.mul(Gain(weight.t()).to(rows.dtype))).MoveToOuterDisposeScope();
    }
}

/// <summary>One factor; it starts at zero.</summary>
internal sealed class LoraFactor : nn.Module
{
    public readonly Parameter weight;
    public readonly Parameter? bias;

    public LoraFactor(long rows, long columns, bool hasBias, Device device, ScalarType dtype)
        : base(nameof(LoraFactor))
    {
        // The module owns them, not the scope it happens to be built in.
        weight = new Parameter(zeros([rows, columns], dtype, device));
        weight.DetachFromDisposeScope();
        if (hasBias)
        {
            bias = new Parameter(zeros([rows], dtype, device));
            bias.DetachFromDisposeScope();
        }
        RegisterComponents();
    }
}

/// <summary>A part of a path on the way to a layer.</summary>
internal sealed class LoraFolder() : nn.Module(nameof(LoraFolder));
