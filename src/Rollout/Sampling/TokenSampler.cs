using DfPO.Models;
using DfPO.Models.Policies;

namespace DfPO.Rollout.Sampling;

/// <summary>
/// Draws a token from rows of logits by the inverse of the cumulated distribution: one random number a token. Not thread-safe: it owns
/// scratch rows.
/// </summary>
internal sealed class TokenSampler(GenerationOptions options, int vocabulary, EndOfText endOfText)
{
    private readonly Softmax _policy = new(vocabulary);
    private readonly Softmax _reference = new(vocabulary);
    private readonly Softmax _sampled = new(vocabulary);
    private readonly TextRules _rules = new(options, endOfText);
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
        if (IsPlain(step))
            return Sample(_policy, logits, logits, seed, step);
        Filter(logits, text, step);
        Shape();
        return Sample(_sampled, _filtered, logits, seed, step);
    }

    /// <summary>Whether the token after so many of the continuation is drawn from the policy's own distribution.</summary>
    public bool IsPlain(int step) => !_shapes && options.MaskTopP == 1 && options.Policy == DecodingPolicy.Policy && !_rules.IsActive(step);

    /// <summary>
    /// Cross-entropy and KL of the distribution that is drawn from at a state, without drawing; not for a KL mask, under which a draw
    /// itself tells them.
    /// </summary>
    /// <param name="logits">The policy's row.</param>
    /// <param name="mask">The row of NLPO's mask policy; empty where there is none.</param>
    /// <param name="reference">The reference's row.</param>
    /// <param name="normaliser">The reference's <c>log sum exp</c>.</param>
    /// <param name="text">What the continuation continues, and the continuation so far.</param>
    /// <param name="step">Tokens that the continuation has.</param>
    public DecodingFigures Measure(
        ReadOnlySpan<float> logits,
        ReadOnlySpan<float> mask,
        ReadOnlySpan<float> reference,
        float normaliser,
        ReadOnlySpan<int> text,
        int step
    )
    {
        if (mask.IsEmpty)
            Filter(logits, text, step);
        else
            FilterInside(logits, mask, text, step);
        Shape();
        return _sampled.Against(_filtered, reference, normaliser);
    }

    /// <summary>Draws from the distribution masked by the log-ratio to the reference, <c>pi+</c> or <c>pi-</c>, and measures it.</summary>
    /// <param name="logits">The policy's row, <c>[vocabulary]</c>.</param>
    /// <param name="reference">The reference's row.</param>
    /// <param name="text">What the continuation continues, and the continuation so far.</param>
    /// <param name="seed">The sequence's seed.</param>
    /// <param name="step">Tokens that the continuation has.</param>
    public TokenDraw DrawKlMasked(ReadOnlySpan<float> logits, ReadOnlySpan<float> reference, ReadOnlySpan<int> text, ulong seed, int step)
    {
        _policy.Load(logits);
        _reference.Load(reference);
        KlMask.LogRatios(logits, _policy.LogNormaliser, reference, _reference.LogNormaliser, _ratios);
        var kl = (float)_policy.Kl(_ratios);
        var threshold = options.MaskRule == KlMaskRule.KlCentred ? kl : 0;
        var tolerance =
            options.MaskRule == KlMaskRule.Scaled ? options.Tolerance * (float)_policy.Deviation(_ratios, kl) : options.Tolerance;

        Filter(logits, text, step);
        if (_rules.IsActive(step))
            _sampled.Load(_filtered);
        (_rules.IsActive(step) ? _sampled : _policy).Exponentials.CopyTo(_weights);
        var retained = KlMask.Apply(_filtered, _ratios, _weights, options.Policy, threshold, tolerance);
        var skipped = retained == 0 || retained < options.MassFloor;
        if (skipped)
            Filter(logits, text, step);
        Shape();
        var draw = Sample(_sampled, _filtered, logits, seed, step);
        return draw with
        {
            Figures = _sampled.Against(_filtered, reference, _reference.LogNormaliser),
            ReferenceLogprob = reference[draw.Token] - _reference.LogNormaliser,
            StateKl = kl,
            RetainedMass = skipped ? 1 : (float)retained,
            SkippedMask = skipped,
        };
    }

    /// <summary>Draws from the policy's distribution inside the nucleus of NLPO's mask policy.</summary>
    /// <param name="logits">The policy's row, <c>[vocabulary]</c>.</param>
    /// <param name="mask">The mask policy's row.</param>
    /// <param name="text">What the continuation continues, and the continuation so far.</param>
    /// <param name="seed">The sequence's seed.</param>
    /// <param name="step">Tokens that the continuation has.</param>
    public TokenDraw DrawInside(ReadOnlySpan<float> logits, ReadOnlySpan<float> mask, ReadOnlySpan<int> text, ulong seed, int step)
    {
        _policy.Load(logits);
        var skipped = !FilterInside(logits, mask, text, step);
        Shape();
        return Sample(_sampled, _filtered, logits, seed, step) with
        {
            RetainedMass = skipped ? 1 : (float)NucleusMask.Mass(_weights, _policy.Exponentials),
            SkippedMask = skipped,
        };
    }

    /// <returns>Whether the mask holds: what the text forbids may be all that it allows, and then it is skipped.</returns>
    private bool FilterInside(ReadOnlySpan<float> logits, ReadOnlySpan<float> mask, ReadOnlySpan<int> text, int step)
    {
        NucleusMask.Allow(mask, options.MaskTopP, options.MaskMinTokens, endOfText, _weights);
        Filter(logits, text, step);
        var holds = NucleusMask.Apply(_filtered, _weights);
        if (!holds)
            Filter(logits, text, step);
        return holds;
    }

    private void Filter(ReadOnlySpan<float> logits, ReadOnlySpan<int> text, int step)
    {
        logits.CopyTo(_filtered);
        if (_rules.IsActive(step))
            _rules.Apply(_filtered, text, step);
    }

    /// <summary>Shapes what was filtered; <see cref="_sampled"/> is then what is drawn from.</summary>
    private void Shape()
    {
        if (options.Temperature != 1)
            LogitFilters.Temperature(_filtered, options.Temperature);
        if (options.TopK > 0)
            LogitFilters.TopK(_filtered, options.TopK);
        if (options.TopP < 1)
            LogitFilters.TopP(_filtered, options.TopP);
        _sampled.Load(_filtered);
    }

    private TokenDraw Sample(Softmax distribution, ReadOnlySpan<float> filtered, ReadOnlySpan<float> logits, ulong seed, int step)
    {
        var token = distribution.Draw(CounterRandom.Uniform(seed, (ulong)step));
        return new(token, logits[token] - _policy.LogNormaliser, filtered[token] - distribution.LogNormaliser, 0, 0, 1, false);
    }
}
