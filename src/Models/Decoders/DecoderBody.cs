using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Decoders;

/// <summary>Embeddings, blocks and the final norm of a decoder of any family.</summary>
internal sealed class DecoderBody : NamedModules
{
    private readonly DecoderConfig _config;
    private readonly ComputePrecision _precision;
    private readonly AutocastLinear? _projectIn;
    private readonly AutocastLinear? _projectOut;
    private readonly Embedding? _positions;
    private readonly Dictionary<RopeSpec, RotaryEmbedding> _rotaries = [];
    private readonly Scalar _offset;

    public DecoderBody(DecoderConfig config, ComputePrecision precision, Device device, ScalarType dtype)
        : base(nameof(DecoderBody))
    {
        (_config, _precision, _offset) = (config, precision, Arithmetic.Kept((long)config.PositionOffset));
        var names = config.Names;
        Embedding = Add(
            names.Embedding,
            nn.Embedding(config.VocabSize, config.EmbeddingWidth, config.PaddingRow, device: device, dtype: dtype)
        );
        if (names.Positions is not null)
            _positions = Add(names.Positions, nn.Embedding(config.LearnedPositions, config.Width, device: device, dtype: dtype));
        if (config.EmbeddingWidth != config.Width)
        {
            _projectIn = Add(
                names.ProjectIn,
                new AutocastLinear(config.EmbeddingWidth, config.Width, hasBias: false, precision, device, dtype)
            );
            _projectOut = Add(
                names.ProjectOut,
                new AutocastLinear(config.Width, config.EmbeddingWidth, hasBias: false, precision, device, dtype)
            );
        }
        Blocks =
        [
            .. Enumerable
                .Range(0, config.Layers)
                .Select(layer => Add($"{names.Blocks}.{layer}", new DecoderBlock(config, layer, precision, device, dtype))),
        ];
        if (names.FinalNorm is not null)
            FinalNorm = DecoderBlock.AddNorm(this, names.FinalNorm, config, device, dtype);
        foreach (var rope in new[] { config.Rope, config.WindowRope }.OfType<RopeSpec>())
            _rotaries.TryAdd(rope, new RotaryEmbedding(rope));
    }

    public Embedding Embedding { get; }

    public DecoderBlock[] Blocks { get; }

    public nn.Module<Tensor, Tensor>? FinalNorm { get; }

    /// <summary>See <see cref="CausalLM.Hidden(Tensor, Tensor, KeyValueCache, Tensor)"/>.</summary>
    /// <param name="inputIds">Token ids.</param>
    /// <param name="attentionMask">Of past and new tokens.</param>
    /// <param name="cache">Appended to.</param>
    /// <param name="positionIds">Positions.</param>
    /// <param name="lengths">Tokens of each row, int64, where the mask does not tell; used where the rotation depends on them.</param>
    public Tensor Forward(Tensor inputIds, Tensor? attentionMask, KeyValueCache? cache, Tensor? positionIds, Tensor? lengths)
    {
        using var scope = NewDisposeScope();
        long past = cache?.Length ?? 0,
            time = inputIds.size(1);
        _config.RequireRoom(past + time);
        positionIds ??= CausalMask.Positions(attentionMask, past, time, inputIds.device);
        var hidden = Embed(inputIds, positionIds);
        var rotations = Rotations(positionIds, lengths, past);
        var dtype = _precision.MatmulDtype ?? hidden.dtype;
        var masks = _config
            .Windows.Distinct()
            .ToDictionary(window => window ?? 0, window => CausalMask.Additive(attentionMask, past, time, dtype, inputIds.device, window));
        for (var layer = 0; layer < Blocks.Length; layer++)
        {
            var (block, rotation) = (Blocks[layer], _config.RopeOf(layer) is { } rope ? rotations[rope] : null);
            hidden = Recomputation.Run(
                _precision,
                x => block.Forward(x[0]!, x[1], rotation is null ? null : rotation with { Cosine = x[2]!, Sine = x[3]! }, cache),
                hidden,
                masks[_config.Windows[layer] ?? 0],
                rotation?.Cosine,
                rotation?.Sine
            );
        }
        cache?.Advance(time);
        return Leave(FinalNorm is null ? hidden : FinalNorm.call(hidden)).MoveToOuterDisposeScope();
    }

    /// <summary>What the first block reads of ids and positions <c>[batch, time]</c>.</summary>
    public Tensor Embed(Tensor inputIds, Tensor positionIds)
    {
        using var scope = NewDisposeScope();
        var hidden = Embedding.call(inputIds);
        if (_config.ScalesEmbedding)
            // In the dtype of the weights, as the original rounds it.
            hidden = hidden * tensor(new[] { Math.Sqrt(_config.Width) }, hidden.dtype, hidden.device);
        if (_projectIn is not null)
            hidden = _projectIn.call(hidden).to(hidden.dtype);
        if (_positions is not null)
            hidden = hidden.Plus(_positions.call(_config.PositionOffset == 0 ? positionIds : positionIds.Plus(_offset)));
        return hidden.MoveToOuterDisposeScope();
    }

    /// <summary>What the head reads of the last norm's output.</summary>
    public Tensor Leave(Tensor normed) => _projectOut is null ? normed.alias() : _projectOut.call(normed).to(normed.dtype);

    /// <summary>The turn of each kind of layer at positions <c>[batch or 1, time]</c>.</summary>
    public Dictionary<RopeSpec, Rotation> Rotations(Tensor positionIds, Tensor? lengths, long past)
    {
        long[] tokens = [0];
        if (_rotaries.Keys.Any(rope => rope.Scaling.FixedUpTo < long.MaxValue))
        {
            using var scope = NewDisposeScope();
            tokens = (lengths ?? positionIds.amax([1]).Plus(Arithmetic.One)).cpu().data<long>().ToArray();
            if (past > 0)
            {
                var before = positionIds.select(1, 0).cpu().data<long>().ToArray();
                if (before.Zip(tokens).Any(row => _config.Restretches(row.First, row.Second)))
                    throw new InvalidOperationException(
                        "The rotation of the tokens in the cache changes at this length: decode with CreateDecoder, which computes them anew."
                    );
            }
        }
        return _rotaries.ToDictionary(pair => pair.Key, pair => pair.Value.At(positionIds, tokens));
    }
}
