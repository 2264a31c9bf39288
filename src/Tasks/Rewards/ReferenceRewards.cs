using DfPO.Models;
using DfPO.Tasks.Metrics;
using DfPO.Tasks.Prompts;

namespace DfPO.Tasks.Rewards;

/// <summary>Rewards that compare the continuation with references.</summary>
public static class ReferenceRewards
{
    /// <summary>METEOR on Treebank words, best reference.</summary>
    /// <param name="meteor">The metric.</param>
    /// <param name="rl4lmsCompat">Whether to compare with the printed list of references instead, as RL4LMs does.</param>
    public static IReward Meteor(Meteor meteor, bool rl4lmsCompat = false) =>
        new TextReward(text =>
        {
            var references = text.NeedReferences("meteor");
            return meteor.Score(
                TreebankWords.Of(text.Continuation),
                rl4lmsCompat ? [TreebankWords.Of(Metrics.Meteor.PythonList(references))] : references.Select(TreebankWords.Of)
            );
        });

    /// <summary>F1 of one kind of ROUGE, stemmed, best reference.</summary>
    /// <param name="type"><c>rouge1</c>, <c>rouge2</c>, <c>rougeL</c> or <c>rougeLsum</c>.</param>
    /// <exception cref="DfpoException"><c>reward/spec</c>: another kind.</exception>
    public static IReward Rouge(string type)
    {
        var rouge = new Rouge();
        Func<string, string, RougeScore> score = type.ToLowerInvariant() switch
        {
            "rouge1" => (text, reference) => rouge.N(text, reference, 1),
            "rouge2" => (text, reference) => rouge.N(text, reference, 2),
            "rougel" => rouge.L,
            "rougelsum" => rouge.LSum,
            _ => throw new DfpoException(
                "reward/spec",
                $"Reward: rouge-type '{type}' is not known: choose rouge1, rouge2, rougeL or rougeLsum."
            ),
        };
        return new TextReward(text => text.NeedReferences("rouge").Max(reference => score(text.Continuation, reference).F));
    }

    /// <summary>Sentence BLEU-4 with add-one smoothing on lower-cased Treebank words, nearest reference length.</summary>
    public static IReward Bleu() =>
        new TextReward(text =>
            Metrics.Bleu.Nmt(
                BleuCounts.Of(TreebankWords.Lower(text.Continuation), [.. text.NeedReferences("bleu").Select(TreebankWords.Lower)]),
                smooth: true
            )
        );

    /// <summary>
    /// CIDEr-D on lower-cased Treebank words with the n-gram frequencies of a corpus, so that a score does not depend on the batch.
    /// </summary>
    /// <param name="corpus">Prompts with references; those without are passed over.</param>
    public static IReward Cider(PromptSet corpus)
    {
        var cider = new CiderD([
            .. corpus
                .Prompts.Where(prompt => prompt.References.Count > 0)
                .Select(prompt => prompt.References.Select(TreebankWords.Lower).ToArray()),
        ]);
        return new TextReward(text =>
            cider.Score(TreebankWords.Lower(text.Continuation), [.. text.NeedReferences("cider").Select(TreebankWords.Lower)])
        );
    }
}
