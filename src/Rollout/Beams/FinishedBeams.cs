namespace DfPO.Rollout.Beams;

/// <summary>The best finished beams of one prompt, as many as the search has beams.</summary>
/// <remarks>
/// Rules of HF's beam search: of transformers 4.28, or with <see cref="BeamLength.Continuation"/> of transformers 5.
/// </remarks>
internal sealed class FinishedBeams(GenerationOptions options, int startLength)
{
    private readonly List<(double Score, Beam Beam, bool Ended)> _beams = [];
    private double _worst = double.PositiveInfinity;

    /// <summary>Offers a beam.</summary>
    /// <param name="beam">With its end-of-text token, if <paramref name="ended"/>.</param>
    /// <param name="ended">Whether that token ended it, rather than the length limit.</param>
    public void Add(Beam beam, bool ended)
    {
        var score = Score(beam.Sum, beam.Tokens.Length, ended);
        if (_beams.Count >= options.NumBeams && !(score > _worst))
            return;
        _beams.Add((score, beam, ended));
        if (_beams.Count > options.NumBeams)
            _beams.Remove(_beams.MinBy(finished => finished.Score));
        _worst = _beams.Min(finished => finished.Score);
    }

    /// <summary>Whether the search may end.</summary>
    /// <param name="bestSum">Highest sum among the candidates of this step, those that ended included.</param>
    /// <param name="bestUnfinished">Highest sum among those that go on.</param>
    /// <param name="newTokens">Tokens of the continuations that these extend.</param>
    public bool AreEnough(float bestSum, float bestUnfinished, int newTokens)
    {
        if (_beams.Count < options.NumBeams)
            return false;
        if (options.EarlyStopping == EarlyStopping.AtOnce)
            return true;
        var (hope, length) = options.BeamLength == BeamLength.Text ? (bestSum, newTokens) : (bestUnfinished, newTokens + 1);
        // A sum is negative: where length is rewarded, the longest text has the best of scores.
        if (options is { EarlyStopping: EarlyStopping.Never, LengthPenalty: > 0 })
            length = options.MaxNewTokens;
        return _worst >= Score(hope, length, ended: false);
    }

    /// <summary>The best, best first; of equal ones the later.</summary>
    public IEnumerable<(double Score, Beam Beam, bool Ended)> Best() =>
        _beams.OrderBy(finished => finished.Score).Reverse().Take(options.NumReturnSequences);

    private double Score(float sum, int newTokens, bool ended) =>
        sum
        / Math.Pow(options.BeamLength == BeamLength.Text ? startLength + newTokens - (ended ? 1 : 0) : newTokens, options.LengthPenalty);
}
