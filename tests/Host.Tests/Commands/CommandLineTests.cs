using DfPO.Host.Commands;

namespace DfPO.Host.Tests.Commands;

public sealed class CommandLineTests : IDisposable
{
    private static readonly string[] s_models =
    [
        "--set",
        $"model.policy={Repository.Path("tests/fixtures/gpt2")}",
        "--set",
        $"task.reward-model={Repository.Path("tests/fixtures/gpt2")}",
    ];
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("run --port 70000", "must be between 0 and 65535")]
    [InlineData("run --local-workers -1", "must be at least 0")]
    [InlineData("run a.conf b.conf", "b.conf")]
    [InlineData("worker", "--join")]
    [InlineData("worker --join here", "must be host:port")]
    [InlineData("worker --join a:1 --role learner", "learner")]
    [InlineData("generate x --policy pi", "pi")]
    [InlineData("generate x --batch-size 0", "must be at least 1")]
    [InlineData("eval x", "--reference")]
    [InlineData("eval", "--compare")]
    [InlineData("eval --compare a", "--compare")]
    [InlineData("eval x --experiment e.conf --tolerance 0,x", "'x' must be a number of at least 0")]
    [InlineData("eval x --experiment e.conf --policies pi_theta,pi", "'pi' must be one of pi_theta, pi-, pi+")]
    [InlineData("generate x --tolerance 0,1", "takes one value here")]
    [InlineData("export x", "output")]
    [InlineData("models pull", "model")]
    [InlineData("serve", "model")]
    [InlineData("serve x --host here", "must be an IP address")]
    [InlineData("serve x --port 70000", "must be between 0 and 65535")]
    [InlineData("train-reward --base b --output o", "Give one of --train")]
    [InlineData("train-reward --base b --output o --train t --pairs p", "Give one of --train")]
    [InlineData("data pull", "dataset")]
    [InlineData("data pull a/b --parquet --revision v1", "not both")]
    [InlineData("fly", "fly")]
    public void A_wrong_command_line_is_refused(string line, string message) =>
        Assert.Contains(CommandLine.Root().Parse(line).Errors, error => error.Message.Contains(message));

    [Theory]
    [InlineData("")]
    [InlineData(
        "run --set iterations=3 --set learner.gamma=1 --resume runs/x --json --quiet --host 10.0.0.1 --port 1 --bulk-port 2 --local-workers 0"
    )]
    [InlineData("certs --out x --name a --name b --role learner --host 10.0.0.1 --host node.example --days 9 --new-ca")]
    [InlineData("worker --join 10.0.0.1:4053 --role reward --devices cuda:0,cuda:1 --host 10.0.0.2 --port 0 --threads 2")]
    [InlineData(
        "generate x --prompt a --prompt b --reference y --policy negative --temperature 0.7 --top-k 5 --top-p 0.9 --max-new-tokens 9 --min-new-tokens 2 --seed 3 --dtype bfloat16 --device cuda:0 --json"
    )]
    [InlineData("eval x --experiment e.conf --split validation --limit 9 --samples-per-prompt 3 --metrics diversity toxicity")]
    [InlineData("eval --compare a b")]
    [InlineData("eval --compare a,b,c d,e")]
    [InlineData("eval x --experiment e.conf --tolerance 0,0.1 0.4 --mask-rule kl-centred --policies pi_theta,pi-")]
    [InlineData("generate x --policy pi- --tolerance 0.2")]
    [InlineData("train-seq2seq --data d --format common-gen --tokenizer t --vocab-size 400 --output o --steps 3")]
    [InlineData(
        "eval x --reference y --prompts p.jsonl --reward-model r --reward-label pos --policies policy negative --samples 2 --output o.jsonl --json"
    )]
    [InlineData("export runs/x out --dtype bfloat16")]
    [InlineData("models pull org/name --revision v1 --quiet")]
    [InlineData("serve runs/x --port 0 --host 0.0.0.0 --name my-model --concurrency 8 --queue 9 --max-tokens 64 --request-seconds 5")]
    [InlineData("train-reward --pairs p.jsonl --base b --output o --center-rewards 0.01 --template t --test q.jsonl --test-limit 0")]
    [InlineData("data pull org/name --parquet --include default/train --include default/test --quiet")]
    [InlineData("models push folder org/name --revision main --private")]
    [InlineData("models list --json")]
    public void A_right_command_line_is_understood(string line) => Assert.Empty(CommandLine.Root().Parse(line).Errors);

    [Fact]
    public async Task A_plan_tells_sizes_steps_and_memory_without_weights()
    {
        var (code, output, errors) = await DfpoProcess.Run(
            [
                "plan",
                "--set",
                "learner.preset=dfpo-iclr",
                "--set",
                "iterations=10",
                "--set",
                "rollout.prompts-per-iteration=16",
                "--set",
                "rollout.unit-size=8",
                "--set",
                "learner.epochs=5",
                .. s_models,
            ]
        );
        Assert.Equal((0, ""), (code, errors));
        string Line(string what) =>
            output.Split('\n').Single(line => line.StartsWith(what, StringComparison.Ordinal))[what.Length..].Trim();
        Assert.Equal("32 (16 x 2 masked policies)", Line("sequences an iteration"));
        Assert.Equal("4 of 8 continuations", Line("work units an iteration"));
        Assert.Equal("2 of 16 sequences", Line("minibatches an epoch"));
        Assert.Equal("10 (5 epochs)", Line("optimiser steps an iteration"));
        Assert.Equal("100", Line("optimiser steps in all"));
        Assert.Equal("1024", Line("tokens generated an iteration, at most"));
        Assert.Contains("behaviour = masked", output);
        Assert.Contains("total", output);
    }

    [Fact]
    public async Task A_bad_configuration_ends_with_code_2_and_one_line_on_stderr()
    {
        var (code, output, errors) = await DfpoProcess.Run([
            "run",
            "--set",
            "learner.learning-rat=1",
            "--runs-dir",
            _folder.Path,
            .. s_models,
        ]);
        Assert.Equal((2, ""), (code, output));
        Assert.Equal(
            "dfpo: --set learner.learning-rat=1: key 'learner.learning-rat' is not known; the nearest known key is 'learner.learning-rate'. [config/unknown-key]",
            errors.Trim()
        );
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public async Task The_environment_is_heard()
    {
        var (code, output, _) = await DfpoProcess.Run(["plan", .. s_models], environment: new() { ["DFPO__ITERATIONS"] = "123" });
        Assert.Equal(0, code);
        Assert.Contains("\niterations = 123\n", output);
    }

    [Theory]
    [InlineData("fly", "dfpo: see 'dfpo --help'.")]
    [InlineData("run missing.conf", "config/missing-file")]
    [InlineData("run --resume .", "config/resume")]
    [InlineData("run a.conf --resume b", "usage/resume")]
    [InlineData("worker --join a:1 --device cpu --devices cpu", "usage/device")]
    [InlineData("generate x", "usage/prompts")]
    [InlineData("generate x --prompt a --file b", "usage/prompts")]
    [InlineData("generate x --prompt a --policy negative", "usage/reference")]
    [InlineData("generate x --prompt a --top-p 2", "generation/options")]
    public async Task Usage_errors_end_with_code_2(string line, string message)
    {
        var (code, output, errors) = await DfpoProcess.Run(line.Split(' '));
        Assert.Equal((2, ""), (code, output));
        Assert.Contains(message, errors);
    }

    [Fact]
    public async Task A_failure_ends_with_code_1()
    {
        var (code, output, errors) = await DfpoProcess.Run(["generate", _folder["nowhere"], "--prompt", "a"]);
        Assert.Equal((1, ""), (code, output));
        Assert.Contains("[tokenizer/missing]", errors);
    }

    [Fact]
    public async Task Help_lists_the_commands()
    {
        var (code, output, _) = await DfpoProcess.Run(["--help"]);
        Assert.Equal(0, code);
        Assert.All(["run", "plan", "worker", "generate", "serve", "eval", "train-lm", "train-reward", "certs"], command =>
            Assert.Contains($"  {command} ", output)
        );
    }
}
