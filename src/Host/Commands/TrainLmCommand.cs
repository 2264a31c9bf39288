using System.CommandLine;
using System.Globalization;
using DfPO.Learner.Supervised;
using DfPO.Models;
using DfPO.Models.Gpt2;
using DfPO.Models.Tokenizers;
using DfPO.Tasks.Corpora;
using static TorchSharp.torch;

namespace DfPO.Host.Commands;

/// <summary><c>train-lm</c>: a GPT-2 language model from scratch, on any text.</summary>
internal static class TrainLmCommand
{
    private const int HeldOutEvery = 100;

    public static Command Create()
    {
        var text = new Option<string[]>("--text")
        {
            Description = "Folder of .txt files, .txt file (a document a line) or .jsonl file; may be repeated.",
            Required = true,
            AllowMultipleArgumentsPerToken = true,
        };
        var tokenizer = Options.Required<string>("--tokenizer", "Folder with GPT-2's vocab.json and merges.txt.");
        var output = Options.Required<string>("--output", "Checkpoint folder to write; its state is resumed from <output>.state.");
        var vocabulary = Options.Of("--vocab-size", "Tokens kept of the tokenizer; 0 keeps all.", 0);
        var layers = Options.Of("--layers", "Blocks.", 4);
        var width = Options.Of("--width", "Width of the residual stream.", 256);
        var heads = Options.Of("--heads", "Attention heads.", 4);
        var training = new TrainingOptions();
        var command = new Command(
            "train-lm",
            "Train a GPT-2 language model from scratch. Example: dfpo train-lm --text reviews/ --tokenizer gpt2/ --vocab-size 5120 --output my-lm --steps 5000 --bf16"
        )
        {
            text,
            tokenizer,
            output,
            vocabulary,
            layers,
            width,
            heads,
        };
        training.AddTo(command);
        command.SetAction(
            (result, cancellation) =>
                Task.Run(
                    () =>
                        Run(
                            result.GetValue(text)!,
                            result.GetValue(tokenizer)!,
                            result.GetValue(output)!,
                            result.GetValue(vocabulary),
                            (result.GetValue(layers), result.GetValue(width), result.GetValue(heads)),
                            training.Read(result),
                            cancellation
                        ),
                    CancellationToken.None
                )
        );
        return command;
    }

    private static int Run(
        string[] texts,
        string source,
        string output,
        int vocabulary,
        (int Layers, int Width, int Heads) shape,
        SupervisedOptions options,
        CancellationToken cancellation
    )
    {
        if (vocabulary > 0)
            Gpt2TokenizerFiles.Cut(source, output, vocabulary);
        else
            TokenizerFiles.Copy(source, output);
        var tokenizer = TextTokenizer.Load(output);
        var documents = texts
            .SelectMany(path => TextCorpus.Read(path))
            .Select((text, index) => (text, index))
            .ToLookup(d => d.index % HeldOutEvery == 0, d => d.text);
        var train = TokenStream.Encode(documents[false], tokenizer.Encode, tokenizer.EosTokenId);
        var heldOut = TokenStream.Encode(documents[true], tokenizer.Encode, tokenizer.EosTokenId);
        Console.WriteLine(
            $"{train.Count} training tokens, {heldOut.Count} held out (every {HeldOutEvery}th document); vocabulary {tokenizer.VocabularySize}"
        );
        var config = new Gpt2Config
        {
            VocabSize = tokenizer.VocabularySize,
            NPositions = options.BlockSize,
            NEmbd = shape.Width,
            NLayer = shape.Layers,
            NHead = shape.Heads,
            BosTokenId = tokenizer.EosTokenId,
            EosTokenId = tokenizer.EosTokenId,
        };
        using var model = new Gpt2LMHeadModel(config);
        model.Initialise(options.Seed);
        var clock = System.Diagnostics.Stopwatch.StartNew();
        LanguageModelTrainer.Train(
            model,
            train,
            heldOut,
            options,
            output + ".state",
            p => TrainingOptions.Print(p, "held-out loss"),
            cancellation
        );
        PretrainedModels.Save(output, model, ScalarType.BFloat16);
        ModelFolder.Complete(output, output);
        var loss = LanguageModelTrainer.CrossEntropy(model, heldOut, options.BlockSize, options.BatchSize);
        Console.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"held-out perplexity {Math.Exp(loss):F2} per token, {Math.Exp(loss * heldOut.Count / heldOut.Words):F1} per word; {clock.Elapsed.TotalMinutes:F1} minutes; saved in {output}"
            )
        );
        return 0;
    }
}
