using System.CommandLine;
using DfPO.Host.Configuration;
using DfPO.Host.Configuration.Reference;
using DfPO.Host.Planning;
using DfPO.Host.Telemetry;

namespace DfPO.Host.Commands;

/// <summary><c>plan</c>: what an experiment would do, without loading weights; and what its keys mean.</summary>
internal static class PlanCommand
{
    public static Command Create()
    {
        var experiment = new Argument<string?>("experiment")
        {
            Description = $"HOCON file of the experiment; without it {ExperimentFile.Default}.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var settings = Options.Settings();
        var explain = new Option<string?>("--explain")
        {
            Description = "Tell what one key or section means, its range and its default, instead.",
            HelpName = "KEY",
        };
        var reference = new Option<bool>("--reference") { Description = "Write the page of all keys (docs/configuration.md) instead." };
        var metrics = new Option<bool>("--metrics") { Description = "Write the page of all metrics (docs/metrics.md) instead." };
        var schema = new Option<bool>("--schema") { Description = "Write a JSON schema of all keys, for editors, instead." };
        var command = new Command(
            "plan",
            """
            Print an experiment's resolved configuration, batch arithmetic, schedule and memory estimate without loading weights. Examples:
              dfpo plan hocon/experiments/imdb-dfpo.conf --set rollout.prompts-per-iteration=64
              dfpo plan --explain learner.dfpo.tolerance
            """
        )
        {
            experiment,
            settings,
            explain,
            reference,
            metrics,
            schema,
        };
        command.SetAction(result =>
            Console.Write(
                result.GetValue(explain) is { } key ? KeyReference.Explain(key)
                : result.GetValue(reference) ? KeyReference.Page()
                : result.GetValue(metrics) ? MetricCatalog.Page()
                : result.GetValue(schema) ? KeySchema.Write()
                : ExperimentPlan.Write(
                    (
                        result.GetValue(experiment) is { } file
                            ? ExperimentFile.Load(file, result.GetValue(settings))
                            : ExperimentFile.LoadDefault(result.GetValue(settings))
                    )
                )
            )
        );
        return command;
    }
}
