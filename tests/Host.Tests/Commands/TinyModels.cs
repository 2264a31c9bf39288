using DfPO.Models;
using DfPO.Models.Gpt2;
using DfPO.Models.Tokenizers;
using TorchSharp;

namespace DfPO.Host.Tests.Commands;

/// <summary>Checkpoint folders with random weights and a real tokenizer, small enough to be made by a test.</summary>
internal static class TinyModels
{
    private const int Vocabulary = 320;

    public static Gpt2Config Config { get; } =
        new()
        {
            VocabSize = Vocabulary,
            NPositions = 64,
            NEmbd = 16,
            NLayer = 2,
            NHead = 2,
            EosTokenId = Vocabulary - 1,
            InitializerRange = 0.3,
        };

    /// <summary>A language model.</summary>
    public static string Policy(string folder, ulong seed)
    {
        using var model = new Gpt2LMHeadModel(Config);
        model.Initialise(seed);
        return Save(folder, model);
    }

    /// <summary>A classifier with labels neg and pos.</summary>
    public static string Classifier(string folder, ulong seed)
    {
        using var model = new Gpt2ForSequenceClassification(Config with { Labels = ["neg", "pos"] });
        model.Initialise(seed);
        return Save(folder, model);
    }

    private static string Save(string folder, torch.nn.Module model)
    {
        PretrainedModels.Save(folder, model, torch.ScalarType.Float32);
        Gpt2TokenizerFiles.Cut(Repository.Gpt2Tokenizer, folder, Vocabulary);
        return folder;
    }
}
