using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Decoding;

/// <summary>
/// Decodes any model, on any device, through <see cref="CausalLM.Hidden(ModelInput)"/> and a <see cref="KeyValueCache"/>.
/// </summary>
/// <param name="model">The model.</param>
/// <param name="device">Where it is.</param>
/// <param name="packed">Its layers' weights for steps, whose rows are few; null to take the layers' own.</param>
internal sealed class CachedDecoder(CausalLM model, Device device, Dictionary<nn.Module, PackedColumns>? packed = null) : Decoder
{
    public override DecodingSession Open(IReadOnlyList<int[]> prompts, int newTokens) =>
        new Session(model, device, packed, prompts, newTokens);

    private sealed class Session : DecodingSession
    {
        private readonly CausalLM _model;
        private readonly Device _device;
        private readonly Dictionary<nn.Module, PackedColumns>? _packed;
        private readonly PromptBatch _prompts;
        private KeyValueCache _cache;
        private List<int>[] _texts;
        private Tensor? _mask;
        private int[] _padding;

        public Session(
            CausalLM model,
            Device device,
            Dictionary<nn.Module, PackedColumns>? packed,
            IReadOnlyList<int[]> prompts,
            int newTokens
        )
        {
            (_model, _device, _packed, _prompts) = (model, device, packed, new PromptBatch(prompts));
            _padding = _prompts.Padding;
            _texts = [.. prompts.Select(prompt => prompt.ToList())];
            _cache = model.CreateCache(prompts.Count, _prompts.Width + newTokens);
            _mask = _prompts.Mask(newTokens, device)?.DetachFromDisposeScope();
        }

        public override Tensor Prefill()
        {
            using var scope = NewDisposeScope();
            var hidden = _model.Hidden(_prompts.IdTensor(_device), _mask?.narrow(1, 0, _prompts.Width), _cache);
            // Two dimensions: of three, with a place of time cut out, torch multiplies row by row where the weight learns nothing, with a
            // copy of it for each.
            return _model.Head(hidden.select(1, -1)).MoveToOuterDisposeScope();
        }

        public override Tensor Step(ReadOnlySpan<int> tokens)
        {
            using var scope = NewDisposeScope();
            for (var row = 0; row < tokens.Length; row++)
                _texts[row].Add(tokens[row]);
            if (_texts.Any(text => _model.Restretches(text.Count - 1, text.Count)))
                return Anew().MoveToOuterDisposeScope();
            var (ids, positions) = (new long[tokens.Length], new long[tokens.Length]);
            for (var row = 0; row < tokens.Length; row++)
                (ids[row], positions[row]) = (tokens[row], _cache.Length - _padding[row]);
            using var few = PackedWeights.Use(_packed);
            Tensor Column(long[] values) => tensor(values, [values.Length, 1], device: _device);
            var logits = _model.Logits(Column(ids), _mask?.narrow(1, 0, _cache.Length + 1), _cache, Column(positions));
            return logits.squeeze(1).MoveToOuterDisposeScope();
        }

        public override void Select(ReadOnlySpan<int> rows)
        {
            using var scope = NewDisposeScope();
            int[] kept = rows.ToArray();
            var index = tensor(Array.ConvertAll(kept, row => (long)row), device: _device);
            _cache.Select(index);
            _padding = Array.ConvertAll(kept, row => _padding[row]);
            _texts = Array.ConvertAll(kept, row => _texts[row].ToList());
            if (_mask is null)
                return;
            var mask = _mask.index_select(0, index).DetachFromDisposeScope();
            _mask.Dispose();
            _mask = mask;
        }

        /// <inheritdoc/>
        public override bool TryJoin(DecodingSession other, int newTokens)
        {
            // A rotation that depends on the text's length reads all rows again when one of them grows over a bound.
            if (other is not Session joining || !_cache.IsWhole || _model.Restretches(1, int.MaxValue))
                return false;
            var (own, theirs) = _cache.Join(_padding.Min(), joining._cache, joining._padding.Min(), newTokens);
            _padding = [.. _padding.Select(padding => padding + (int)own), .. joining._padding.Select(padding => padding + (int)theirs)];
            _texts = [.. _texts, .. joining._texts];
            _mask?.Dispose();
            joining._mask?.Dispose();
            _mask = PromptBatch.Mask(_padding, (int)_cache.Capacity, _device)?.DetachFromDisposeScope();
            return true;
        }

        /// <summary>The pass over all that the rows have, in a cache of its own.</summary>
        private Tensor Anew()
        {
            var texts = new PromptBatch([.. _texts.Select(text => text.ToArray())]);
            var capacity = _cache.Capacity;
            _cache.Dispose();
            _cache = _model.CreateCache(_texts.Length, capacity);
            (_padding, var width) = (texts.Padding, texts.Width);
            _mask?.Dispose();
            _mask = texts.Mask((int)_cache.Capacity - width, _device)?.DetachFromDisposeScope();
            var hidden = _model.Hidden(texts.IdTensor(_device), _mask?.narrow(1, 0, width), _cache);
            return _model.Head(hidden.select(1, -1));
        }

        protected override void Dispose(bool disposing)
        {
            _cache.Dispose();
            _mask?.Dispose();
        }
    }
}
