namespace DfPO.Models.Tokenizers.PreTokenizers;

/// <summary>Pre-tokenisers one after another, each on what the one before it has left.</summary>
internal sealed class PreTokenizerSequence(IReadOnlyList<IPreTokenizer> steps) : IPreTokenizer
{
    public void Split(Piece piece, List<Piece> into)
    {
        if (steps.Count == 1)
        {
            steps[0].Split(piece, into);
            return;
        }
        List<Piece> now = [piece],
            next = [];
        foreach (var step in steps)
        {
            foreach (var part in now)
                step.Split(part, next);
            (now, next) = (next, now);
            next.Clear();
        }
        into.AddRange(now);
    }
}
