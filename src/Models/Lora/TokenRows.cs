using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Lora;

/// <summary>
/// Rows of an embedding that have values of their own, whole ones and not differences, under PEFT's name <c>trainable_tokens_delta</c>
/// <c>[tokens, width]</c>.
/// </summary>
internal sealed class TokenRows : nn.Module
{
    private readonly Parameter trainable_tokens_delta;
    private readonly Tensor _ids;
    private readonly Tensor _rowOf;

    /// <param name="path">The embedding's path within the model.</param>
    /// <param name="ids">The tokens, each once.</param>
    /// <param name="rows">Rows of the embedding, or at least as many as the largest id needs.</param>
    /// <param name="width">Features of a row.</param>
    /// <param name="device">Where they live.</param>
    /// <param name="dtype">Their dtype.</param>
    public TokenRows(string path, int[] ids, long rows, long width, Device device, ScalarType dtype)
        : base(nameof(TokenRows))
    {
        (Path, Ids) = (path, ids);
        trainable_tokens_delta = new Parameter(zeros([ids.Length, width], dtype, device));
        // The module owns them, not the scope it happens to be built in.
        trainable_tokens_delta.DetachFromDisposeScope();
        RegisterComponents();
        using var scope = NewDisposeScope();
        // One more than there are: ids beyond the largest all read the last entry.
        var table = new long[rows + 1];
        Array.Fill(table, -1);
        foreach (var (row, id) in ids.Index())
            table[id] = row;
        _ids = tensor(Array.ConvertAll(ids, id => (long)id), device: device).DetachFromDisposeScope();
        _rowOf = tensor(table, device: device).DetachFromDisposeScope();
    }

    public string Path { get; }

    public IReadOnlyList<int> Ids { get; }

    public Parameter Values => trainable_tokens_delta;

    /// <summary>The looked-up rows, those of the tokens with their own values.</summary>
    /// <param name="found">Rows of the base, <c>[..., width]</c>.</param>
    /// <param name="ids">Their ids, int64.</param>
    public Tensor Replace(Tensor found, Tensor ids)
    {
        using var scope = NewDisposeScope();
        using var last = Arithmetic.Kept(_rowOf.size(0) - 1);
        var row = _rowOf[ids.clamp_max(last)];
        var own = Values.index_select(0, row.clamp_min(Arithmetic.Zero).flatten()).view(found.shape).to(found.dtype);
        return where(row.ge(Arithmetic.Zero).unsqueeze(-1), own, found).MoveToOuterDisposeScope();
    }

    /// <summary>A weight <c>[rows, width]</c> with the tokens' own rows.</summary>
    public Tensor Merge(Tensor weight)
    {
        using var scope = NewDisposeScope();
        return weight.index_copy(0, _ids, Values.to(weight.dtype)).MoveToOuterDisposeScope();
    }

    /// <summary>Logits <c>[..., rows]</c> of hidden states <c>[..., width]</c>, those of the tokens by their own rows.</summary>
    public Tensor ReplaceLogits(Tensor logits, Tensor hidden, ComputePrecision precision)
    {
        using var scope = NewDisposeScope();
        var own = nn.functional.linear(precision.Cast(hidden), precision.Cast(Values)).to(logits.dtype);
        return logits.index_copy(-1, _ids, own).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _ids.Dispose();
            _rowOf.Dispose();
        }
        base.Dispose(disposing);
    }
}

/// <summary>The same rows in a head that shares the embedding's weight.</summary>
/// <param name="rows">The rows, the adapter's.</param>
/// <param name="precision">The model's.</param>
/// <param name="adapted">The rows of a batch that they work on.</param>
internal sealed class HeadRowsTerm(TokenRows rows, ComputePrecision precision, AdaptedRows adapted) : IProjectionTerm
{
    /// <inheritdoc/>
    public Tensor AddTo(Tensor output, Tensor input)
    {
        if (adapted == AdaptedRows.All)
            return rows.ReplaceLogits(output, input, precision);
        using var scope = NewDisposeScope();
        var half = output.size(0) / 2;
        var own = output.narrow(0, 0, half);
        own.copy_(rows.ReplaceLogits(own, input.narrow(0, 0, half), precision));
        return output;
    }

    /// <inheritdoc/>
    public Tensor MergeWeight(Tensor weight) => rows.Merge(weight);

    /// <inheritdoc/>
    public Tensor? MergeBias(Tensor? bias) => bias?.alias();
}
