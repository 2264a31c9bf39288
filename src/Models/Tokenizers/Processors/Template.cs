namespace DfPO.Models.Tokenizers.Processors;

/// <summary>
/// What an input is made of: its texts and the special tokens around them; <c>post_processor</c> in <c>tokenizer.json</c>.
/// </summary>
/// <param name="Single">For one text.</param>
/// <param name="Pair">For two.</param>
internal sealed record Template(IReadOnlyList<TemplatePart> Single, IReadOnlyList<TemplatePart> Pair)
{
    /// <summary>The texts alone.</summary>
    public static Template Plain { get; } = new([new(0, [], 0)], [new(0, [], 0), new(1, [], 1)]);

    /// <summary>Ids and segment ids of one text or two.</summary>
    /// <param name="texts">Ids of each text.</param>
    public (int[] Ids, int[] Types) Apply(IReadOnlyList<int[]> texts)
    {
        List<int> ids = [],
            types = [];
        foreach (var part in texts.Count == 1 ? Single : Pair)
        {
            IReadOnlyList<int> added = part.Text is { } text ? texts[text] : part.Special;
            ids.AddRange(added);
            types.AddRange(Enumerable.Repeat(part.Type, added.Count));
        }
        return ([.. ids], [.. types]);
    }
}

/// <summary>A text or special tokens.</summary>
/// <param name="Text">Number of the text; null for special tokens.</param>
/// <param name="Special">Ids of the special tokens.</param>
/// <param name="Type">Segment id (<c>token_type_ids</c>).</param>
internal sealed record TemplatePart(int? Text, IReadOnlyList<int> Special, int Type);
