using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Decoding;

/// <summary>Decodes any model, on any device, through <see cref="CausalLM.Hidden(ModelInput)"/> and a <see cref="KeyValueCache"/>.</summary>
internal sealed class CachedDecoder(CausalLM model, Device device) : Decoder
{
    public override DecodingSession Open(IReadOnlyList<int[]> prompts, int newTokens) => new Session(model, device, prompts, newTokens);

    private sealed class Session : DecodingSession
    {
        private readonly CausalLM _model;
        private readonly Device _device;
        private readonly PromptBatch _prompts;
        private readonly KeyValueCache _cache;
        private Tensor? _mask;
        private int[] _padding;

        public Session(CausalLM model, Device device, IReadOnlyList<int[]> prompts, int newTokens)
        {
            (_model, _device, _prompts) = (model, device, new PromptBatch(prompts));
            _padding = _prompts.Padding;
            _cache = model.CreateCache(prompts.Count, _prompts.Width + newTokens);
            _mask = _prompts.Mask(newTokens, device)?.DetachFromDisposeScope();
        }

        public override Tensor Prefill()
        {
            using var scope = NewDisposeScope();
            var hidden = _model.Hidden(_prompts.IdTensor(_device), _mask?.narrow(1, 0, _prompts.Width), _cache);
            // Two dimensions: of three, with a place of time cut out, torch multiplies row by row where the weight learns nothing, with a copy of it for each.
            return _model.Head(hidden.select(1, -1)).MoveToOuterDisposeScope();
        }

        public override Tensor Step(ReadOnlySpan<int> tokens)
        {
            using var scope = NewDisposeScope();
            var (ids, positions) = (new long[tokens.Length], new long[tokens.Length]);
            for (var row = 0; row < tokens.Length; row++)
                (ids[row], positions[row]) = (tokens[row], _cache.Length - _padding[row]);
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
            if (_mask is null)
                return;
            var mask = _mask.index_select(0, index).DetachFromDisposeScope();
            _mask.Dispose();
            _mask = mask;
        }

        protected override void Dispose(bool disposing)
        {
            _cache.Dispose();
            _mask?.Dispose();
        }
    }
}
