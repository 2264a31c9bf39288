using DfPO.Models.Lora;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Decoding;

/// <summary>
/// A policy and a partner made ready to decode the same texts step by step; its sessions give the
/// <see cref="DecodingSession.PartnerLogits"/> too.
/// </summary>
/// <remarks>
/// Two models are two sessions, over the same kernels and shapes. A policy of adapters beside the partner's own weights is one session of
/// any architecture, with the policy's rows before the partner's, through a twin whose adapters work on those alone
/// (<see cref="PairedTwin"/>). While such adapters are zero the partner alone is decoded, for both: that equal models give equal logits then
/// depends on no kernel.
/// </remarks>
public sealed class LockstepDecoder : Decoder
{
    private readonly Decoder _decoder;
    private readonly Decoder? _partner;
    private readonly Func<IReadOnlyList<int[]>, int, DecodingSession> _open;

    /// <param name="policy">Stays the caller's.</param>
    /// <param name="partner">Of the same architecture and vocabulary; stays the caller's.</param>
    public LockstepDecoder(LanguageModel policy, LanguageModel partner)
    {
        if (policy.Adapters is null || partner.Adapters is not null || !SharedWeights.AreOne(policy, partner))
        {
            (_decoder, _partner) = (policy.CreateDecoder(), partner.CreateDecoder());
            _open = (prompts, newTokens) => new TwoSessions(_decoder.Open(prompts, newTokens), _partner.Open(prompts, newTokens));
        }
        else if (policy.Adapters.AreZero)
        {
            _decoder = partner.CreateDecoder();
            _open = (prompts, newTokens) => new EqualSession(_decoder.Open(prompts, newTokens));
        }
        else
        {
            _decoder = policy.Paired().CreateDecoderBeside(partner);
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
        _partner?.Dispose();
    }

    private abstract class Session(DecodingSession inner) : DecodingSession
    {
        private Tensor? _partnerLogits;

        protected DecodingSession Inner { get; } = inner;

        public sealed override Tensor? PartnerLogits => _partnerLogits;

        public override bool SelectIsFree => Inner.SelectIsFree;

        /// <summary>Frees what is left of a session whose rows another one has taken in.</summary>
        protected bool LetGo()
        {
            _partnerLogits?.Dispose();
            _partnerLogits = null;
            return true;
        }

        protected Tensor Give(Tensor policy, Tensor partner)
        {
            _partnerLogits?.Dispose();
            _partnerLogits = partner.DetachFromDisposeScope();
            return policy;
        }

        protected override void Dispose(bool disposing)
        {
            Inner.Dispose();
            _partnerLogits?.Dispose();
        }
    }

    private sealed class TwoSessions(DecodingSession policy, DecodingSession partner) : Session(policy)
    {
        public override Tensor Prefill() => Give(Inner.Prefill(), partner.Prefill());

        public override Tensor Step(ReadOnlySpan<int> tokens) => Give(Inner.Step(tokens), partner.Step(tokens));

        public override void Select(ReadOnlySpan<int> rows)
        {
            Inner.Select(rows);
            partner.Select(rows);
        }

        public override bool TryJoin(DecodingSession other, int newTokens) =>
            other is TwoSessions joining
            && Inner.TryJoin(joining.Inner, newTokens)
            && (
                partner.TryJoin(joining.Partner, newTokens)
                    ? joining.LetGo()
                    : throw new InvalidOperationException("One of two models of the same architecture let rows join, and the other did not.")
            );

        private DecodingSession Partner => partner;

        protected override void Dispose(bool disposing)
        {
            base.Dispose(disposing);
            partner.Dispose();
        }
    }

    private sealed class EqualSession(DecodingSession both) : Session(both)
    {
        public override Tensor Prefill() => Twice(Inner.Prefill());

        public override Tensor Step(ReadOnlySpan<int> tokens) => Twice(Inner.Step(tokens));

        public override void Select(ReadOnlySpan<int> rows) => Inner.Select(rows);

        public override bool TryJoin(DecodingSession other, int newTokens) =>
            other is EqualSession joining && Inner.TryJoin(joining.Inner, newTokens) && joining.LetGo();

        private Tensor Twice(Tensor logits) => Give(logits, logits.alias());
    }

    private sealed class PairedSession(DecodingSession both, int rows) : Session(both)
    {
        private int _rows = rows;

        public override Tensor Prefill() => Halves(Inner.Prefill());

        public override Tensor Step(ReadOnlySpan<int> tokens) => Halves(Inner.Step([.. tokens, .. tokens]));

        public override void Select(ReadOnlySpan<int> rows)
        {
            int[] kept = rows.ToArray();
            Inner.Select([.. kept, .. kept.Select(row => _rows + row)]);
            _rows = kept.Length;
        }

        public override bool TryJoin(DecodingSession other, int newTokens)
        {
            if (other is not PairedSession joining || !Inner.TryJoin(joining.Inner, newTokens))
                return false;
            // The policy's rows of both stand before the partner's of both.
            var (own, all) = (_rows, _rows + joining._rows);
            int[] policy = [.. Enumerable.Range(0, own), .. Enumerable.Range(2 * own, joining._rows)];
            Inner.Select([.. policy, .. policy.Select(row => row < own ? row + own : row + joining._rows)]);
            _rows = all;
            return joining.LetGo();
        }

        private Tensor Halves(Tensor logits)
        {
            using (logits)
                return Give(logits.narrow(0, 0, _rows), logits.narrow(0, _rows, _rows));
        }
    }
}
