using System.Text.Json.Nodes;
using DfPO.Host.Configuration;
using DfPO.Host.Reports;
using DfPO.Host.Runs;
using DfPO.Host.Store;
using DfPO.Models;
using DfPO.Tasks.Metrics;

namespace DfPO.Host.Dashboard;

/// <summary>What the page is told of a run, from the run's folder alone.</summary>
internal static class RunAnswers
{
    /// <summary>Continuations of an iteration, or of held-out prompts, that a frozen page has.</summary>
    public const int Frozen = 200;

    /// <summary>A run in a list of them.</summary>
    public static JsonObject Summary(string id, RunRecord run) =>
        new()
        {
            ["id"] = id,
            ["name"] = run.Name,
            ["objective"] = run.Setting("learner.objective"),
            ["seed"] = run.Setting("seed"),
            ["status"] = run.Standing,
            ["note"] = run.Note,
            ["iterations"] = run.Iterations,
            ["planned"] = int.TryParse(run.Setting("iterations"), out var planned) ? planned : 0,
        };

    /// <summary>Everything but its texts.</summary>
    /// <param name="id">What the page calls it.</param>
    /// <param name="run">The run.</param>
    /// <param name="offset">Bytes of <c>metrics.jsonl</c> that were read: where what is new begins.</param>
    public static JsonObject Run(string id, RunRecord run, long offset = 0)
    {
        var (preset, expected) = NearestPreset(run.Config);
        var summary = Summary(id, run);
        summary["offset"] = offset;
        summary["best"] = run.BestIteration;
        summary["preset"] = preset;
        summary["config"] = new JsonArray([
            .. run.Config.Select(pair =>
                (JsonNode)
                    new JsonObject
                    {
                        ["key"] = pair.Key,
                        ["value"] = pair.Value,
                        ["preset"] = expected.GetValueOrDefault(pair.Key),
                    }
            ),
        ]);
        summary["versions"] = run.Versions.DeepClone();
        summary["rollouts"] = new JsonArray([.. RunFolder.Open(run.Path).Rollouts.Iterations().Select(i => (JsonNode)i)]);
        summary["lines"] = new JsonArray([.. run.Lines.Select(line => line.DeepClone())]);
        return summary;
    }

    /// <summary>Who works for it, and what they did last.</summary>
    public static JsonObject Cluster(string path)
    {
        var file = RunFolder.Open(path).Cluster;
        var view = ClusterView.Of(File.Exists(file) ? JsonLinesFile.Whole(file) : []);
        return new()
        {
            ["workers"] = new JsonArray([.. view.Workers.Select(worker => (JsonNode)worker.ToJson())]),
            ["spans"] = new JsonArray([
                .. view.Done.Select(span =>
                    (JsonNode)new JsonArray(span.Role, span.Worker, span.Unit, span.Start, span.Milliseconds, span.Count)
                ),
            ]),
        };
    }

    /// <summary>A page of the continuations that an iteration learnt from.</summary>
    /// <param name="kept">What the run keeps.</param>
    /// <param name="summaries">All of the iteration.</param>
    /// <param name="iteration">The iteration.</param>
    /// <param name="query">Which of them, in which order.</param>
    public static JsonObject Rollouts(
        IReadOnlyList<int> kept,
        IReadOnlyList<RolloutSummary> summaries,
        int iteration,
        TextQuery query
    )
    {
        var found = RolloutSummary.Select(summaries, query.Order, query.Descending, query.Search);
        return new()
        {
            ["iterations"] = new JsonArray([.. kept.Select(i => (JsonNode)i)]),
            ["iteration"] = iteration,
            ["all"] = summaries.Count,
            ["found"] = found.Count,
            ["rows"] = new JsonArray([.. found.Skip(query.Offset).Take(query.Count).Select(Row)]),
        };
    }

    /// <summary>A page of the continuations of held-out prompts, before training and after it.</summary>
    public static JsonObject Samples(RunRecord run, TextQuery query)
    {
        var pairs = Pairs(run);
        JsonObject[] found =
        [
            .. pairs.Where(pair =>
                query.Search.Length == 0
                || pair["before"]!["continuation"]!.GetValue<string>().Contains(query.Search, StringComparison.OrdinalIgnoreCase)
                || ((string)pair["prompt"]!).Contains(query.Search, StringComparison.OrdinalIgnoreCase)
                || ((JsonObject)pair["after"]!).Any(after =>
                    ((string)after.Value!["continuation"]!).Contains(query.Search, StringComparison.OrdinalIgnoreCase)
                )
            ),
        ];
        return new()
        {
            ["all"] = pairs.Count,
            ["found"] = found.Length,
            ["rows"] = new JsonArray([.. found.Skip(query.Offset).Take(query.Count)]),
        };
    }

    /// <summary>The newest kept continuations, whole, for a page that cannot ask.</summary>
    public static JsonObject FrozenRollouts(string path)
    {
        var kept = RunFolder.Open(path).Rollouts;
        if (kept.Iterations() is not [.., var newest])
            return new() { ["iterations"] = new JsonArray(), ["rows"] = new JsonArray() };
        var lines = kept.Read(newest);
        var all = RolloutSummary.Read(lines);
        return new()
        {
            ["iterations"] = new JsonArray(newest),
            ["iteration"] = newest,
            ["all"] = all.Count,
            ["rows"] = new JsonArray([.. all.Take(Frozen).Select(one => (JsonNode?)RolloutSummary.Whole(lines, one.Index))]),
        };
    }

    /// <summary>The first held-out prompts, for a page that cannot ask.</summary>
    public static JsonObject FrozenSamples(RunRecord run) => Samples(run, new TextQuery { Count = Frozen });

    /// <summary>The preset from whose settings a configuration differs least, and these settings by dotted keys.</summary>
    internal static (string Name, IReadOnlyDictionary<string, string> Settings) NearestPreset(IReadOnlyDictionary<string, string> config) =>
        s_presets
            .Value.Where(preset => preset.Settings.GetValueOrDefault("learner.objective") == config.GetValueOrDefault("learner.objective"))
            .Select(preset => (preset.Name, preset.Settings))
            .DefaultIfEmpty(("", s_presets.Value[0].Settings))
            .MinBy(preset => preset.Settings.Count(pair => config.GetValueOrDefault(pair.Key) != pair.Value));

    private static readonly Lazy<IReadOnlyList<(string Name, IReadOnlyDictionary<string, string> Settings)>> s_presets = new(() =>
        [
            .. LearnerPresets.All.Keys.Select(name =>
            {
                var tree = LearnerPresets.Resolve(HoconFile.Parse($"{LearnerPresets.Key} = {name}", name));
                var config = ConfigBinder.Bind<Actors.Configuration.ExperimentConfig>(tree);
                var leaves = HoconFile.Parse(ResolvedConfig.Write(config), name).Leaves();
                return (name, (IReadOnlyDictionary<string, string>)leaves.ToDictionary(leaf => leaf.Key, leaf => leaf.Value.Text));
            }),
        ]
    );

    private static JsonNode Row(RolloutSummary one) =>
        new JsonObject
        {
            ["index"] = one.Index,
            ["reward"] = Number(one.Reward),
            ["kl"] = Number(one.Kl),
            ["length"] = one.Length,
            ["repetition"] = Number(one.Repetition),
            ["behaviour"] = one.Behaviour,
            ["prompt"] = one.Prompt,
            ["continuation"] = one.Continuation,
        };

    /// <summary>The n-th continuation of each prompt before training beside the n-th of it after training.</summary>
    private static List<JsonObject> Pairs(RunRecord run)
    {
        var samples = run.TestSamples();
        var before = samples.GetValueOrDefault("before", []);
        var after = samples
            .Where(pair => pair.Key != "before")
            .ToDictionary(pair => pair.Key, pair => pair.Value.GroupBy(one => one.PromptId).ToDictionary(of => of.Key, of => of.ToArray()));
        List<JsonObject> pairs = [];
        foreach (var of in before.GroupBy(one => one.PromptId))
            foreach (var (n, one) in of.Index())
            {
                var later = new JsonObject();
                foreach (var (policy, prompts) in after)
                    if (prompts.TryGetValue(one.PromptId, out var texts) && n < texts.Length)
                        later[MetricNames.Symbol(policy)] = Text(texts[n]);
                pairs.Add(
                    new JsonObject
                    {
                        ["id"] = one.PromptId,
                        ["prompt"] = one.Prompt,
                        ["before"] = Text(one),
                        ["after"] = later,
                    }
                );
            }
        return pairs;
    }

    private static JsonObject Text(Sample sample) => new() { ["continuation"] = sample.Continuation, ["reward"] = Number(sample.Reward) };

    private static JsonValue? Number(double value) => double.IsFinite(value) ? JsonValue.Create(value) : null;
}

/// <summary>Which texts a page wants.</summary>
internal sealed record TextQuery
{
    /// <summary>Most texts of one answer.</summary>
    public const int Most = 200;

    /// <summary>One of <see cref="RolloutSummary.Orders"/>.</summary>
    public string Order { get; init; } = "index";

    /// <summary>Whether the greatest come first.</summary>
    public bool Descending { get; init; }

    /// <summary>What they have in them; empty for all.</summary>
    public string Search { get; init; } = "";

    /// <summary>Texts to pass over.</summary>
    public int Offset { get; init; }

    /// <summary>Texts wanted.</summary>
    public int Count { get; init; } = 50;

    /// <summary>Reads a request's parameters.</summary>
    /// <param name="of">The value of a name; null where it is absent.</param>
    /// <exception cref="DfpoException"><c>dashboard/query</c>: a value is none.</exception>
    public static TextQuery Of(Func<string, string?> of)
    {
        var order = of("sort") ?? "index";
        var name = order.TrimStart('-');
        if (!RolloutSummary.Orders.Contains(name))
            throw new DfpoException("dashboard/query", $"'sort={order}' must be one of {string.Join(", ", RolloutSummary.Orders)}, or that with a '-' before it.");
        return new()
        {
            Order = name,
            Descending = order.StartsWith('-'),
            Search = of("search") ?? "",
            Offset = Number(of, "offset", 0, int.MaxValue, 0),
            Count = Number(of, "count", 1, Most, 50),
        };
    }

    /// <summary>A whole number of a request.</summary>
    /// <exception cref="DfpoException"><c>dashboard/query</c>: it is none, or out of its range.</exception>
    public static int Number(Func<string, string?> of, string name, int least, int most, int otherwise) =>
        of(name) is not { Length: > 0 } text ? otherwise
        : int.TryParse(text, out var value) && value >= least && value <= most ? value
        : throw new DfpoException("dashboard/query", $"'{name}={text}' must be a whole number from {least} to {most}.");
}
