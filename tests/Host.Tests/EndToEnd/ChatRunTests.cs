using System.Text.Json.Nodes;
using DfPO.Host.Tests.Commands;
using DfPO.Models;
using DfPO.Models.Gpt2;
using DfPO.Models.Tokenizers;
using static TorchSharp.torch;

namespace DfPO.Host.Tests.EndToEnd;

/// <summary>Runs on conversations with a small chat model.</summary>
public sealed class ChatRunTests
{
    private const string Question = "Was it good?";
    private static readonly string[] s_messages = ["--set", "task.max-prompt-tokens=48", "--set", "rollout.generation.max-new-tokens=8"];

    [Fact]
    public async Task A_policy_learns_to_answer_and_to_end_its_turn()
    {
        using var experiment = Conversations();

        await experiment.RunToEnd([
            .. s_messages,
            "--set",
            "learner.preset=supervised",
            "--set",
            "iterations=12",
            "--set",
            "learner.learning-rate=0.02",
            "--set",
            "learner.warmup-steps=0",
            "--set",
            "evaluation.every=12",
        ]);

        var (code, output, errors) = await DfpoProcess.Run([
            "generate",
            experiment.RunFolders.Single(),
            "--policy",
            "pi_theta",
            "--chat",
            "--prompt",
            Question,
            "--top-k",
            "1",
            "--max-new-tokens",
            "8",
            "--json",
        ]);
        Assert.True(code == 0, errors);
        var line = JsonNode.Parse(output)!;
        var tokenizer = TextTokenizer.Load(experiment.At("policy"));
        Assert.Equal("Yes", line["continuation"]!.ToString());
        Assert.Equal(tokenizer.Encode("Yes").Length + 1, (int)line["tokens"]!);
    }

    [Fact]
    public async Task A_run_rewards_answers_that_end_with_their_turn()
    {
        using var experiment = Conversations();
        var tokenizer = TextTokenizer.Load(experiment.At("policy"));
        // A policy that says nothing but the end of its turn.
        using (var model = (Gpt2LMHeadModel)PretrainedModels.LoadLanguageModel(experiment.At("policy")))
        {
            using var _ = no_grad();
            model.get_parameter("transformer.ln_f.weight")!.zero_();
            model.get_parameter("transformer.ln_f.bias")!.fill_(1f);
            model.get_parameter("transformer.wte.weight")!.zero_();
            model.get_parameter("transformer.wte.weight")![tokenizer.EosTokenId].fill_(10f);
            PretrainedModels.Save(experiment.At("policy"), model, ScalarType.Float32);
        }

        await experiment.RunToEnd([.. s_messages, "--set", "iterations=1"]);

        var samples = File.ReadLines(Path.Combine(experiment.RunFolders.Single(), "samples.jsonl"))
            .Select(line => JsonNode.Parse(line)!)
            .ToArray();
        Assert.NotEmpty(samples);
        Assert.All(samples, sample => Assert.Equal("", sample["continuation"]!.ToString()));
        Assert.All(samples, sample => Assert.EndsWith("<|im_start|>assistant\n", sample["prompt"]!.ToString()));
    }

    /// <summary>
    /// The tiny experiment with a chat model's tokenizer and template, and questions that are always answered in the same way.
    /// </summary>
    private static TinyExperiment Conversations()
    {
        var experiment = new TinyExperiment();
        var policy = experiment.At("policy");
        Directory.Delete(policy, recursive: true);
        Directory.CreateDirectory(policy);
        foreach (var name in new[] { "tokenizer.json", "tokenizer_config.json" })
            File.Copy(Repository.Path($"tests/tokenizers/hf/smollm/{name}"), Path.Combine(policy, name));
        File.Copy(Repository.Path("tests/chat/chatml_default/chat_template.jinja"), Path.Combine(policy, "chat_template.jinja"));
        var tokenizer = TextTokenizer.Load(policy);
        using (
            var model = new Gpt2LMHeadModel(
                TinyModels.Config with
                {
                    VocabSize = tokenizer.VocabularySize,
                    EosTokenId = tokenizer.EosTokenId,
                    InitializerRange = 0.05,
                }
            )
        )
        {
            model.Initialise(1);
            PretrainedModels.Save(policy, model, ScalarType.Float32);
        }
        foreach (var (split, count) in new[] { ("train", 24), ("validation", 4), ("test", 4) })
            File.WriteAllLines(
                experiment.At($"{split}.jsonl"),
                Enumerable
                    .Range(0, count)
                    .Select(i =>
                        $$"""{"id": "{{split}}-{{i}}", "messages": [{"role": "user", "content": "{{Question}}{{new string(' ', i % 3)}}"}], "references": ["Yes"]}"""
                    )
            );
        return experiment;
    }
}
