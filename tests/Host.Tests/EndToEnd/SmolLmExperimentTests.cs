using System.Collections;
using System.Text.Json.Nodes;
using DfPO.Actors.Configuration;
using DfPO.Host.Configuration;
using DfPO.Host.Runs;
using DfPO.Host.Tests.Commands;
using DfPO.Tasks.Prompts;

namespace DfPO.Host.Tests.EndToEnd;

/// <summary>The experiments on a real model, with a tiny one in its place and a few words in the place of its data.</summary>
[Collection(WholeProcesses.Name)]
public sealed class SmolLmExperimentTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string> Files =>
        [
            .. Directory
                .GetFiles(Repository.Path("hocon/experiments"), "*-smollm2*.conf")
                .Select(path => Path.GetFileNameWithoutExtension(path)),
        ];

    [Theory]
    [MemberData(nameof(Files))]
    public void An_experiment_is_whole_with_adapters_and_with_all_weights(string name)
    {
        foreach (var further in new[] { Array.Empty<string>(), ["model.lora.rank=0", "learner.learning-rate=5e-5"] })
        {
            var config = ExperimentValidation.Checked(Bound(name, [.. StandIns(), .. further]));
            Assert.Equal(further.Length == 0 ? 16 : 0, config.Model.Lora.Rank);
            // All of them draw as many continuations, or learn from as many texts.
            Assert.Equal(32, BatchArithmetic.Of(config).Sequences);
        }
    }

    [Theory]
    [InlineData("imdb-smollm2")]
    [InlineData("chat-smollm2")]
    public async Task An_experiment_runs_on_a_stand_in(string name)
    {
        var (exit, output, errors) = await DfpoProcess.Run([
            "run",
            Repository.Path($"hocon/experiments/{name}.conf"),
            "--runs-dir",
            _folder["runs"],
            "--port",
            "0",
            .. StandIns().Concat(Small()).SelectMany(setting => new[] { "--set", setting }),
        ]);
        Assert.True(exit == 0, $"exit code {exit}\n{output}\n{errors}");
        var run = Directory.GetDirectories(_folder["runs"]).Single();
        var result = JsonNode.Parse(File.ReadAllText(Path.Combine(run, "result.json")))!;
        Assert.InRange((double)result["before"]!["reward"]!, 0, 1);
        Assert.True(File.Exists(Path.Combine(RunFolder.Open(run).BestPolicy(), "adapter_config.json")));
    }

    [Fact]
    public void A_subject_of_the_instructions_is_in_one_split_and_no_text_is_in_two()
    {
        var splits = new[] { "train", "validation", "test" }
            .Select(split => PromptSet.Read(Repository.Path($"models/chat-instructions/{split}.jsonl")).Prompts)
            .ToArray();
        Assert.Equal([250, 42, 73], splits.Select(split => split.Count));
        Assert.All(splits.SelectMany(split => split), prompt => Assert.NotNull(prompt.Messages));
        Assert.Equal(365, splits.SelectMany(split => split).Select(prompt => prompt.Text).Distinct().Count());
        string[][] subjects =
        [
            .. splits.Select(split => split.Select(prompt => prompt.Id[..prompt.Id.LastIndexOf('-')]).Distinct().ToArray()),
        ];
        Assert.Equal(subjects.Sum(split => split.Length), subjects.SelectMany(split => split).Distinct().Count());
    }

    private static ExperimentConfig Bound(string name, string[] settings) =>
        ExperimentFile.Bind(Repository.Path($"hocon/experiments/{name}.conf"), settings, new Hashtable(), path =>
            Path.GetFullPath(path, Repository.Root)
        );

    private string[] StandIns()
    {
        if (!Directory.Exists(_folder["policy"]))
        {
            TinyModels.Policy(_folder["policy"], 1);
            _folder.Write("policy/chat_template.jinja", "{% for m in messages %}{{ m.content }}{% endfor %}");
            TinyModels.Classifier(_folder["judge"], 2);
            var reviews = Enumerable.Range(0, 20).Select(i => $"the film was a story of {i} men and the end of it was sad,{i % 2}\n");
            _folder.Write("reviews.csv", "text,label\n" + string.Concat(reviews));
        }
        return
        [
            $"model.policy={_folder["policy"]}",
            $"task.reward-model={_folder["judge"]}",
            $"task.data.path={_folder["reviews.csv"]}",
            $"evaluation.perplexity-model={_folder["policy"]}",
        ];
    }

    private static string[] Small() =>
        [
            "iterations=1",
            "task.max-prompt-tokens=16",
            "task.validation-limit=2",
            "task.test-limit=2",
            "rollout.threads=1",
            "rollout.prompts-per-iteration=2",
            "rollout.unit-size=16",
            "learner.minibatch-size=16",
            "rollout.generation.max-new-tokens=6",
            "rollout.generation.min-new-tokens=1",
            "evaluation.test-samples-per-prompt=1",
            "model.lora.rank=2",
        ];
}
