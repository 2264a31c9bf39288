using DfPO.Host.Tests.Commands;
using DfPO.Models.Tokenizers;

namespace DfPO.Host.Tests.EndToEnd;

/// <summary>What a user gets who starts a run with something that cannot work: one line with a code and a remedy, and no run.</summary>
public sealed class BadInputTests
{
    [Fact]
    public async Task A_tokenizer_with_more_tokens_than_the_model() =>
        await Refused(
            1,
            "tokenizer/mismatch",
            experiment => Gpt2TokenizerFiles.Cut(Repository.Gpt2Tokenizer, experiment.At("policy"), 400),
            "has 400 tokens",
            "has 320 rows"
        );

    [Fact]
    public async Task A_file_of_prompts_without_a_prompt() =>
        await Refused(
            1,
            "prompts/empty",
            experiment => File.WriteAllText(experiment.At("validation.jsonl"), "\n"),
            "validation.jsonl",
            "at least one line"
        );

    [Fact]
    public async Task A_checkpoint_that_is_cut_off() =>
        await Refused(
            1,
            "checkpoint/corrupt",
            experiment =>
            {
                using var weights = File.OpenWrite(Path.Combine(experiment.At("policy"), "model.safetensors"));
                weights.SetLength(weights.Length / 2);
            },
            "model.safetensors"
        );

    [Fact]
    public async Task A_checkpoint_without_weights() =>
        await Refused(
            1,
            "checkpoint/missing-file",
            experiment => File.Delete(Path.Combine(experiment.At("reward"), "model.safetensors")),
            "model.safetensors"
        );

    [Fact]
    public async Task A_model_of_an_unknown_type() =>
        await Refused(
            1,
            "model/unknown-type",
            experiment =>
            {
                var path = Path.Combine(experiment.At("policy"), "config.json");
                File.WriteAllText(path, File.ReadAllText(path).Replace("\"gpt2\"", "\"mamba\"", StringComparison.Ordinal));
            },
            "'mamba'",
            "'gpt2'"
        );

    [Theory]
    [InlineData("learner.minibatch-size=3", "config/batch", "set one of 1, 2, 4, 8")]
    [InlineData("model.policy=nowhere", "config/path", "'model.policy'")]
    [InlineData("rollout.unitsize=2", "config/unknown-key", "'rollout.unit-size'")]
    public async Task A_setting_that_cannot_be(string setting, string code, string remedy) =>
        await Refused(2, code, _ => { }, [remedy], "--set", setting);

    private static Task Refused(int exitCode, string code, Action<TinyExperiment> spoil, params string[] words) =>
        Refused(exitCode, code, spoil, words, []);

    private static async Task Refused(int exitCode, string code, Action<TinyExperiment> spoil, string[] words, params string[] more)
    {
        using var experiment = new TinyExperiment();
        spoil(experiment);
        var (exit, _, errors) = await DfpoProcess.Run(experiment.Run(more));
        Assert.Equal(exitCode, exit);
        Assert.Empty(experiment.Iterations);
        var line = Assert.Single(errors.Split('\n'), line => line.EndsWith($"[{code}]", StringComparison.Ordinal));
        Assert.All(words, word => Assert.Contains(word, line));
        Assert.DoesNotContain("   at ", errors);
    }
}
