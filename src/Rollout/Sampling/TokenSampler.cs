using DfPO.Models;
using DfPO.Models.Policies;

namespace DfPO.Rollout.Sampling;

/// <summary>Draws a token from rows of logits by the inverse of the cumulated distribution: one random number a token. Not thread-safe: it owns scratch rows.</summary>
internal sealed class TokenSampler(GenerationOptions options, int vocabulary, int? eosTokenId)
{
    private readonly Softmax _policy = new(vocabulary);
    private readonly Softmax _reference = new(vocabulary);
    private readonly Softmax _sampled = new(vocabulary);
    private readonly TextRules _rules = new(options, eosTokenId);
    private readonly float[] _filtered = new float[vocabulary];
    private readonly float[] _ratios = new float[vocabulary];
    private readonly float[] _weights = new float[vocabulary];
    private readonly bool _shapes = options.Temperature != 1 || options.TopK > 0 || options.TopP < 1;

    /// <summary>Draws from the policy's distribution.</summary>
    /// <param name="logits">The policy's row.</param>
    /// <param name="text">What the continuation continues, and the continuation so far.</param>
    /// <param name="seed">The sequence's seed.</param>
    /// <param name="step">Tokens that the continuation has.</param>
    public TokenDraw Draw(ReadOnlySpan<float> logits, ReadOnlySpan<int> text, ulong seed, int step)
    {
        _policy.Load(logits);
        if (!_shapes && !_rules.IsActive(step))
            return Sample(_policy, logits, logits, seed, step);
        Filter(logits, text, step);
        return Shape(logits, seed, step);
    }

    /// <summary>Draws from the distribution masked by the log-ratio to a reference, or by the nucleus of a mask policy.</summary>
    /// <inheritdoc cref="Draw"/>
    /// <param name="reference">The row of the reference, or of the mask policy.</param>
    public TokenDraw DrawMasked(ReadOnlySpan<float> logits, ReadOnlySpan<float> reference, ReadOnlySpan<int> text, ulong seed, int step)
    {
        _policy.Load(logits);
        _reference.Load(reference);
        if (options.Policy == DecodingPolicy.Policy)
            return DrawInside(logits, reference, text, seed, step);
        KlMask.LogRatios(logits, _policy.LogNormaliser, reference, _reference.LogNormaliser, _ratios);
        var kl = (float)_policy.Kl(_ratios);
        var threshold = options.MaskRule == KlMaskRule.KlCentred ? kl : 0;

        Filter(logits, text, step);
        if (_rules.IsActive(step))
            _sampled.Load(_filtered);
        (_rules.IsActive(step) ? _sampled : _policy).Exponentials.CopyTo(_weights);
        var retained = KlMask.Apply(_filtered, _ratios, _weights, options.Policy, threshold, options.Tolerance);
        var skipped = retained == 0 || retained < options.MassFloor;
        if (skipped)
            Filter(logits, text, step);
        var draw = Shape(logits, seed, step);
        return draw with
        {
            ReferenceLogprob = reference[draw.Token] - _reference.LogNormaliser,
            StateKl = kl,
            RetainedMass = skipped ? 1 : (float)retained,
            SkippedMask = skipped,
        };
    }

    private TokenDraw DrawInside(ReadOnlySpan<float> logits, ReadOnlySpan<float> mask, ReadOnlySpan<int> text, ulong seed, int step)
    {
        var allowed = _weights;
        NucleusMask.Allow(mask, options.MaskTopP, options.MaskMinTokens, eosTokenId, allowed);
        Filter(logits, text, step);
        // What the text forbids may be all that the mask allows.
        var skipped = !NucleusMask.Apply(_filtered, allowed);
        if (skipped)
            Filter(logits, text, step);
        return Shape(logits, seed, step) with { RetainedMass = skipped ? 1 : (float)NucleusMask.Mass(allowed, _policy.Exponentials), SkippedMask = skipped };
    }

    private void Filter(ReadOnlySpan<float> logits, ReadOnlySpan<int> text, int step)
    {
        logits.CopyTo(_filtered);
        if (_rules.IsActive(step))
            _rules.Apply(_filtered, text, step);
    }

    private TokenDraw Shape(ReadOnlySpan<float> logits, ulong seed, int step)
    {
        if (options.Temperature != 1)
            LogitFilters.Temperature(_filtered, options.Temperature);
        if (options.TopK > 0)
            LogitFilters.TopK(_filtered, options.TopK);
        if (options.TopP < 1)
            LogitFilters.TopP(_filtered, options.TopP);
        _sampled.Load(_filtered);
        return Sample(_sampled, _filtered, logits, seed, step);
    }

    private TokenDraw Sample(Softmax distribution, ReadOnlySpan<float> filtered, ReadOnlySpan<float> logits, ulong seed, int step)
    {
        var token = distribution.Draw(CounterRandom.Uniform(seed, (ulong)step));
        return new(token, logits[token] - _policy.LogNormaliser, filtered[token] - distribution.LogNormaliser, 0, 0, 1, false);
    }
}
