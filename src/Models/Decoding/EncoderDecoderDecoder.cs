using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Decoding;

/// <summary>
/// Decodes any encoder-decoder model: the encoder runs once a prompt, the decoder step by step with a <see cref="KeyValueCache"/>.
/// </summary>
internal sealed class EncoderDecoderDecoder(EncoderDecoderLM model, Device device) : Decoder
{
    public override DecodingSession Open(IReadOnlyList<int[]> prompts, int newTokens) => new Session(model, device, prompts, newTokens);

    private sealed class Session(EncoderDecoderLM model, Device device, IReadOnlyList<int[]> prompts, int newTokens) : DecodingSession
    {
        private readonly KeyValueCache _cache = model.CreateCache(prompts.Count, newTokens);
        private EncoderMemory? _memory;
        private int[] _promptOfRow = [.. Enumerable.Range(0, prompts.Count)];

        public override Tensor Prefill()
        {
            using var scope = NewDisposeScope();
            var (ids, mask) = RightPadding.Of(prompts, device);
            _memory = model.Remember(model.Encode(ids, mask), mask).Own();
            int[] start = [.. Enumerable.Repeat(model.DecoderStartTokenId, prompts.Count)];
            return Step(start).MoveToOuterDisposeScope();
        }

        public override Tensor Step(ReadOnlySpan<int> tokens)
        {
            using var scope = NewDisposeScope();
            var ids = tensor(Array.ConvertAll(tokens.ToArray(), token => (long)token), [tokens.Length, 1], device: device);
            var hidden = model.DecoderHidden(ids, _memory!, _cache);
            return model.Head(hidden).squeeze(1).MoveToOuterDisposeScope();
        }

        public override void Select(ReadOnlySpan<int> rows)
        {
            using var scope = NewDisposeScope();
            int[] kept = rows.ToArray();
            var index = tensor(Array.ConvertAll(kept, row => (long)row), device: device);
            _cache.Select(index);
            var promptOfRow = Array.ConvertAll(kept, row => _promptOfRow[row]);
            // Beams that change places among those of their prompt need nothing else of the encoder.
            if (!promptOfRow.AsSpan().SequenceEqual(_promptOfRow))
            {
                var memory = _memory!.Select(index);
                _memory.Dispose();
                _memory = memory;
            }
            _promptOfRow = promptOfRow;
        }

        protected override void Dispose(bool disposing)
        {
            _cache.Dispose();
            _memory?.Dispose();
        }
    }
}
