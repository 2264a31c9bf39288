using DfPO.Models.Lora;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Decoding;

/// <summary>A policy and its reference made ready to decode the same texts step by step; its sessions give the <see cref="DecodingSession.ReferenceLogits"/> too.</summary>
/// <remarks>
/// Two models are two sessions, over the same kernels and shapes. A policy of adapters beside the reference's own weights is one session of any
/// architecture, with the policy's rows before the reference's (<see cref="PairedRows"/>). While such adapters are zero the reference alone is decoded, for both:
/// that equal models give equal logits then depends on no kernel.
/// </remarks>
public sealed class LockstepDecoder : Decoder
{
    private readonly Decoder _decoder;
    private readonly Decoder? _reference;
    private readonly Func<IReadOnlyList<int[]>, int, DecodingSession> _open;

    /// <param name="policy">Stays the caller's.</param>
    /// <param name="reference">Of the same architecture and vocabulary; stays the caller's.</param>
    public LockstepDecoder(LanguageModel policy, LanguageModel reference)
    {
        if (policy.Adapters is null || reference.Adapters is not null || !SharedWeights.AreOne(policy, reference))
        {
            (_decoder, _reference) = (policy.CreateDecoder(), reference.CreateDecoder());
            _open = (prompts, newTokens) => new TwoSessions(_decoder.Open(prompts, newTokens), _reference.Open(prompts, newTokens));
        }
        else if (policy.Adapters.AreZero)
        {
            _decoder = reference.CreateDecoder();
            _open = (prompts, newTokens) => new EqualSession(_decoder.Open(prompts, newTokens));
        }
        else
        {
            _decoder = policy.CreatePairedDecoder(reference);
            _open = (prompts, newTokens) => new PairedSession(_decoder.Open([.. prompts, .. prompts], newTokens), prompts.Count);
        }
    }

    /// <inheritdoc/>
    public override int StepThreads => _decoder.StepThreads;

    /// <inheritdoc/>
    public override DecodingSession Open(IReadOnlyList<int[]> prompts, int newTokens) => _open(prompts, newTokens);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _decoder.Dispose();
        _reference?.Dispose();
    }

    private abstract class Session(DecodingSession inner) : DecodingSession
    {
        private Tensor? _referenceLogits;

        protected DecodingSession Inner { get; } = inner;

        public sealed override Tensor? ReferenceLogits => _referenceLogits;

        public override bool SelectIsFree => Inner.SelectIsFree;

        protected Tensor Give(Tensor policy, Tensor reference)
        {
            _referenceLogits?.Dispose();
            _referenceLogits = reference.DetachFromDisposeScope();
            return policy;
        }

        protected override void Dispose(bool disposing)
        {
            Inner.Dispose();
            _referenceLogits?.Dispose();
        }
    }

    private sealed class TwoSessions(DecodingSession policy, DecodingSession reference) : Session(policy)
    {
        public override Tensor Prefill() => Give(Inner.Prefill(), reference.Prefill());

        public override Tensor Step(ReadOnlySpan<int> tokens) => Give(Inner.Step(tokens), reference.Step(tokens));

        public override void Select(ReadOnlySpan<int> rows)
        {
            Inner.Select(rows);
            reference.Select(rows);
        }

        protected override void Dispose(bool disposing)
        {
            base.Dispose(disposing);
            reference.Dispose();
        }
    }

    private sealed class EqualSession(DecodingSession both) : Session(both)
    {
        public override Tensor Prefill() => Twice(Inner.Prefill());

        public override Tensor Step(ReadOnlySpan<int> tokens) => Twice(Inner.Step(tokens));

        public override void Select(ReadOnlySpan<int> rows) => Inner.Select(rows);

        private Tensor Twice(Tensor logits) => Give(logits, logits.alias());
    }

    private sealed class PairedSession(DecodingSession both, int rows) : Session(both)
    {
        private int _rows = rows;

        public override Tensor Prefill()
        {
            using var _ = PairedRows.Open();
            return Halves(Inner.Prefill());
        }

        public override Tensor Step(ReadOnlySpan<int> tokens)
        {
            using var _ = PairedRows.Open();
            return Halves(Inner.Step([.. tokens, .. tokens]));
        }

        public override void Select(ReadOnlySpan<int> rows)
        {
            int[] kept = rows.ToArray();
            Inner.Select([.. kept, .. kept.Select(row => _rows + row)]);
            _rows = kept.Length;
        }

        private Tensor Halves(Tensor logits)
        {
            using (logits)
                return Give(logits.narrow(0, 0, _rows), logits.narrow(0, _rows, _rows));
        }
    }
}
