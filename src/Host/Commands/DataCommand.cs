using System.CommandLine;
using DfPO.Host.Reporting;
using DfPO.Models.Hub;

namespace DfPO.Host.Commands;

/// <summary><c>data</c>: pulls data sets from a hub.</summary>
internal static class DataCommand
{
    public static Command Create() =>
        new(
            "data",
            "Pull data sets from a hub. HF_ENDPOINT, HF_HOME (or HF_HUB_CACHE) and HF_TOKEN say from where, to where and as whom."
        )
        {
            CreatePull(),
        };

    private static Command CreatePull()
    {
        var dataset = new Argument<string>("dataset") { Description = "Name on the hub: organisation/name." };
        var revision = Options.Of("--revision", "Branch, tag or commit.", "main");
        var parquet = new Option<bool>("--parquet")
        {
            Description = $"The tables that the hub has made of the data set itself: --revision {HubRepository.ParquetRevision}.",
        };
        var include = new Option<string[]>("--include")
        {
            Description = "Only files whose names begin so, such as plain_text/train; may be repeated.",
        };
        var quiet = new Option<bool>("--quiet") { Description = "No progress." };
        var command = new Command(
            "pull",
            """
            Download the tables of a data set (parquet, jsonl, csv, tsv) into the cache and print their folder. What is there already is not fetched again; a pull that was cut off goes on where it stopped; every file is checked against the hub's digest. Example:
              dfpo data pull stanfordnlp/imdb --include plain_text/train
            """
        )
        {
            dataset,
            revision,
            parquet,
            include,
            quiet,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(parquet) && result.GetResult(revision) is { Implicit: false })
                result.AddError("--parquet is a revision: give it or --revision, not both.");
        });
        command.SetAction(
            async (result, cancellation) =>
            {
                var repository = HubRepository.Parse(
                    result.GetValue(dataset)!,
                    result.GetValue(parquet) ? HubRepository.ParquetRevision : result.GetValue(revision)!,
                    HubKind.Dataset
                );
                var puller = new ModelPuller(HubSettings.From(Environment.GetEnvironmentVariable));
                // The folder alone goes to stdout, so that a shell can take it over.
                var display = new PullDisplay(Console.Error, interactive: !Console.IsErrorRedirected, result.GetValue(quiet));
                Console.WriteLine(await puller.PullData(repository, result.GetValue(include) ?? [], display.Report, cancellation));
                return 0;
            }
        );
        return command;
    }
}
