using System.Text.Json;
using DfPO.Learner.Objectives;
using DfPO.Models.Policies;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests.Trl;

/// <summary>
/// Losses, metrics and gradients that TRL computed, in the folder <c>trl</c> of the fixtures. Every case of a file is a test case of its
/// own, found by listing; a case with a setting that is not offered is skipped, and says so.
/// </summary>
internal static class TrlFixtures
{
    /// <summary>For what TRL computed in float64 from the numbers of the file.</summary>
    public const double Exact = 1e-10;

    /// <summary>
    /// For what follows from a normalisation whose factor n/(n-1) is a float32 quotient in TRL, or whose epsilon stands elsewhere.
    /// </summary>
    public const double Normalised = 1e-7;

    /// <summary>Relative, for what TRL computed in float32.</summary>
    public const double Single = 1e-5;

    /// <summary>Settings of TRL that are not offered, with the value that turns each of them off, and why.</summary>
    private static readonly (string Setting, string Off, string Why)[] s_refused =
    [
        ("top_entropy_quantile", "1", "a loss sees no entropies of single tokens"),
        (
            "entropy_coef",
            "0",
            "learner.entropy-coefficient is added where the entropies are, outside of the objective; model_level.json has them"
        ),
        ("use_weighting", "False", "WPO weighs pairs by the whole softmax at each state, which a loss does not see"),
        ("multi_objective_aggregation", "sum_then_normalize", "a continuation has one reward"),
        ("ratio_threshold", "10", "a batch is not skipped for its mean ratio; learner.guards look at what goes wrong"),
        ("alpha", "0", "AlphaPO is not offered"),
        ("temperature", "1", "the learner's log-probabilities are those of the full softmax at temperature 1"),
    ];

    /// <summary>All cases under a key of a file, by name.</summary>
    public static TheoryData<string> Cases(string file, params string[] path)
    {
        var list = Find(file, path);
        return [.. list.EnumerateArray().Select((c, i) => Label(file, c, i))];
    }

    /// <summary>The root of a file.</summary>
    public static JsonElement File(string file) =>
        JsonDocument.Parse(System.IO.File.ReadAllBytes(Path.Combine(Repository.Fixtures, "trl", file))).RootElement;

    /// <summary>One of the cases; skips the test if a setting of it is not offered.</summary>
    public static JsonElement Case(string label, string file, params string[] path)
    {
        var found = Find(file, path).EnumerateArray().Where((c, i) => Label(file, c, i) == label).Single();
        foreach (var (setting, off, why) in s_refused)
            if (found.TryGetProperty(setting, out var value) && Text(value) != off)
                Assert.Skip($"{setting} = {Text(value)}: {why}");
        return found;
    }

    /// <summary>A number of a case, or another where there is none.</summary>
    public static double Number(this JsonElement c, string name, double otherwise = 0) =>
        c.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : otherwise;

    public static string Word(this JsonElement c, string name) => c.GetProperty(name).GetString()!;

    public static bool Flag(this JsonElement c, string name) => c.GetProperty(name).GetBoolean();

    /// <summary>An enum's member from TRL's spelling: <c>dr_grpo</c> is DrGrpo.</summary>
    public static T Member<T>(string word)
        where T : struct, Enum => Enum.Parse<T>(word.Replace("_", ""), ignoreCase: true);

    /// <summary>Numbers; the string NaN stands for what JSON lacks.</summary>
    public static double[] Numbers(this JsonElement list) =>
        [.. list.EnumerateArray().Select(x => x.ValueKind == JsonValueKind.Number ? x.GetDouble() : double.NaN)];

    /// <summary>What a minibatch of whole rows looks like to an objective.</summary>
    /// <param name="lengths">Tokens of each row.</param>
    /// <param name="old">The denominator, row after row.</param>
    /// <param name="reference">The reference, row after row.</param>
    /// <param name="advantages">One a row.</param>
    /// <param name="truncated">The rows that were cut off.</param>
    public static TokenBatch Batch(int[] lengths, double[] old, double[] reference, double[] advantages, bool[]? truncated = null)
    {
        var (spans, start) = (new List<SequenceSpan>(), 0);
        for (var i = 0; i < lengths.Length; start += lengths[i++])
            spans.Add(new SequenceSpan(start, lengths[i], false, truncated?[i] ?? false));
        return new TokenBatch
        {
            Logprobs = old,
            ReferenceLogprobs = reference,
            Advantages = [.. lengths.SelectMany((n, i) => Enumerable.Repeat(advantages[i], n))],
            StateKl = new double[start],
            Returns = new double[start],
            Behaviour = new DecodingPolicy[start],
            Sequences = spans,
        };
    }

    /// <summary>An objective's loss at log-probabilities in float64, and its gradient.</summary>
    public static (double Loss, double[] Gradient) LossOf(IObjective objective, double[] logprobs, TokenBatch batch, Statistics statistics)
    {
        using var scope = NewDisposeScope();
        var leaf = tensor(logprobs, requires_grad: true);
        var loss = objective.Loss(leaf, batch, statistics);
        loss.backward();
        return (loss.ToNumber(), leaf.grad!.data<double>().ToArray());
    }

    public static void Close(string what, double expected, double actual, double tolerance) =>
        Assert.True(
            (double.IsNaN(expected) && double.IsNaN(actual)) || Math.Abs(expected - actual) <= tolerance * Math.Max(1, Math.Abs(expected)),
            $"{what}: expected {expected:R}, got {actual:R}"
        );

    public static void Close(string what, IReadOnlyList<double> expected, IReadOnlyList<double> actual, double tolerance)
    {
        Assert.True(expected.Count == actual.Count, $"{what}: {expected.Count} entries expected, {actual.Count} got");
        for (var i = 0; i < expected.Count; i++)
            Close($"{what}, entry {i}", expected[i], actual[i], tolerance);
    }

    /// <summary>
    /// Compares the metrics of a case with ours by a table of names; a metric that the table lacks fails, unless it is known to come from
    /// elsewhere.
    /// </summary>
    public static void CloseMetrics(
        JsonElement c,
        Statistics statistics,
        IReadOnlyDictionary<string, string> names,
        IReadOnlySet<string> elsewhere,
        double tolerance = Single
    )
    {
        var means = statistics.Means();
        foreach (var metric in c.GetProperty("metrics").EnumerateObject().Where(m => !elsewhere.Contains(m.Name)))
        {
            Assert.True(names.TryGetValue(metric.Name, out var ours), $"metric '{metric.Name}' is not known to the test");
            Close(metric.Name, metric.Value.GetDouble(), means[ours!], tolerance);
        }
    }

    private static JsonElement Find(string file, string[] path) => path.Aggregate(File(file), (at, key) => at.GetProperty(key));

    private static string Label(string file, JsonElement c, int i) =>
        $"{file} #{i + 1} {(c.TryGetProperty("name", out var name) ? name.GetString() : "")}".TrimEnd();

    private static string Text(JsonElement value) =>
        value.ValueKind switch
        {
            JsonValueKind.Number => value.GetDouble().ToString(System.Globalization.CultureInfo.InvariantCulture),
            JsonValueKind.String => value.GetString()!,
            _ => value.ToString(),
        };
}
