using DfPO.Models;
using DfPO.Models.Classifiers;
using DfPO.Models.Tokenizers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Tasks.Metrics;

/// <summary>The encoder behind <see cref="BertScore"/>: token states of one of its layers.</summary>
/// <remarks>
/// As bert_score 0.3 without idf: texts are stripped, RoBERTa's get a space in front, a text that is too long loses its end.
/// </remarks>
public sealed class BertScoreEncoder : IDisposable
{
    /// <summary>
    /// The layers that bert_score takes, by type and number of layers: those that agreed best with people's judgements on WMT16.
    /// </summary>
    private static readonly Dictionary<(string Type, int Layers), int> s_layers = new()
    {
        [("roberta", 24)] = 17,
        [("roberta", 12)] = 10,
        [("bert", 24)] = 18,
        [("bert", 12)] = 9,
        [("distilbert", 6)] = 5,
    };

    private const int TextsOfAPass = 64;
    private readonly EncoderClassifier _model;
    private readonly TextTokenizer _tokenizer;
    private readonly int _layer;

    private BertScoreEncoder(EncoderClassifier model, TextTokenizer tokenizer, int layer) =>
        (_model, _tokenizer, _layer) = (model, tokenizer, layer);

    /// <summary>Loads encoder and tokenizer.</summary>
    /// <param name="folder">Checkpoint folder of BERT, RoBERTa or DistilBERT, with or without a head; bert_score's for English is
    /// roberta-large.</param>
    /// <param name="layer">Layer whose states are compared, from 1; 0 for the one that bert_score takes for a model of this shape.</param>
    /// <exception cref="DfpoException"><c>metrics/layer</c>, or what loading a model or tokenizer gives.</exception>
    public static BertScoreEncoder Load(string folder, int layer)
    {
        var tokenizer = TextTokenizer.Load(folder);
        var model = PretrainedModels.LoadEncoder(folder);
        try
        {
            tokenizer.CheckFits(model.VocabularySize);
            var layers = model.Config.NumHiddenLayers;
            if (layer == 0 && !s_layers.TryGetValue((model.Config.ModelType, layers), out layer))
                throw new DfpoException(
                    "metrics/layer",
                    $"bert_score has no layer of its own for a {model.Config.ModelType} of {layers} layers as in '{folder}': name one from 1 to {layers}."
                );
            if (layer < 1 || layer > layers)
                throw new DfpoException("metrics/layer", $"The encoder '{folder}' has no layer {layer}: name one from 1 to {layers}.");
            return new BertScoreEncoder(model, tokenizer, layer);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Precision, recall and F of texts against their references, each the best over the references.</summary>
    public IReadOnlyList<(double Precision, double Recall, double F)> Score(
        IReadOnlyList<(string Text, IReadOnlyList<string> References)> items
    )
    {
        var scores = new List<(double, double, double)>(items.Count);
        // A few items at a time: the states of a whole corpus would need gigabytes.
        foreach (var some in items.Chunk(TextsOfAPass / 2))
        {
            var states = States([.. some.SelectMany(item => item.References.Prepend(item.Text)).Distinct()]);
            scores.AddRange(
                some.Select(item =>
                    item.References.Select(reference => BertScore.Of(states[item.Text], states[reference]))
                        .Aggregate((a, b) => (Math.Max(a.Precision, b.Precision), Math.Max(a.Recall, b.Recall), Math.Max(a.F, b.F)))
                )
            );
        }
        return scores;
    }

    /// <summary>The states of texts, by text.</summary>
    public IReadOnlyDictionary<string, TokenStates> States(IReadOnlyList<string> texts)
    {
        using var _ = no_grad();
        var states = new Dictionary<string, TokenStates>(texts.Count);
        // Neighbours in length share a pass, so that little of it is padding.
        foreach (var batch in texts.Select(text => (Text: text, Ids: Ids(text))).OrderBy(text => text.Ids.Length).Chunk(TextsOfAPass))
            foreach (var ((text, ids), values) in batch.Zip(Hidden([.. batch.Select(text => text.Ids)])))
                // The tokenizer puts one token before a text and one behind it.
                states[text] = new TokenStates(
                    values,
                    values.Length / ids.Length,
                    [.. ids.Select((_, place) => place == 0 || place == ids.Length - 1)]
                );
        return states;
    }

    /// <inheritdoc/>
    public void Dispose() => _model.Dispose();

    private int[] Ids(string text)
    {
        var stripped = text.Trim();
        var ids = _tokenizer.EncodeInput(_model.Config.ModelType == "roberta" && stripped.Length > 0 ? " " + stripped : stripped);
        return ids.Length <= _model.MaxTokens ? ids : [.. ids[..(_model.MaxTokens - 1)], ids[^1]];
    }

    private float[][] Hidden(int[][] batch)
    {
        using var scope = NewDisposeScope();
        var time = batch[^1].Length;
        var (ids, mask) = (new long[batch.Length * time], new long[batch.Length * time]);
        Array.Fill(ids, _model.Config.PadTokenId);
        foreach (var (row, tokens) in batch.Index())
            for (var t = 0; t < tokens.Length; t++)
                (ids[row * time + t], mask[row * time + t]) = (tokens[t], 1);
        var hidden = _model.Hidden(tensor(ids, [batch.Length, time]), tensor(mask, [batch.Length, time]), layer: _layer);
        return [.. batch.Select((tokens, row) => hidden[row].narrow(0, 0, tokens.Length).contiguous().data<float>().ToArray())];
    }
}
