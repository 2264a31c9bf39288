using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using DfPO.Host.Configuration;
using DfPO.Learner.Supervised;
using DfPO.Models;
using DfPO.Models.T5;
using DfPO.Models.Tokenizers;
using DfPO.Tasks.Datasets;
using static TorchSharp.torch;

namespace DfPO.Host.Commands;

/// <summary><c>train-seq2seq</c>: a T5 on prompts and their references, from scratch or from a checkpoint.</summary>
internal static class TrainSeq2SeqCommand
{
    private static readonly DatasetFormat[] s_formats = Enum.GetValues<DatasetFormat>();

    public static Command Create()
    {
        var data = Options.Required<string>("--data", "Training data: prompts with references, in the form that --format names.");
        var format = Options.Of("--format", "Form of the data.", "prompts");
        format.AcceptOnlyFromAmong([.. s_formats.Select(value => Kebab.Of(value.ToString()))]);
        var heldOut = Options.Optional<string>(
            "--held-out",
            "Held-out data of the same form; without it the validation split of --data, which --format prompts has not."
        );
        var tokenizer = Options.Optional<string>(
            "--tokenizer",
            "Folder with the tokenizer of a T5 from scratch: GPT-2's vocab.json and merges.txt, or T5's spiece.model."
        );
        var start = Options.Optional<string>("--base", "Checkpoint folder of a T5 to go on from, instead of --tokenizer and a shape.");
        var output = Options.Required<string>("--output", "Checkpoint folder to write; its state is resumed from <output>.state.");
        var vocabulary = Options.Of("--vocab-size", "Tokens kept of GPT-2's tokenizer; 0 keeps all.", 0);
        var layers = Options.Of("--layers", "Blocks of the encoder, and of the decoder.", 3);
        var width = Options.Of("--width", "Width of the residual stream.", 192);
        var heads = Options.Of("--heads", "Attention heads.", 4);
        var training = new TrainingOptions();
        var command = new Command(
            "train-seq2seq",
            """
            Train a T5 on prompts and their references. Example:
              dfpo train-seq2seq --data commongen/ --format common-gen --tokenizer gpt2/ --vocab-size 4096 --output my-t5 --steps 5000 --block-size 32 --bf16
            """
        )
        {
            data,
            format,
            heldOut,
            tokenizer,
            start,
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
                    {
                        var kind = s_formats.First(value => Kebab.Of(value.ToString()) == result.GetValue(format));
                        var target = result.GetValue(output)!;
                        var options = training.Read(result);
                        using var model = Build(
                            result.GetValue(start),
                            result.GetValue(tokenizer),
                            target,
                            result.GetValue(vocabulary),
                            (result.GetValue(layers), result.GetValue(width), result.GetValue(heads)),
                            options.Seed
                        );
                        return Run(
                            model,
                            new DatasetSpec
                            {
                                Path = result.GetValue(data)!,
                                Format = kind,
                                GroupConcepts = false,
                            },
                            result.GetValue(heldOut),
                            target,
                            options,
                            cancellation
                        );
                    },
                    CancellationToken.None
                )
        );
        return command;
    }

    private static T5ForConditionalGeneration Build(
        string? start,
        string? source,
        string output,
        int vocabulary,
        (int Layers, int Width, int Heads) shape,
        ulong seed
    )
    {
        if ((start is null) == (source is null))
            throw new DfpoException("usage/base", "Give either --tokenizer, to train from scratch, or --base, to go on from a checkpoint.");
        if (start is not null)
        {
            TokenizerFiles.Copy(start, output);
            return PretrainedModels.LoadLanguageModel(start) as T5ForConditionalGeneration
                ?? throw new DfpoException("model/kind", $"'{start}' holds no T5, which alone can be trained here.");
        }
        if (vocabulary > 0)
            Gpt2TokenizerFiles.Cut(source!, output, vocabulary);
        else
            TokenizerFiles.Copy(source!, output);
        if (shape.Layers < 1 || shape.Heads < 1 || shape.Width < 1 || shape.Width % shape.Heads != 0)
            throw new DfpoException(
                "train/options",
                $"A T5 of {shape.Layers} layers, width {shape.Width} and {shape.Heads} heads cannot be built: all must be at least 1, and the heads divide the width."
            );
        var tokenizer = TextTokenizer.Load(output);
        var model = new T5ForConditionalGeneration(
            new T5Config
            {
                VocabSize = tokenizer.VocabularySize,
                DModel = shape.Width,
                DKv = shape.Width / shape.Heads,
                DFf = 4 * shape.Width,
                NumHeads = shape.Heads,
                NumLayers = shape.Layers,
                NumDecoderLayers = shape.Layers,
                EosTokenId = tokenizer.EosTokenId,
                PadTokenId = tokenizer.PadTokenId,
                DecoderStartTokenId = tokenizer.PadTokenId,
            }
        );
        model.Initialise(seed);
        return model;
    }

    private static int Run(
        T5ForConditionalGeneration model,
        DatasetSpec data,
        string? heldOutPath,
        string output,
        SupervisedOptions options,
        CancellationToken cancellation
    )
    {
        if (heldOutPath is null && data.Format == DatasetFormat.Prompts)
            throw new DfpoException("usage/held-out", "A file of prompts has no validation split: name held-out prompts by --held-out.");
        var tokenizer = TextTokenizer.Load(output);
        tokenizer.CheckFits(model.VocabularySize);
        var endOfText = EndOfText.Of(model.Config, tokenizer);
        var train = Pairs(data, tokenizer, endOfText);
        var heldOut = Pairs(
            heldOutPath is null
                ? data with
                {
                    Split = DatasetSplit.Validation,
                }
                : data with
                {
                    Path = heldOutPath,
                    Split = DatasetSplit.Validation,
                },
            tokenizer,
            endOfText
        );
        Console.WriteLine(
            $"{train.Length} training pairs, {heldOut.Length} held out; vocabulary {tokenizer.VocabularySize}; {model.Config.ParameterCount} parameters"
        );
        var clock = Stopwatch.StartNew();
        Seq2SeqTrainer.Train(
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
        var loss = Seq2SeqTrainer.CrossEntropy(model, heldOut, options.BlockSize, options.BatchSize);
        Console.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"held-out perplexity {Math.Exp(loss):F2} per token; {clock.Elapsed.TotalMinutes:F1} minutes; saved in {output}"
            )
        );
        return 0;
    }

    private static SourceTarget[] Pairs(DatasetSpec spec, TextTokenizer tokenizer, EndOfText endOfText)
    {
        var prompts = PromptDataset.Load(spec).Prompts.Prompts;
        SourceTarget[] pairs =
        [
            .. prompts.SelectMany(prompt =>
                prompt.References.Select(reference => new SourceTarget(
                    tokenizer.EncodeInput(prompt.Text),
                    [.. tokenizer.Encode(reference), .. endOfText.Ids.Take(1)]
                ))
            ),
        ];
        return pairs.Length > 0
            ? pairs
            : throw new DfpoException(
                "train/data",
                $"'{spec.Path}' gives {prompts.Count} prompts, but none has a reference to learn from."
            );
    }
}
