using System.CommandLine;
using DfPO.Host.Configuration;
using DfPO.Host.Planning;

namespace DfPO.Host.Commands;

/// <summary><c>plan</c>: what an experiment would do, without loading weights.</summary>
internal static class PlanCommand
{
    public static Command Create()
    {
        var experiment = new Argument<string>("experiment") { Description = "HOCON file of the experiment.", DefaultValueFactory = _ => ExperimentFile.Default };
        var settings = Options.Settings();
        var command = new Command("plan", """
            Print an experiment's resolved configuration, batch arithmetic, schedule and memory estimate without loading weights. Example:
              dfpo plan hocon/experiments/imdb-dfpo.conf --set rollout.prompts-per-iteration=64
            """) { experiment, settings };
        command.SetAction(result => Console.Write(ExperimentPlan.Write(ExperimentFile.Load(result.GetValue(experiment)!, result.GetValue(settings)))));
        return command;
    }
}
