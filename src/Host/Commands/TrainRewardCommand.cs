using System.CommandLine;
using System.Globalization;
using DfPO.Learner.Supervised;
using DfPO.Models;
using DfPO.Models.Tokenizers;
using DfPO.Tasks.Corpora;
using static TorchSharp.torch;

namespace DfPO.Host.Commands;

/// <summary><c>train-reward</c>: a sequence classifier on the body of a language model or encoder, on any labelled text.</summary>
internal static class TrainRewardCommand
{
    private const int SnippetWords = 40;
    private const int ValidationTexts = 2000;
    private const int HeldOutEvery = 10;

    public static Command Create()
    {
        var train = Options.Required<string>(
            "--train",
            "Folder with a sub-folder of .txt files a class, or a .jsonl file with text and label."
        );
        var test = Options.Required<string>("--test", "The same, for the final accuracy.");
        var body = Options.Required<string>(
            "--base",
            "Checkpoint of a decoder-only language model or of an encoder, whose body and tokenizer are taken over."
        );
        var output = Options.Required<string>("--output", "Checkpoint folder to write; its state is resumed from <output>.state.");
        var training = new TrainingOptions();
        var command = new Command(
            "train-reward",
            "Train a sequence classifier for rewards. Example: dfpo train-reward --train imdb/train --test imdb/test --base my-lm --output my-reward --steps 1500 --learning-rate 3e-4 --bf16"
        )
        {
            train,
            test,
            body,
            output,
        };
        training.AddTo(command);
        command.SetAction(
            (result, cancellation) =>
                Task.Run(
                    () =>
                        Run(
                            result.GetValue(train)!,
                            result.GetValue(test)!,
                            result.GetValue(body)!,
                            result.GetValue(output)!,
                            training.Read(result),
                            cancellation
                        ),
                    CancellationToken.None
                )
        );
        return command;
    }

    private static int Run(
        string trainPath,
        string testPath,
        string body,
        string output,
        SupervisedOptions options,
        CancellationToken cancellation
    )
    {
        var tokenizer = TextTokenizer.Load(body);
        LabeledCorpus train = LabeledCorpus.Read(trainPath),
            test = LabeledCorpus.Read(testPath);
        if (!train.Labels.SequenceEqual(test.Labels))
            throw new DfpoException("corpus/labels", $"'{trainPath}' and '{testPath}' do not have the same classes.");
        LabeledTokens[] examples = [.. train.Texts.Select(text => new LabeledTokens(tokenizer.Encode(text.Text), text.Label))];
        if (examples.Length < HeldOutEvery)
            throw new DfpoException(
                "train/data",
                $"'{trainPath}' has {examples.Length} texts but training needs at least {HeldOutEvery}: one in {HeldOutEvery} is held out to measure accuracy."
            );
        var order = CounterRandom.Permutation(examples.Length, options.Seed);
        var held = Math.Min(ValidationTexts, examples.Length / HeldOutEvery);
        LabeledTokens[] Pick(IEnumerable<int> indices) => [.. indices.Select(i => examples[i])];

        using var model = PretrainedModels.CreateSequenceClassifier(body, train.Labels, options.Seed);
        tokenizer.CheckFits(model.VocabularySize);
        var frame = new InputFrame(tokenizer.SpecialTokens, tokenizer.Surround);
        var clock = System.Diagnostics.Stopwatch.StartNew();
        ClassifierTrainer.Train(
            model,
            Pick(order.Skip(held)),
            Pick(order.Take(held)),
            options,
            frame,
            output + ".state",
            p => TrainingOptions.Print(p, "held-out accuracy"),
            cancellation
        );
        PretrainedModels.Save(output, model, ScalarType.BFloat16);
        ModelFolder.Complete(output, body);
        LabeledTokens[] Encode(Func<string, string> cut) =>
            [.. test.Texts.Select(text => new LabeledTokens(tokenizer.Encode(cut(text.Text)), text.Label))];
        var whole = ClassifierTrainer.Accuracy(model, Encode(text => text), options.BlockSize, frame);
        var snippets = ClassifierTrainer.Accuracy(
            model,
            Encode(text => string.Join(' ', text.Split(' ').Take(SnippetWords))),
            options.BlockSize,
            frame
        );
        Console.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"test accuracy {whole:F4} on {test.Texts.Count} whole texts, {snippets:F4} on their first {SnippetWords} words; {clock.Elapsed.TotalMinutes:F1} minutes; saved in {output}"
            )
        );
        return 0;
    }
}
