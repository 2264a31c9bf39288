using System.Runtime.InteropServices;
using DfPO.Models;
using DfPO.Models.Decoding;
using DfPO.Models.Policies;
using DfPO.Rollout.Sampling;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Rollout.Generation;

/// <summary>Sampling: the session of one model, or of two in lock-step, and the rows still alive in it.</summary>
internal sealed class SamplingLane : ILane
{
    private readonly IReadOnlyList<GenerationRequest> _requests;
    private readonly GenerationOptions _options;
    private readonly EndOfText _endOfText;
    private readonly DecodingPartner? _partner;
    private readonly DecodingSession _session;
    private readonly TokenSampler _sampler;
    private readonly float[] _row;
    private readonly float[] _partnerRow;
    private readonly List<TokenDraw>[] _draws;
    private readonly List<int>[] _texts;
    private Tensor? _logits;

    /// <summary>Reads the prompts in.</summary>
    /// <param name="requests">Prompts and their seeds.</param>
    /// <param name="options">How to draw.</param>
    /// <param name="endOfText">The tokens that end a continuation.</param>
    /// <param name="model">The policy.</param>
    /// <param name="decoder">The policy's own, or a <see cref="LockstepDecoder"/> of policy and partner.</param>
    /// <param name="partner">The model that masks; null where none does.</param>
    public SamplingLane(
        IReadOnlyList<GenerationRequest> requests,
        GenerationOptions options,
        EndOfText endOfText,
        LanguageModel model,
        Decoder decoder,
        DecodingPartner? partner
    )
    {
        (_requests, _options, _endOfText, _partner) = (requests, options, endOfText, partner);
        int[][] prompts = [.. requests.Select(request => request.PromptTokens)];
        _session = decoder.Open(prompts, options.MaxNewTokens);
        _sampler = new TokenSampler(options, model.VocabularySize, endOfText);
        (_row, _partnerRow) = (new float[model.VocabularySize], new float[model.VocabularySize]);
        _draws = [.. requests.Select(_ => new List<TokenDraw>(options.MaxNewTokens))];
        _texts = [.. prompts.Select(prompt => new List<int>(model.DecoderPrompt(prompt)))];
    }

    /// <inheritdoc/>
    public void Prefill()
    {
        using var _ = no_grad();
        _logits = _session.Prefill().DetachFromDisposeScope();
    }

    /// <inheritdoc/>
    public void Decode(CancellationToken cancellation)
    {
        using var _ = no_grad();
        int[] alive = [.. Enumerable.Range(0, _requests.Count)];
        for (var step = 0; ; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            var tokens = Sample(alive, step);
            if (step + 1 == _options.MaxNewTokens)
                return;
            Retire(ref alive, ref tokens);
            if (alive.All(IsFinished))
                return;
            _logits!.Dispose();
            _logits = _session.Step(tokens).DetachFromDisposeScope();
        }
    }

    /// <inheritdoc/>
    public IEnumerable<GeneratedSequence> Results()
    {
        var (masked, compared) = (_partner is not null, _partner is DecodingPartner.KlReference);
        for (var row = 0; row < _draws.Length; row++)
        {
            var draws = _draws[row];
            float[] Column(Func<TokenDraw, float> field, bool known = true) => known ? [.. draws.Select(field)] : [];
            yield return new GeneratedSequence
            {
                PromptTokens = _requests[row].PromptTokens,
                Tokens = [.. draws.Select(draw => draw.Token)],
                Logprobs = Column(draw => draw.Logprob),
                SamplingLogprobs = Column(draw => draw.SamplingLogprob),
                ReferenceLogprobs = Column(draw => draw.ReferenceLogprob, compared),
                StateKl = Column(draw => draw.StateKl, compared),
                RetainedMass = Column(draw => draw.RetainedMass, masked),
                Figures = compared ? draws.Aggregate(default(DecodingFigures), (sum, draw) => sum + draw.Figures) : null,
                SkippedMaskSteps = [.. Enumerable.Range(0, draws.Count).Where(step => draws[step].SkippedMask)],
                Finished = IsFinished(row),
            };
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _logits?.Dispose();
        _session.Dispose();
    }

    private bool IsFinished(int row) => _draws[row] is [.., var last] && _endOfText.Contains(last.Token);

    /// <summary>One token a row; rows that have finished but not left repeat their last.</summary>
    private int[] Sample(int[] alive, int step)
    {
        using var logits = new LogitRows(_logits!);
        using var theirs = _session.PartnerLogits is { } partnerLogits ? new LogitRows(partnerLogits) : null;
        var tokens = new int[alive.Length];
        for (var i = 0; i < alive.Length; i++)
        {
            var row = alive[i];
            if (!IsFinished(row))
            {
                var text = CollectionsMarshal.AsSpan(_texts[row]);
                var own = logits.Row(i, _row);
                var seed = _requests[row].Seed;
                _draws[row]
                    .Add(
                        _partner switch
                        {
                            DecodingPartner.KlReference => _sampler.DrawKlMasked(own, theirs!.Row(i, _partnerRow), text, seed, step),
                            DecodingPartner.NucleusMask => _sampler.DrawInside(own, theirs!.Row(i, _partnerRow), text, seed, step),
                            _ => _sampler.Draw(own, text, seed, step),
                        }
                    );
                _texts[row].Add(_draws[row][^1].Token);
            }
            tokens[i] = _draws[row][^1].Token;
        }
        return tokens;
    }

    /// <summary>
    /// Finished rows leave, one by one where that is free, otherwise when a quarter of the rows that are carried has finished.
    /// </summary>
    private void Retire(ref int[] alive, ref int[] tokens)
    {
        int[] rows = alive;
        int[] kept = [.. Enumerable.Range(0, rows.Length).Where(i => !IsFinished(rows[i]))];
        var leaving = rows.Length - kept.Length;
        if (leaving == 0 || kept.Length == 0 || (!_session.SelectIsFree && leaving * 4 < rows.Length))
            return;
        _session.Select(kept);
        int[] drawn = tokens;
        alive = Array.ConvertAll(kept, i => rows[i]);
        tokens = Array.ConvertAll(kept, i => drawn[i]);
    }
}
