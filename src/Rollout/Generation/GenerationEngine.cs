using DfPO.Models;
using DfPO.Models.Decoding;
using DfPO.Models.Diagnostics;
using DfPO.Models.Policies;
using DfPO.Rollout.Beams;
using DfPO.Rollout.Sampling;
using DfPO.Rollout.Scoring;
using TorchSharp;

namespace DfPO.Rollout.Generation;

/// <summary>
/// Batched generation, sampled or by beam search, with a policy of any architecture, for the KL masks and log-ratios a frozen reference
/// model, and for NLPO's mask a mask policy. Not thread-safe: one engine a thread.
/// </summary>
/// <remarks>
/// Under a KL mask policy and reference decode in lock-step (<see cref="LockstepDecoder"/>) and every figure comes from there. Under the
/// policy itself it decodes alone, or with its mask policy in lock-step, and one teacher-forced pass of policy and reference (and mask
/// policy) over the results gives log-probabilities, KL, and the distribution that was drawn from. Either way both run the same kernels on
/// the same shapes: equal weights give log-ratios of exactly 0.
/// </remarks>
/// <param name="policy">The model sampled from; its weights may be changed between calls. Stays the caller's.</param>
/// <param name="reference"><c>pi_0</c>: same architecture and vocabulary; null when neither masks nor reference log-probabilities are
/// wanted. Stays the caller's.</param>
/// <param name="endOfText">The tokens that end a continuation; null for none.</param>
/// <param name="mask">The mask policy of <see cref="GenerationOptions.MaskTopP"/>: same architecture and vocabulary, its weights may be
/// changed between calls, and it may be the reference; null when that is not wanted. Stays the caller's.</param>
public sealed class GenerationEngine(LanguageModel policy, LanguageModel? reference, EndOfText? endOfText, LanguageModel? mask = null)
{
    // Two halves on a thread each beat one batch on two threads; below this the weights' way through memory is the limit, and it is not
    // shared.
    private const int RowsForTwoLanes = 8;
    private readonly EndOfText _endOfText = endOfText ?? EndOfText.None;

    /// <summary>Continues every prompt as one batch.</summary>
    /// <returns><see cref="GenerationOptions.NumReturnSequences"/> sequences a request, in the requests' order.</returns>
    /// <exception cref="DfpoException">
    /// <c>generation/options</c>, <c>generation/empty-prompt</c>, <c>generation/token-id</c>, <c>generation/no-reference</c>,
    /// <c>generation/no-mask</c>, <c>generation/not-finite</c> or <c>model/too-long</c>.
    /// </exception>
    /// <exception cref="OperationCanceledException">Between two tokens.</exception>
    public IReadOnlyList<GeneratedSequence> Generate(
        IReadOnlyList<GenerationRequest> requests,
        GenerationOptions options,
        CancellationToken cancellation = default
    )
    {
        var partner = Check(requests, options.Checked());
        if (requests.Count == 0)
            return [];
        cancellation.ThrowIfCancellationRequested();
        var sequences = Decode(requests, options, partner, cancellation);
        if (reference is null || options.Policy != DecodingPolicy.Policy)
            return sequences;

        cancellation.ThrowIfCancellationRequested();
        // A beam search draws nothing, so it has no distribution to measure.
        var drawn = options.NumBeams == 1 ? new DrawnDistribution(options, _endOfText, options.MaskTopP < 1 ? mask : null) : null;
        var scores = TeacherForcedPass.Run(policy, reference, [.. sequences.Select(s => (s.PromptTokens, s.Tokens))], drawn);
        return
        [
            .. sequences.Zip(scores, (sequence, score) =>
                sequence with
                {
                    Logprobs = score.Logprobs,
                    ReferenceLogprobs = score.ReferenceLogprobs,
                    StateKl = score.StateKl,
                    Figures = drawn is null ? null : score.Figures,
                    RetainedMass =
                        sequence.RetainedMass.Length > 0 ? sequence.RetainedMass : [.. Enumerable.Repeat(1f, sequence.Tokens.Length)],
                }
            ),
        ];
    }

    /// <returns>The model that decodes in lock-step with the policy, for its mask; null where there is none.</returns>
    private DecodingPartner? Check(IReadOnlyList<GenerationRequest> requests, GenerationOptions options)
    {
        var (masked, inside) = (options.Policy != DecodingPolicy.Policy, options.MaskTopP < 1);
        if (masked && reference is null)
            throw new DfpoException(
                "generation/no-reference",
                $"Decoding policy '{options.Policy}' needs the reference model, and this engine has none: give one, or decode with '{DecodingPolicy.Policy}'."
            );
        if (inside && mask is null)
            throw new DfpoException(
                "generation/no-mask",
                "Generation option 'mask-top-p' needs a mask policy, and this engine has none: give one, or set it to 1."
            );
        for (var i = 0; i < requests.Count; i++)
            SequenceChecks.Require(policy, i, requests[i].PromptTokens, [], options.MaxNewTokens);
        if (BeamSearch.Scratch.CandidatesOf(options.NumBeams, _endOfText) > policy.VocabularySize)
            throw new DfpoException(
                "generation/options",
                $"Generation option 'num-beams' must be at most half of the model's vocabulary of {policy.VocabularySize} tokens, less where several tokens end a text."
            );
        return masked ? new DecodingPartner.KlReference(reference!)
            : inside ? new DecodingPartner.NucleusMask(mask!)
            : null;
    }

    private GeneratedSequence[] Decode(
        IReadOnlyList<GenerationRequest> requests,
        GenerationOptions options,
        DecodingPartner? partner,
        CancellationToken cancellation
    )
    {
        using var decoder = partner is null ? policy.CreateDecoder() : new LockstepDecoder(policy, partner.Model);
        // The split depends on the batch alone, never on the number of threads, because kernels round differently for other shapes.
        var onCpu = policy.parameters().First().device.type == DeviceType.CPU;
        var halves =
            onCpu && requests.Count >= RowsForTwoLanes
                ?
                [
                    [.. requests.Take((requests.Count + 1) / 2)],
                    [.. requests.Skip((requests.Count + 1) / 2)],
                ]
                : new GenerationRequest[][] { [.. requests] };
        var lanes = new List<ILane>();
        try
        {
            foreach (var half in halves)
                lanes.Add(
                    options.NumBeams > 1
                        ? new BeamLane(
                            half,
                            options,
                            _endOfText,
                            policy,
                            decoder,
                            requests.Max(request => policy.DecoderPrompt(request.PromptTokens).Length)
                        )
                        : new SamplingLane(half, options, _endOfText, policy, decoder, partner)
                );
            using (var activity = DfpoTelemetry.Source.StartActivity(DfpoTelemetry.Spans.Prefill))
            {
                activity?.SetTag(DfpoTelemetry.Tags.InputTokens, requests.Sum(request => (long)request.PromptTokens.Length));
                TorchThreads.Run([.. lanes.Select(lane => (Action)lane.Prefill)]);
            }
            using (var activity = DfpoTelemetry.Source.StartActivity(DfpoTelemetry.Spans.Decode))
            {
                TorchThreads.Run([.. lanes.Select(lane => (Action)(() => lane.Decode(cancellation)))], alone: decoder.StepThreads);
                GeneratedSequence[] results = [.. lanes.SelectMany(lane => lane.Results())];
                activity?.SetTag(DfpoTelemetry.Tags.OutputTokens, results.Sum(result => (long)result.Tokens.Length));
                activity?.SetTag(DfpoTelemetry.Tags.Policy, options.Policy.Name());
                return results;
            }
        }
        finally
        {
            lanes.ForEach(lane => lane.Dispose());
        }
    }
}
