using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using DfPO.Host.Reporting;
using DfPO.Host.Runs;
using DfPO.Models.Hub;

namespace DfPO.Host.Commands;

/// <summary><c>models</c>: pulls models from a hub, and lists what is there.</summary>
internal static class ModelsCommand
{
    public static Command Create() =>
        new(
            "models",
            "Pull models from a hub, push them to one, and list the pulled ones. HF_ENDPOINT, HF_HOME (or HF_HUB_CACHE) and HF_TOKEN say from where, to where and as whom."
        )
        {
            CreatePull(),
            CreatePush(),
            CreateList(),
        };

    private static Command CreatePull()
    {
        var model = new Argument<string>("model") { Description = "Name on the hub: organisation/name." };
        var revision = Options.Of("--revision", "Branch, tag or commit.", "main");
        var quiet = new Option<bool>("--quiet") { Description = "No progress." };
        var command = new Command(
            "pull",
            """
            Download a model into the cache and print its folder. What is there already is not fetched again; a pull that was cut off goes on where it stopped; every file is checked against the hub's digest. Example:
              dfpo generate "$(dfpo models pull openai-community/gpt2)" --prompt "This film was"
            """
        )
        {
            model,
            revision,
            quiet,
        };
        command.SetAction(
            async (result, cancellation) =>
            {
                var repository = HubRepository.Parse(result.GetValue(model)!, result.GetValue(revision)!);
                var puller = new ModelPuller(HubSettings.From(Environment.GetEnvironmentVariable));
                // The folder alone goes to stdout, so that a shell can take it over.
                var display = new PullDisplay(Console.Error, interactive: !Console.IsErrorRedirected, result.GetValue(quiet));
                Console.WriteLine(await puller.Pull(repository, display.Report, cancellation));
                return 0;
            }
        );
        return command;
    }

    private static Command CreatePush()
    {
        var folder = new Argument<string>("folder") { Description = "Model's or adapter's folder, with a model card (README.md)." };
        var model = new Argument<string>("model") { Description = "Name on the hub: organisation/name; made where it does not exist." };
        var revision = Options.Of("--revision", "Branch.", "main");
        var isPrivate = new Option<bool>("--private") { Description = "A repository that is made is private." };
        var command = new Command(
            "push",
            """
            Push a model with its card to a hub as one commit and print the commit. HF_TOKEN must be allowed to write. What the hub has already is not sent again, and it is asked for the digests of what has arrived. Example:
              dfpo export runs/NAME my-policy && dfpo models push my-policy my-organisation/my-policy
            """
        )
        {
            folder,
            model,
            revision,
            isPrivate,
        };
        command.SetAction(
            async (result, cancellation) =>
            {
                var repository = HubRepository.Parse(result.GetValue(model)!, result.GetValue(revision)!);
                var pusher = new ModelPusher(HubSettings.From(Environment.GetEnvironmentVariable));
                Console.WriteLine(
                    await pusher.Push(
                        result.GetValue(folder)!,
                        repository,
                        result.GetValue(isPrivate),
                        name => Console.Error.WriteLine(name),
                        cancellation
                    )
                );
                return 0;
            }
        );
        return command;
    }

    private static Command CreateList()
    {
        var json = new Option<bool>("--json") { Description = "One JSON object a model." };
        var command = new Command("list", "List the models in the cache, those that other programs have put there included.") { json };
        command.SetAction(result =>
        {
            var settings = HubSettings.From(Environment.GetEnvironmentVariable);
            var models = new ModelCache(settings.Cache).List();
            if (models.Count == 0 && !result.GetValue(json))
                Console.WriteLine($"No models in {settings.Cache}.");
            foreach (var model in models)
                Console.WriteLine(
                    result.GetValue(json)
                        ? Line(model).ToJsonString(JsonLinesFile.Format)
                        : $"{model.Id}  {model.Commit[..Math.Min(8, model.Commit.Length)]}  {PullDisplay.Size(model.Bytes)}  {model.Path}"
                );
        });
        return command;
    }

    private static JsonObject Line(CachedModel model) =>
        new()
        {
            ["model"] = model.Id,
            ["commit"] = model.Commit,
            ["bytes"] = model.Bytes,
            ["path"] = model.Path,
        };
}
