using DfPO.Models;
using DfPO.Models.Classifiers;
using DfPO.Models.Tokenizers;
using TorchSharp;

namespace DfPO.Tasks.Tests;

/// <summary>Checkpoints of small random encoders with real tokenizers.</summary>
internal static class EncoderFolders
{
    /// <summary>Tokens that such an encoder reads at most.</summary>
    public const int MaxTokens = 12;

    /// <summary>Fills a folder.</summary>
    /// <param name="folder">Where.</param>
    /// <param name="type"><c>bert</c>, <c>distilbert</c> or <c>roberta</c>.</param>
    /// <param name="problem">Its <c>problem_type</c>, if any.</param>
    public static void Save(TestFolder folder, string type, string problem = "")
    {
        var source = Repository.Path("tests/tokenizers");
        if (type == "roberta")
        {
            File.Copy(Path.Combine(source, "roberta-base/vocab.json"), folder["vocab.json"]);
            File.Copy(Path.Combine(source, "gpt2/merges.txt"), folder["merges.txt"]);
            folder.Write("tokenizer_config.json", "{\"tokenizer_class\": \"RobertaTokenizer\"}");
        }
        else
            TokenizerFiles.Copy(Path.Combine(source, "bert-base-uncased"), folder.Path);
        using var model = EncoderClassifier.Create(
            new EncoderConfig
            {
                ModelType = type,
                VocabSize = TextTokenizer.Load(folder.Path).VocabularySize,
                HiddenSize = 8,
                NumHiddenLayers = 2,
                NumAttentionHeads = 2,
                IntermediateSize = 16,
                MaxPositionEmbeddings = MaxTokens + (type == "roberta" ? 2 : 0),
                TypeVocabSize = type == "distilbert" ? 0 : 2,
                PadTokenId = type == "roberta" ? 1 : 0,
                InitializerRange = 0.5,
                Labels = ["bad", "good", "so-so"],
                ProblemType = problem,
            }
        );
        model.Initialise(5);
        PretrainedModels.Save(folder.Path, model, torch.ScalarType.Float32);
    }
}
