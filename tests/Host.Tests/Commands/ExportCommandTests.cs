using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Actors.Experiments;
using DfPO.Models;
using DfPO.Models.Checkpoints;
using DfPO.Models.Tokenizers;
using TorchSharp;

namespace DfPO.Host.Tests.Commands;

public sealed class ExportCommandTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("float32", "F32")]
    [InlineData("bfloat16", "BF16")]
    [InlineData("float16", "F16")]
    public async Task A_checkpoint_is_written_in_the_dtype_asked_for_with_its_tokenizer(string dtype, string name)
    {
        var source = TinyModels.Policy(_folder["policy"], 1);
        _folder.Write("policy/generation_config.json", "{\"eos_token_id\": 319}");

        var (code, output, errors) = await DfpoProcess.Run(["export", source, _folder["out"], "--dtype", dtype]);

        Assert.Equal((0, _folder["out"], ""), (code, output.TrimEnd(), errors));
        Assert.Equal(
            [
                "README.md",
                "config.json",
                "generation_config.json",
                "merges.txt",
                "model.safetensors",
                "special_tokens_map.json",
                "tokenizer.json",
                "tokenizer_config.json",
                "vocab.json",
            ],
            Directory.GetFiles(_folder["out"]).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)
        );
        var config = JsonNode.Parse(File.ReadAllText(_folder["out/config.json"]))!;
        Assert.Equal(
            ("GPT2LMHeadModel", "gpt2", dtype),
            ((string?)config["architectures"]![0], (string?)config["model_type"], (string?)config["torch_dtype"])
        );
        using (var weights = CheckpointFolder.Open(_folder["out"]))
            Assert.All(weights.Names, tensor => Assert.Equal(name, weights.Entry(tensor).Dtype));
        Assert.Equal(320, TextTokenizer.Load(_folder["out"]).VocabularySize);
        using var before = PretrainedModels.LoadCausalLM(source);
        using var after = PretrainedModels.LoadCausalLM(_folder["out"]);
        foreach (var ((_, a), (_, b)) in before.named_parameters().Zip(after.named_parameters()))
            Assert.True(torch.allclose(a, b, rtol: 0.01));
        Assert.False(Directory.Exists(_folder["out.partial"]));
    }

    [Fact]
    public async Task As_gguf_it_is_one_file_that_stands_for_the_checkpoint_and_goes_back_into_a_folder()
    {
        var source = TinyModels.Policy(_folder["policy"], 1);
        _folder.Write("policy/chat_template.jinja", "{{ messages[0].content }}{{ eos_token }}");

        var (code, output, errors) = await DfpoProcess.Run(["export", source, _folder["out.gguf"], "--format", "gguf"]);

        Assert.Equal((0, _folder["out.gguf"], ""), (code, output.TrimEnd(), errors));
        Assert.False(File.Exists(_folder["out.partial.gguf"]));
        Assert.Equal(0, (await DfpoProcess.Run(["export", _folder["out.gguf"], _folder["again"]])).ExitCode);
        Assert.Equal("{{ messages[0].content }}{{ eos_token }}", File.ReadAllText(_folder["again/chat_template.jinja"]));
        using var before = PretrainedModels.LoadCausalLM(source);
        using var after = PretrainedModels.LoadCausalLM(_folder["again"]);
        foreach (var ((name, a), (_, b)) in before.named_parameters().Zip(after.named_parameters()))
            Assert.True(torch.allclose(a, b), name);
        Assert.Equal(TextTokenizer.Load(source).Encode("a film"), TextTokenizer.Load(_folder["again"]).Encode("a film"));
        string[] generate = ["--chat", "--prompt", "a film", "--max-new-tokens", "4", "--json"];
        var (_, first, _) = await DfpoProcess.Run(["generate", source, .. generate]);
        var (_, second, _) = await DfpoProcess.Run(["generate", _folder["out.gguf"], .. generate]);
        Assert.Contains("\"prompt\":\"a film<|endoftext|>\"", first);
        Assert.Equal(first, second);
        Assert.Contains("usage/output", (await DfpoProcess.Run(["export", source, _folder["out.gguf"], "--format", "gguf"])).Errors);
        Assert.Contains("usage/format", (await DfpoProcess.Run(["export", source, _folder["x"], "--format", "onnx"])).Errors);
    }

    [Fact]
    public async Task A_classifier_stays_one()
    {
        Directory.CreateDirectory(_folder["out"]);

        Assert.Equal(0, (await DfpoProcess.Run(["export", TinyModels.Classifier(_folder["reward"], 1), _folder["out"]])).ExitCode);

        Assert.Equal(["neg", "pos"], PretrainedModels.ReadLabels(_folder["out"]));
        using var model = PretrainedModels.LoadSequenceClassifier(_folder["out"]);
        Assert.Equal(2, model.Labels.Count);
    }

    [Fact]
    public async Task Of_a_run_the_best_policy_is_written()
    {
        _folder.Write("run/experiment.conf", "");
        var (code, _, errors) = await DfpoProcess.Run(["export", _folder["run"], _folder["out"]]);
        Assert.Equal(1, code);
        Assert.Contains("run/no-policy", errors);

        foreach (var iteration in new[] { 2, 3 })
            TinyModels.Policy(_folder[$"run/best/iteration-{iteration:D5}"], (ulong)iteration);
        Directory.CreateDirectory(_folder["run/checkpoints/iteration-00004"]);
        _folder.Write(
            "run/checkpoints/iteration-00004.json",
            JsonSerializer.Serialize(
                new
                {
                    Iteration = 4,
                    ValidatedIteration = 4,
                    BestIteration = 2,
                    BestScore = 0.5,
                    Before = (object?)null,
                }
            )
        );
        Assert.Equal(2, new RunCheckpoints(_folder["run"]).Newest()!.BestIteration);
        (code, _, errors) = await DfpoProcess.Run(["export", _folder["run"], _folder["out"]]);

        Assert.Equal((0, ""), (code, errors));
        Assert.Equal(
            File.ReadAllBytes(_folder["run/best/iteration-00002/model.safetensors"]),
            File.ReadAllBytes(_folder["out/model.safetensors"])
        );
    }

    [Fact]
    public async Task What_cannot_be_exported_leaves_nothing_behind()
    {
        var source = TinyModels.Policy(_folder["policy"], 1);
        File.Delete(_folder["policy/merges.txt"]);
        File.Delete(_folder["policy/vocab.json"]);
        var (code, _, errors) = await DfpoProcess.Run(["export", source, _folder["out"]]);
        Assert.Equal(1, code);
        Assert.Contains("tokenizer/missing", errors);
        Assert.Equal([_folder["policy"]], Directory.GetFileSystemEntries(_folder.Path));

        (code, _, errors) = await DfpoProcess.Run(["export", source, source]);
        Assert.Equal(2, code);
        Assert.Contains("usage/output", errors);
    }
}
