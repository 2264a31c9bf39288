namespace DfPO.Tasks.Metrics;

/// <summary>
/// How many of the wanted concepts a sentence uses, as CommonGen (Lin et al., 2020) counts them: by lemma, here by WordNet base form or
/// Porter stem.
/// </summary>
/// <remarks>
/// CommonGen's script lemmatises with spaCy; stems agree with it but for irregular forms (ran, teeth), which a WordNet finds too.
/// </remarks>
/// <param name="wordNet">Base forms of irregular words; null compares stems only.</param>
public sealed class ConceptCoverage(WordNet? wordNet = null)
{
    /// <summary>Share of the concepts that stand in the text, in [0, 1]; 1 when none is wanted.</summary>
    /// <param name="text">The generated sentence.</param>
    /// <param name="concepts">Base forms, such as <c>dog</c> and <c>throw</c>.</param>
    public double Score(string text, IReadOnlyCollection<string> concepts)
    {
        if (concepts.Count == 0)
            return 1;
        var forms = WordTokens.Of(text).SelectMany(Forms).ToHashSet();
        return concepts.Count(concept => Forms(concept.ToLowerInvariant()).Any(forms.Contains)) / (double)concepts.Count;
    }

    private IEnumerable<string> Forms(string word) => [word, PorterStemmer.Stem(word), .. wordNet?.BaseForms(word) ?? []];
}
