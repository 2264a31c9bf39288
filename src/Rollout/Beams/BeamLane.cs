using DfPO.Models;
using DfPO.Models.Decoding;
using DfPO.Rollout.Sampling;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Rollout.Beams;

/// <summary>Beam searches side by side. The prompts are read once; then every beam is a row.</summary>
internal sealed class BeamLane : ILane
{
    private readonly IReadOnlyList<GenerationRequest> _requests;
    private readonly GenerationOptions _options;
    private readonly DecodingSession _session;
    private readonly BeamSearch[] _searches;
    private readonly BeamSearch.Scratch _scratch;
    private Tensor? _logits;

    /// <summary>Reads the prompts in.</summary>
    /// <param name="requests">Prompts; a search draws nothing, so their seeds say nothing.</param>
    /// <param name="options">How to search; checked.</param>
    /// <param name="endOfText">Tokens that end a continuation.</param>
    /// <param name="model">The policy.</param>
    /// <param name="decoder">The model's own, or a <see cref="LockstepDecoder"/> with NLPO's mask policy.</param>
    /// <param name="startLength">Length of the longest start of the whole batch.</param>
    public BeamLane(
        IReadOnlyList<GenerationRequest> requests,
        GenerationOptions options,
        EndOfText endOfText,
        LanguageModel model,
        Decoder decoder,
        int startLength
    )
    {
        (_requests, _options) = (requests, options);
        int[][] prompts = [.. requests.Select(request => request.PromptTokens)];
        _session = decoder.Open(prompts, options.MaxNewTokens);
        var rules = new TextRules(options, endOfText);
        _searches =
        [
            .. requests.Select(
                (request, row) => new BeamSearch(options, rules, endOfText, model.DecoderPrompt(request.PromptTokens), startLength, row)
            ),
        ];
        _scratch = new BeamSearch.Scratch(model.VocabularySize, options.NumBeams, endOfText);
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
        BeamSearch[] active = _searches;
        var rows = active.Length;
        for (var step = 1; ; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            using (var logits = new LogitRows(_logits!))
            using (var mask = _session.PartnerLogits is { } maskLogits ? new LogitRows(maskLogits) : null)
            {
                foreach (var search in active)
                    search.Advance(logits, mask, _scratch);
            }
            active = [.. active.Where(search => !search.IsDone)];
            if (step == _options.MaxNewTokens || active.Length == 0)
                return;
            Beam[] beams = [.. active.SelectMany(search => search.Beams)];
            if (beams.Length != rows || beams.Index().Any(beam => beam.Item.Row != beam.Index))
                _session.Select([.. beams.Select(beam => beam.Row)]);
            rows = 0;
            foreach (var search in active)
            {
                search.MoveTo(rows);
                rows += search.Beams.Count;
            }
            int[] tokens = [.. beams.Select(beam => beam.Tokens[^1])];
            _logits!.Dispose();
            _logits = _session.Step(tokens).DetachFromDisposeScope();
        }
    }

    /// <inheritdoc/>
    public IEnumerable<GeneratedSequence> Results() =>
        _searches
            .Zip(_requests)
            .SelectMany(pair =>
                pair.First.Finish()
                    .Select(found => new GeneratedSequence
                    {
                        PromptTokens = pair.Second.PromptTokens,
                        Tokens = found.Beam.Tokens,
                        Logprobs = found.Beam.Logprobs,
                        ReferenceLogprobs = [],
                        StateKl = [],
                        RetainedMass = [],
                        Finished = found.Ended,
                        Score = (float)found.Score,
                    })
            );

    /// <inheritdoc/>
    public void Dispose()
    {
        _logits?.Dispose();
        _session.Dispose();
    }
}
