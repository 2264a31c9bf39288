using System.Numerics.Tensors;
using DfPO.Models;
using DfPO.Rollout.Sampling;

namespace DfPO.Rollout.Beams;

/// <summary>
/// The beam search of one prompt: in each step the likeliest extensions of its beams go on, and those that end are set aside.
/// </summary>
/// <param name="options">How.</param>
/// <param name="rules">What a text forbids.</param>
/// <param name="endOfText">The tokens that end a continuation.</param>
/// <param name="start">What stands before the continuation.</param>
/// <param name="startLength">Length that it counts for, padding included.</param>
/// <param name="row">The prompt's row in the batch.</param>
internal sealed class BeamSearch(GenerationOptions options, TextRules rules, EndOfText endOfText, int[] start, int startLength, int row)
{
    private readonly FinishedBeams _finished = new(options, startLength);
    private Beam[] _beams = [new Beam(row, [], [], 0)];

    /// <summary>Unfinished beams, best first.</summary>
    public IReadOnlyList<Beam> Beams => _beams;

    /// <summary>Whether nothing better is to be found.</summary>
    public bool IsDone { get; private set; }

    /// <summary>Extends every beam by a token.</summary>
    /// <param name="logits">Of the batch; a beam's row is its <see cref="Beam.Row"/>.</param>
    /// <param name="mask">Of the mask policy, in the same rows; null for none.</param>
    /// <param name="scratch">Rows and lists of the thread.</param>
    public void Advance(LogitRows logits, LogitRows? mask, Scratch scratch)
    {
        var (candidates, step) = (scratch.Candidates, _beams[0].Tokens.Length);
        candidates.Clear();
        var normalisers = new float[_beams.Length];
        for (var i = 0; i < _beams.Length; i++)
        {
            var beam = _beams[i];
            var raw = logits.Row(beam.Row, scratch.Row);
            scratch.Softmax.Load(raw);
            normalisers[i] = scratch.Softmax.LogNormaliser;
            TensorPrimitives.Subtract(raw, normalisers[i], scratch.Sums);
            if (rules.IsActive(step))
                rules.Apply(scratch.Sums, [.. start, .. beam.Tokens], step);
            if (mask is not null)
            {
                NucleusMask.Allow(mask.Row(beam.Row, scratch.Row), options.MaskTopP, options.MaskMinTokens, endOfText, scratch.Allowed);
                NucleusMask.Apply(scratch.Sums, scratch.Allowed);
            }
            TensorPrimitives.Add(scratch.Sums, beam.Sum, scratch.Sums);
            candidates.Offer(i, scratch.Sums);
        }

        var next = new List<Beam>(options.NumBeams);
        for (var rank = 0; rank < candidates.Kept.Length && next.Count < options.NumBeams; rank++)
        {
            var (sum, parent, token) = candidates.Kept[rank];
            var beam = _beams[parent];
            var extended = beam.Extend(token, logits.Row(beam.Row, scratch.Row)[token] - normalisers[parent], sum);
            if (!endOfText.Contains(token))
                next.Add(extended);
            else if (rank < options.NumBeams)
                _finished.Add(extended, ended: true);
        }
        _beams = [.. next];
        IsDone = _finished.AreEnough(candidates.Kept[0].Sum, _beams[0].Sum, step);
    }

    /// <summary>Moves the beams to the rows that now hold them, from <paramref name="first"/> on.</summary>
    public void MoveTo(int first) => _beams = [.. _beams.Select((beam, i) => beam with { Row = first + i })];

    /// <summary>The best continuations, best first; unfinished beams compete when the length limit stopped the search.</summary>
    public IReadOnlyList<(double Score, Beam Beam, bool Ended)> Finish()
    {
        if (!IsDone)
        {
            foreach (var beam in _beams)
                _finished.Add(beam, ended: false);
        }
        IsDone = true;
        return [.. _finished.Best()];
    }

    /// <summary>Scratch of one thread.</summary>
    internal sealed class Scratch(int vocabulary, int beams, EndOfText endOfText)
    {
        public float[] Row { get; } = new float[vocabulary];

        public float[] Sums { get; } = new float[vocabulary];

        public float[] Allowed { get; } = new float[vocabulary];

        public Softmax Softmax { get; } = new(vocabulary);

        public BeamCandidates Candidates { get; } = new(CandidatesOf(beams, endOfText));

        /// <summary>
        /// A place for each beam's likeliest token, and for each of its ends: as many beams as before remain even if every one ends.
        /// </summary>
        public static int CandidatesOf(int beams, EndOfText endOfText) => beams * (1 + Math.Max(1, endOfText.Ids.Length));
    }
}
