using System.Runtime.InteropServices;
using DfPO.Models;
using DfPO.Models.Decoding;
using DfPO.Models.Policies;
using DfPO.Rollout.Sampling;
using DfPO.Rollout.Scoring;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Rollout.Serving;

/// <summary>
/// Sequences in the course of being continued, each with options of its own: some join and some leave between any two tokens, and those
/// that are there share each pass. Not thread-safe: one thread at a time.
/// </summary>
/// <remarks>
/// The policy by itself and under a KL mask are a lane each, for only the second takes the reference. A token depends on its sequence's
/// prompt, seed and options, and on the others only by how kernels round for other shapes.
/// </remarks>
public sealed class ContinuousBatch : IDisposable
{
    // One sampler has six rows of the vocabulary.
    private const int KeptSamplers = 32;

    private readonly LanguageModel _policy;
    private readonly LanguageModel? _reference;
    private readonly EndOfText _endOfText;
    private readonly Dictionary<GenerationOptions, TokenSampler> _samplers = [];
    private readonly Lazy<Decoder> _plain;
    private readonly Lazy<Decoder> _masked;
    private readonly List<Cohort> _cohorts = [];

    /// <param name="policy">The model sampled from; its weights stay as they are. Stays the caller's.</param>
    /// <param name="reference"><c>pi_0</c> of KL masks; null where none are wanted. Stays the caller's.</param>
    /// <param name="endOfText">The tokens that end a continuation; null for none.</param>
    public ContinuousBatch(LanguageModel policy, LanguageModel? reference, EndOfText? endOfText)
    {
        (_policy, _reference, _endOfText) = (policy, reference, endOfText ?? EndOfText.None);
        _plain = new(policy.CreateDecoder);
        _masked = new(() => new LockstepDecoder(policy, reference!));
    }

    /// <summary>Sequences that go on.</summary>
    public int Count => _cohorts.Sum(cohort => cohort.Alive);

    /// <summary>Tokens of a prompt and its continuation that the model has room for.</summary>
    public int MaxPositions => _policy.MaxPositions;

    /// <summary>Refuses what this batch cannot continue.</summary>
    /// <exception cref="DfpoException"><c>generation/options</c>, <c>generation/empty-prompt</c>, <c>generation/token-id</c>,
    /// <c>generation/no-reference</c> or <c>model/too-long</c>.</exception>
    public void Check(LiveSequence sequence)
    {
        var options = sequence.Options.Checked();
        if (options.NumBeams != 1 || options.MaskTopP != 1)
            throw new DfpoException(
                "generation/options",
                "Options 'num-beams' and 'mask-top-p' must be 1 here: sequences are sampled one by one."
            );
        if (options.Policy != DecodingPolicy.Policy && _reference is null)
            throw new DfpoException(
                "generation/no-reference",
                $"Decoding policy '{options.Policy.Symbol()}' needs the reference model, and there is none: decode with '{DecodingPolicy.Policy.Symbol()}'."
            );
        SequenceChecks.Require(_policy, 0, sequence.PromptTokens, [], options.MaxNewTokens);
    }

    /// <summary>One more token for every sequence.</summary>
    /// <param name="joining">Sequences that begin, checked (<see cref="Check"/>); their prompts are read first.</param>
    /// <returns>The tokens drawn, one a sequence; a sequence whose token is its last leaves by itself.</returns>
    public IReadOnlyList<LiveToken> Step(IReadOnlyList<LiveSequence> joining)
    {
        using var _ = no_grad();
        var drawn = new List<LiveToken>();
        foreach (var cohort in _cohorts.ToArray())
            if (!cohort.Advance(drawn))
                Remove(cohort);
        foreach (var group in joining.GroupBy(sequence => sequence.Options.Policy != DecodingPolicy.Policy))
            Join(new Cohort(this, group.Key, [.. group]), drawn);
        return drawn;
    }

    /// <summary>Lets sequences go whose continuation nobody wants any more; they have no further token.</summary>
    public void Cancel(Predicate<LiveSequence> unwanted) => _cohorts.ForEach(cohort => cohort.Cancel(unwanted));

    /// <inheritdoc/>
    public void Dispose()
    {
        _cohorts.ForEach(cohort => cohort.Dispose());
        _cohorts.Clear();
        foreach (var decoder in new[] { _plain, _masked }.Where(decoder => decoder.IsValueCreated))
            decoder.Value.Dispose();
    }

    private void Join(Cohort cohort, List<LiveToken> drawn)
    {
        cohort.Begin(drawn);
        // Rows of some models cannot join (windows, an encoder): then those that came together stay together.
        if (cohort.Alive == 0)
            cohort.Dispose();
        else if (!_cohorts.Any(other => other.TryTake(cohort)))
            _cohorts.Add(cohort);
    }

    private void Remove(Cohort cohort)
    {
        cohort.Dispose();
        _cohorts.Remove(cohort);
    }

    private TokenSampler Sampler(GenerationOptions options)
    {
        // How long the text may be does not change how a token is drawn.
        var key = options with { MaxNewTokens = int.MaxValue };
        if (_samplers.TryGetValue(key, out var sampler))
            return sampler;
        if (_samplers.Count == KeptSamplers)
            _samplers.Clear();
        return _samplers[key] = new TokenSampler(key, _policy.VocabularySize, _endOfText);
    }

    /// <summary>A sequence's state.</summary>
    private sealed class Row(LiveSequence sequence, IEnumerable<int> text)
    {
        public LiveSequence Sequence { get; } = sequence;

        public List<int> Text { get; } = [.. text];

        public int Drawn { get; set; }

        public bool IsOver { get; set; }

        public int Remaining => Sequence.Options.MaxNewTokens - Drawn;
    }

    /// <summary>Sequences that share a session.</summary>
    private sealed class Cohort : IDisposable
    {
        private readonly ContinuousBatch _batch;
        private readonly bool _isMasked;
        private readonly DecodingSession _session;
        private readonly float[] _row;
        private readonly float[] _partnerRow;
        private List<Row> _rows;

        public Cohort(ContinuousBatch batch, bool isMasked, LiveSequence[] sequences)
        {
            (_batch, _isMasked) = (batch, isMasked);
            var decoder = isMasked ? batch._masked.Value : batch._plain.Value;
            var most = sequences.Max(sequence => sequence.Options.MaxNewTokens);
            _session = decoder.Open([.. sequences.Select(sequence => sequence.PromptTokens)], most);
            _rows = [.. sequences.Select(sequence => new Row(sequence, batch._policy.DecoderPrompt(sequence.PromptTokens)))];
            (_row, _partnerRow) = (new float[batch._policy.VocabularySize], new float[batch._policy.VocabularySize]);
        }

        public int Alive => _rows.Count(row => !row.IsOver);

        public void Begin(List<LiveToken> drawn)
        {
            using var logits = _session.Prefill();
            Draw(logits, drawn);
        }

        /// <returns>Whether anybody is left.</returns>
        public bool Advance(List<LiveToken> drawn)
        {
            if (Alive == 0)
                return false;
            Retire(mustAll: false);
            using var logits = _session.Step([.. _rows.Select(row => row.Text[^1])]);
            Draw(logits, drawn);
            return Alive > 0;
        }

        public void Cancel(Predicate<LiveSequence> unwanted)
        {
            foreach (var row in _rows.Where(row => !row.IsOver && unwanted(row.Sequence)))
                row.IsOver = true;
        }

        public bool TryTake(Cohort other)
        {
            if (other._isMasked != _isMasked || Alive == 0)
                return false;
            Retire(mustAll: true);
            other.Retire(mustAll: true);
            if (!_session.TryJoin(other._session, _rows.Concat(other._rows).Max(row => row.Remaining)))
                return false;
            _rows.AddRange(other._rows);
            return true;
        }

        public void Dispose() => _session.Dispose();

        /// <summary>
        /// Those that are over leave: at once where that is free, else when they are a quarter. Until then they repeat their last token,
        /// which must stand within the model's positions.
        /// </summary>
        private void Retire(bool mustAll)
        {
            int[] kept = [.. Enumerable.Range(0, _rows.Count).Where(row => !_rows[row].IsOver)];
            var leaving = _rows.Count - kept.Length;
            if (
                leaving == 0
                || (
                    !mustAll
                    && !_session.SelectIsFree
                    && leaving * 4 < _rows.Count
                    && _rows.All(row => row.Text.Count < _batch._policy.MaxPositions)
                )
            )
                return;
            _session.Select(kept);
            _rows = [.. kept.Select(row => _rows[row])];
        }

        private void Draw(Tensor logits, List<LiveToken> drawn)
        {
            using var own = new LogitRows(logits);
            using var theirs = _session.PartnerLogits is { } partner ? new LogitRows(partner) : null;
            foreach (var (index, row) in _rows.Index())
            {
                if (row.IsOver)
                {
                    row.Text.Add(row.Text[^1]);
                    continue;
                }
                var text = CollectionsMarshal.AsSpan(row.Text);
                var sampler = _batch.Sampler(row.Sequence.Options);
                var values = own.Row(index, _row);
                var draw = _isMasked
                    ? sampler.DrawKlMasked(values, theirs!.Row(index, _partnerRow), text, row.Sequence.Seed, row.Drawn)
                    : sampler.Draw(values, text, row.Sequence.Seed, row.Drawn);
                row.Text.Add(draw.Token);
                row.Drawn++;
                var ended = _batch._endOfText.Contains(draw.Token);
                row.IsOver = ended || row.Remaining == 0;
                drawn.Add(
                    new LiveToken(row.Sequence, draw.Token, draw.Logprob, Likeliest(values, row.Sequence.TopLogprobs), ended, row.IsOver)
                );
            }
        }

        private static (int Token, float Logprob)[] Likeliest(ReadOnlySpan<float> logits, int count)
        {
            if (count == 0)
                return [];
            var best = new PriorityQueue<int, float>(count + 1);
            var most = float.NegativeInfinity;
            for (var token = 0; token < logits.Length; token++)
            {
                most = Math.Max(most, logits[token]);
                if (best.Count == count && best.TryPeek(out _, out var least) && logits[token] <= least)
                    continue;
                best.Enqueue(token, logits[token]);
                if (best.Count > count)
                    best.Dequeue();
            }
            double sum = 0;
            foreach (var logit in logits)
                sum += Math.Exp(logit - most);
            var normaliser = most + Math.Log(sum);
            var tokens = new (int, float)[best.Count];
            for (var place = tokens.Length - 1; best.TryDequeue(out var token, out var logit); place--)
                tokens[place] = (token, (float)(logit - normaliser));
            return tokens;
        }
    }
}
