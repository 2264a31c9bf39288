using DfPO.Models.Decoding;
using DfPO.Models.Layers;
using DfPO.Models.Lora;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Gpt2;

/// <summary>
/// Decodes a GPT-2 on a CPU: prompts as any model does, then step by step with packed products, and between them a float32 residual stream
/// and kernels of one pass.
/// </summary>
/// <param name="model">The model.</param>
/// <param name="config">Its sizes.</param>
/// <param name="weights">Its packed weights.</param>
/// <param name="adaptersArePacked">Whether they contain its adapters; otherwise every step adds the adapters' terms.</param>
internal sealed class Gpt2CpuDecoder(Gpt2LMHeadModel model, Gpt2Config config, Gpt2PackedWeights weights, bool adaptersArePacked) : Decoder
{
    private readonly Gpt2BlockTerms[] _terms = [.. model.Blocks.Select(block => adaptersArePacked ? default : Gpt2BlockTerms.Of(block))];

    /// <remarks>
    /// Packed products share out columns of their results, never a sum, so a second thread changes no bit; a test compares.
    /// </remarks>
    public override int StepThreads => 2;

    public override DecodingSession Open(IReadOnlyList<int[]> prompts, int newTokens) =>
        weights.Dtype == ScalarType.BFloat16
            ? new Session<ushort, BFloat16Element>(model, config, weights, _terms, prompts, newTokens)
            : new Session<float, Float32Element>(model, config, weights, _terms, prompts, newTokens);

    private sealed unsafe class Session<T, TElement> : DecodingSession
        where T : unmanaged
        where TElement : IElement<T>
    {
        private readonly Gpt2LMHeadModel _model;
        private readonly Gpt2Config _config;
        private readonly Gpt2PackedWeights _weights;
        private readonly Gpt2BlockTerms[] _terms;
        private readonly PromptBatch _prompts;
        private readonly KeyValueCache _cache;
        private readonly int _width;
        private readonly int _size;
        private float[] _hidden;
        private float[] _scores;
        private int[] _padding;
        private int[] _rows;

        public Session(
            Gpt2LMHeadModel model,
            Gpt2Config config,
            Gpt2PackedWeights weights,
            Gpt2BlockTerms[] terms,
            IReadOnlyList<int[]> prompts,
            int newTokens
        )
        {
            (_model, _config, _weights, _terms, _prompts) = (model, config, weights, terms, new PromptBatch(prompts));
            (_width, _size) = (config.NEmbd, config.HeadSize);
            _cache = model.CreateCache(prompts.Count, _prompts.Width + newTokens);
            _hidden = new float[prompts.Count * _width];
            _scores = new float[_cache.Capacity + 16];
            _padding = _prompts.Padding;
            _rows = [.. Enumerable.Range(0, prompts.Count)];
        }

        public override bool SelectIsFree => true;

        public override Tensor Prefill()
        {
            using var scope = NewDisposeScope();
            var hidden = _model.Hidden(_prompts.IdTensor(CPU), _prompts.Mask(0, CPU), _cache);
            // Two dimensions: of three, with a place of time cut out, torch multiplies row by row where the weight learns nothing, with a
            // copy of it for each.
            return _model.Head(hidden.select(1, -1)).MoveToOuterDisposeScope();
        }

        public override Tensor Step(ReadOnlySpan<int> tokens)
        {
            using var scope = NewDisposeScope();
            Embed(tokens);
            var input = empty([_rows.Length, _width], _weights.Dtype);
            for (var layer = 0; layer < _weights.Blocks.Length; layer++)
            {
                using var products = NewDisposeScope();
                var (block, terms) = (_weights.Blocks[layer], _terms[layer]);
                Normalise(block.Norm1, input);
                Attend(layer, block.Scale, Product(block.QueryKeyValue, terms.QueryKeyValue, input), input);
                Add(Product(block.AttentionProjection, terms.AttentionProjection, input));
                Normalise(block.Norm2, input);
                Add(Product(block.Contraction, terms.Contraction, Expand(block.Expansion, terms.Expansion, input)));
            }
            _cache.Advance(1);
            Normalise(_weights.FinalNorm, input);
            return cat([.. _weights.Head.Select(part => part.Forward(input))], 1).MoveToOuterDisposeScope();
        }

        /// <summary>Rows that left stay in the cache, unread; only rows that become several are copied.</summary>
        public override void Select(ReadOnlySpan<int> rows)
        {
            int[] all = _rows;
            _rows = Array.ConvertAll(rows.ToArray(), row => all[row]);
            if (_rows.Distinct().Count() == _rows.Length)
                return;
            Compact();
            if (_hidden.Length < _rows.Length * _width)
                _hidden = new float[_rows.Length * _width];
        }

        /// <inheritdoc/>
        public override bool TryJoin(DecodingSession other, int newTokens)
        {
            if (other is not Session<T, TElement> joining)
                return false;
            Compact();
            joining.Compact();
            var (own, theirs) = _cache.Join(_padding.Min(), joining._cache, joining._padding.Min(), newTokens);
            _padding = [.. _padding.Select(padding => padding + (int)own), .. joining._padding.Select(padding => padding + (int)theirs)];
            _rows = [.. Enumerable.Range(0, _padding.Length)];
            _hidden = new float[_rows.Length * _width];
            _scores = new float[_cache.Capacity + 16];
            return true;
        }

        protected override void Dispose(bool disposing) => _cache.Dispose();

        /// <summary>Drops the rows that have left from the cache.</summary>
        private void Compact()
        {
            if (_rows.Length == _cache.Batch && _rows.Index().All(row => row.Index == row.Item))
                return;
            using var index = tensor(Array.ConvertAll(_rows, row => (long)row));
            _cache.Select(index);
            _padding = Array.ConvertAll(_rows, row => _padding[row]);
            _rows = [.. Enumerable.Range(0, _rows.Length)];
        }

        private static Tensor Product(PackedLinear layer, IProjectionTerm? term, Tensor input)
        {
            var product = layer.Forward(input);
            return term?.AddTo(product, input) ?? product;
        }

        private Tensor Expand(PackedLinear expansion, IProjectionTerm? term, Tensor input) =>
            term is null && _config.ActivationFunction is ("gelu_new" or "gelu_pytorch_tanh" or "gelu_fast")
                ? expansion.ForwardGelu(input)
                : Activations.Get(_config.ActivationFunction)(Product(expansion, term, input));

        private void Embed(ReadOnlySpan<int> tokens)
        {
            var positions = Array.ConvertAll(_rows, row => _cache.Length - _padding[row]);
            var hidden = _model
                .Embed(tensor(Array.ConvertAll(tokens.ToArray(), token => (long)token)), tensor(positions))
                .to(ScalarType.Float32);
            hidden.data<float>().CopyTo(_hidden.AsSpan(0, _rows.Length * _width));
        }

        private void Normalise(Gpt2PackedWeights.Norm norm, Tensor target)
        {
            fixed (
                float* hidden = _hidden,
                    weight = norm.Weight,
                    bias = norm.Bias
            )
            {
                var output = Pointer(target);
                for (var i = 0; i < _rows.Length; i++)
                    DecodeKernels<T, TElement>.LayerNorm(
                        hidden + i * _width,
                        weight,
                        bias,
                        output + i * _width,
                        _width,
                        (float)_config.LayerNormEpsilon
                    );
            }
        }

        private void Add(Tensor update)
        {
            fixed (float* hidden = _hidden)
                DecodeKernels<T, TElement>.Add(hidden, Pointer(update), _rows.Length * _width);
        }

        private void Attend(int layer, float scale, Tensor queryKeyValue, Tensor target)
        {
            var (heads, capacity, length) = (_config.NHead, (int)_cache.Capacity, (int)_cache.Length);
            T* projected = Pointer(queryKeyValue),
                output = Pointer(target);
            T* keys = Pointer(_cache.Keys(layer)),
                values = Pointer(_cache.Values(layer));
            fixed (float* scores = _scores)
            {
                for (var i = 0; i < _rows.Length; i++)
                {
                    var row = projected + (long)i * 3 * _width;
                    for (var head = 0; head < heads; head++)
                    {
                        var (offset, first) = (head * _size, _padding[_rows[i]]);
                        var slots = ((long)_rows[i] * heads + head) * capacity * _size;
                        Copy(row + _width + offset, keys + slots + (long)length * _size);
                        Copy(row + 2 * _width + offset, values + slots + (long)length * _size);
                        var start = slots + (long)first * _size;
                        DecodeKernels<T, TElement>.Attend(
                            row + offset,
                            keys + start,
                            values + start,
                            length + 1 - first,
                            _size,
                            scale,
                            scores,
                            output + (long)i * _width + offset
                        );
                    }
                }
            }
        }

        private void Copy(T* source, T* target) => new ReadOnlySpan<T>(source, _size).CopyTo(new Span<T>(target, _size));

        private static T* Pointer(Tensor tensor)
        {
            fixed (byte* bytes = tensor.bytes)
                return (T*)bytes;
        }
    }
}

/// <summary>What a block's adapters add to its four products; null for none.</summary>
internal readonly record struct Gpt2BlockTerms(
    IProjectionTerm? QueryKeyValue,
    IProjectionTerm? AttentionProjection,
    IProjectionTerm? Expansion,
    IProjectionTerm? Contraction
)
{
    public static Gpt2BlockTerms Of(Gpt2Block block) =>
        new(block.attn.c_attn.Adapter, block.attn.c_proj.Adapter, block.mlp.c_fc.Adapter, block.mlp.c_proj.Adapter);
}
