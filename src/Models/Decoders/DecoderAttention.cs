using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Decoders;

/// <summary>
/// A block's attention: one or more heads of queries to one of keys and values, with rotary positions or none. Its layers are registered
/// with the block.
/// </summary>
internal sealed class DecoderAttention
{
    private readonly DecoderConfig _config;
    private readonly int _layer;
    private readonly ScaledAttention _attention;
    private readonly nn.Module<Tensor, Tensor>? _queryNorm;
    private readonly nn.Module<Tensor, Tensor>? _keyNorm;

    public DecoderAttention(
        NamedModules block,
        DecoderConfig config,
        int layer,
        ComputePrecision precision,
        Device device,
        ScalarType dtype
    )
    {
        (_config, _layer, _attention) = (config, layer, new ScaledAttention(config.Scale, config.HeadSize, precision, config.ScoreCap));
        var names = config.Names;
        long queries = (long)config.Heads * config.HeadSize,
            keys = config.KeyValueWidth;
        AutocastLinear Projection(string name, long from, long to, bool bias) =>
            block.Add(name, new AutocastLinear(from, to, bias, precision, device, dtype));
        Projections = names.QueryKeyValue is { } fused
            ? [Projection(fused, config.Width, queries + (2 * keys), config.QueryKeyValueBias)]
            :
            [
                .. new[] { (names.Query, queries), (names.Key, keys), (names.Value, keys) }.Select(part =>
                    Projection(part.Item1, config.Width, part.Item2, config.QueryKeyValueBias)
                ),
            ];
        Output = Projection(names.Output, queries, config.Width, config.OutputBias);
        nn.Module<Tensor, Tensor>? Norm(string name, long heads) =>
            config.HeadNorm switch
            {
                HeadNorm.None => null,
                HeadNorm.Own => block.Add(name, new HeadLayerNorm(heads, config.HeadSize, config.NormEpsilon, device, dtype)),
                var kind => block.Add(
                    name,
                    new RmsNorm(
                        kind == HeadNorm.Whole ? heads * config.HeadSize : config.HeadSize,
                        config.NormEpsilon,
                        device,
                        dtype,
                        config.Norm == NormKind.RmsPlusOne
                    )
                ),
            };
        (_queryNorm, _keyNorm) = (Norm(names.QueryNorm, config.Heads), Norm(names.KeyNorm, config.KeyValueHeads));
    }

    /// <summary>Those of queries, keys and values, or one of all three.</summary>
    public AutocastLinear[] Projections { get; }

    public AutocastLinear Output { get; }

    /// <param name="input"><c>[batch, time, width]</c>.</param>
    /// <param name="mask">Added to the scores, see <see cref="ScaledAttention.Run"/>.</param>
    /// <param name="rotation">Of queries and keys; null for none.</param>
    /// <param name="cache">Appended to when given.</param>
    public Tensor Forward(Tensor input, Tensor? mask, Rotation? rotation, KeyValueCache? cache)
    {
        using var scope = NewDisposeScope();
        var (query, key, value) = Split(input);
        if (_config.HeadNorm != HeadNorm.Whole)
            (query, key) = (Normed(query, _queryNorm), Normed(key, _keyNorm));
        if (rotation is not null)
            (query, key) = (rotation.Apply(query), rotation.Apply(key));
        if (cache is not null)
            (key, value) = cache.Append(_layer, key, value);
        return Output.call(_attention.Run(query, key, value, mask, causal: true)).MoveToOuterDisposeScope();
    }

    /// <summary>Queries, keys and values, each <c>[batch, heads, time, size]</c>.</summary>
    private (Tensor Query, Tensor Key, Tensor Value) Split(Tensor input)
    {
        var parts = Array.ConvertAll(Projections, projection => projection.call(input));
        if (_config.Layout == ProjectionLayout.ByHead)
        {
            var heads = parts[0].view(input.size(0), input.size(1), _config.Heads, 3, _config.HeadSize).permute(3, 0, 2, 1, 4).unbind(0);
            return (heads[0], heads[1], heads[2]);
        }
        if (_config.Layout == ProjectionLayout.Blocks)
            parts = parts[0].split([(long)_config.Heads * _config.HeadSize, _config.KeyValueWidth, _config.KeyValueWidth], -1);
        if (_config.HeadNorm == HeadNorm.Whole)
            (parts[0], parts[1]) = (Normed(parts[0], _queryNorm), Normed(parts[1], _keyNorm));
        return (Heads(parts[0], _config.Heads), Heads(parts[1], _config.KeyValueHeads), Heads(parts[2], _config.KeyValueHeads));
    }

    private Tensor Heads(Tensor flat, long heads) => flat.view(flat.size(0), flat.size(1), heads, _config.HeadSize).transpose(1, 2);

    // The norm works in float32 or better, whatever the precision of the products is.
    private static Tensor Normed(Tensor projected, nn.Module<Tensor, Tensor>? norm) =>
        norm is null ? projected : norm.call(projected).to(projected.dtype);
}
