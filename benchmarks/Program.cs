using System.CommandLine;
using DfPO.Benchmarks;

if (args is [WeightsPeer.Argument])
    return WeightsPeer.Serve(Console.In, Console.Out);
var only = new Option<string[]>("--only")
{
    Description =
        "Parts to run: limits, prefill, decode, masked, scoring, training, orchestration; all of these when not given. Only when named: iteration, architectures, adapters, weights, messages, scaling, faults.",
    AllowMultipleArgumentsPerToken = true,
};
var batch = new Option<int[]>("--batch")
{
    Description = "Batch sizes of prefill and decode.",
    AllowMultipleArgumentsPerToken = true,
    DefaultValueFactory = _ => [1, 16, 64],
};
var dtype = new Option<string[]>("--dtype")
{
    Description = "float32 and bfloat16, or one of them.",
    AllowMultipleArgumentsPerToken = true,
    DefaultValueFactory = _ => ["float32", "bfloat16"],
};
var checkpoint = new Option<string?>("--checkpoint")
{
    Description = "Checkpoint folder to measure beside the 124M GPT-2; models/imdb-tiny/policy when that exists.",
};
var trials = new Option<int>("--trials") { Description = "Runs of each measurement; their median counts.", DefaultValueFactory = _ => 5 };
var rounds = new Option<int>("--rounds") { Description = "Rounds of --only faults.", DefaultValueFactory = _ => 20 };
var seed = new Option<int>("--seed") { Description = "Seed of the dice of --only faults.", DefaultValueFactory = _ => 1 };
var json = new Option<string?>("--json") { Description = "File that receives the figures; those of other parts in it stay." };
var vs = new Option<string?>("--vs")
{
    Description = "File of --json to compare with: prints ratios, and ends with 1 if something got slower by more than 5 %.",
};
var command = new RootCommand("Measures generation, scoring and training, beside the limits of this machine measured in the same run.")
{
    only,
    batch,
    dtype,
    checkpoint,
    trials,
    rounds,
    seed,
    json,
    vs,
};
command.SetAction(arguments =>
    BenchmarkRun.Execute(
        new BenchmarkOptions(
            arguments.GetValue(only) ?? [],
            arguments.GetValue(batch)!,
            arguments.GetValue(dtype)!,
            arguments.GetValue(checkpoint),
            arguments.GetValue(trials),
            arguments.GetValue(rounds),
            arguments.GetValue(seed),
            arguments.GetValue(json),
            arguments.GetValue(vs)
        )
    )
);
return command.Parse(args).Invoke();
