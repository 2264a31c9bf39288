using System.CommandLine;
using System.Text.Json.Nodes;
using DfPO.Host.Runs;
using DfPO.Models;
using DfPO.Models.Devices;
using DfPO.Models.Gguf;
using DfPO.Models.Lora;
using static TorchSharp.torch;

namespace DfPO.Host.Commands;

/// <summary><c>export</c>: writes a checkpoint as a folder that HF's transformers loads.</summary>
internal static class ExportCommand
{
    public static Command Create()
    {
        var source = new Argument<string>("source") { Description = "A checkpoint folder, or a run's folder: its best policy." };
        var output = new Argument<string>("output")
        {
            Description =
                "Folder to write; it must be absent or empty. With --format gguf a file that ends with .gguf and is not there yet.",
        };
        var dtype = Options.Of(
            "--dtype",
            "Data type of the weights: float32, bfloat16 or float16; with --format gguf also q8_0.",
            "float32"
        );
        var format = Options.Of(
            "--format",
            "checkpoint: a folder for transformers; gguf: one file for llama.cpp, an adapter merged into its base.",
            "checkpoint"
        );
        var merge = new Option<bool>("--merge")
        {
            Description = "Of an adapter, write its base with the adapter in it instead of the adapter.",
        };
        var command = new Command(
            "export",
            """
            Write a model and its tokenizer as a folder that transformers loads with from_pretrained. Examples:
              dfpo export runs/NAME my-policy --dtype bfloat16
              dfpo export runs/NAME my-policy --merge
              dfpo export models/imdb-tiny/reward my-reward
              dfpo export runs/NAME my-policy.gguf --format gguf --dtype q8_0
            A GGUF file is read back and compared with the model before it is kept: logits, token ids and chat template.
            """
        )
        {
            source,
            output,
            dtype,
            format,
            merge,
        };
        command.SetAction(
            (result, _) =>
                Task.Run(() =>
                    result.GetValue(format) switch
                    {
                        "checkpoint" => Run(
                            result.GetValue(source)!,
                            result.GetValue(output)!,
                            TorchDevices.ParseDtype(result.GetValue(dtype)!),
                            result.GetValue(merge)
                        ),
                        "gguf" => WriteGguf(
                            result.GetValue(source)!,
                            result.GetValue(output)!,
                            GgufExport.ParseType(result.GetValue(dtype)!)
                        ),
                        var other => throw new DfpoException("usage/format", $"--format '{other}' is not known: give checkpoint or gguf."),
                    }
                )
        );
        return command;
    }

    private static int WriteGguf(string source, string output, GgmlType type)
    {
        if (!output.EndsWith(GgufModel.Extension, StringComparison.OrdinalIgnoreCase))
            throw new DfpoException("usage/output", $"'{output}' does not end with {GgufModel.Extension}: --format gguf writes one file.");
        if (Path.Exists(output))
            throw new DfpoException("usage/output", $"'{output}' is there already: give a file that is not.");
        if (Path.GetDirectoryName(Path.GetFullPath(output)) is { } folder)
            Directory.CreateDirectory(folder);
        var partial = output[..^GgufModel.Extension.Length] + ".partial" + GgufModel.Extension;
        try
        {
            GgufExport.Write(Checkpoint(source), partial, type);
            File.Move(partial, output);
        }
        finally
        {
            File.Delete(partial);
        }
        Console.WriteLine(output);
        return 0;
    }

    private static string Checkpoint(string source) => RunFolder.IsOne(source) ? RunFolder.Open(source).BestPolicy() : source;

    private static int Run(string source, string output, ScalarType dtype, bool merge)
    {
        OutputFolder.RequireFree(output);
        var checkpoint = Checkpoint(source);
        OutputFolder.Write(output, partial =>
        {
            if (AdapterFolder.IsOne(checkpoint) && !merge)
                AdapterFolder.Copy(checkpoint, partial);
            else
                using (var model = Load(checkpoint, dtype))
                    PretrainedModels.Save(partial, model, dtype);
            ModelFolder.Complete(partial, checkpoint);
        });
        Console.WriteLine(output);
        return 0;
    }

    /// <summary>A classifier where the folder says so, else a language model.</summary>
    private static nn.Module Load(string folder, ScalarType dtype)
    {
        var path = Path.Combine(folder, "config.json");
        var classifies =
            File.Exists(path)
            && HfConfigReader.ReadFile(path)["architectures"] is JsonArray { Count: > 0 } architectures
            && architectures[0]?.ToString().EndsWith("ForSequenceClassification", StringComparison.Ordinal) == true;
        return classifies
            ? PretrainedModels.LoadSequenceClassifier(folder, dtype: dtype)
            : PretrainedModels.LoadLanguageModel(folder, dtype: dtype);
    }
}
