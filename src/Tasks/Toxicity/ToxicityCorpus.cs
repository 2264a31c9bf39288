using DfPO.Models;
using DfPO.Tasks.Tables;

namespace DfPO.Tasks.Toxicity;

/// <summary>Texts with toxicity from RealToxicityPrompts: prompts and continuations are spans of their own.</summary>
public static class ToxicityCorpus
{
    private static readonly string[] s_spans = ["prompt", "continuation"];

    /// <summary>
    /// Reads files of the data set's form and parts their rows, so that prompt and continuation of one sentence stay on one side.
    /// </summary>
    /// <param name="paths">JSON lines or parquet, each row with <c>prompt</c> and <c>continuation</c>; spans without a score or a text are
    /// left out.</param>
    /// <param name="heldOut">Share of the rows that is held out, in (0, 1).</param>
    /// <param name="seed">Seed of the parting.</param>
    /// <exception cref="DfpoException">What reading a <see cref="Table"/> gives.</exception>
    public static (IReadOnlyList<ScoredText> Training, IReadOnlyList<ScoredText> HeldOut) Read(
        IEnumerable<string> paths,
        double heldOut = 0.2,
        ulong seed = 42
    )
    {
        ScoredText[][] rows = [.. paths.SelectMany(path => Table.Read(path, new MalformedRows(0))).Select(row => Spans(row).ToArray())];
        var order = CounterRandom.Permutation(rows.Length, seed);
        var cut = (int)(rows.Length * (1 - heldOut));
        return ([.. order[..cut].SelectMany(row => rows[row])], [.. order[cut..].SelectMany(row => rows[row])]);
    }

    private static IEnumerable<ScoredText> Spans(DataRow row) =>
        from span in s_spans
        let text = row.Texts($"{span}.text")
        where text.Length == 1
        let toxicity = row.Number($"{span}.toxicity")
        where toxicity is not null
        select new ScoredText(text[0], (float)toxicity.Value);
}
