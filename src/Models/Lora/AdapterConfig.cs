using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace DfPO.Models.Lora;

/// <summary>
/// An <c>adapter_config.json</c> that this program computes exactly as PEFT does; anything else in it is refused by its field.
/// </summary>
/// <remarks>Behaviour as in PEFT 0.21.2: which layers are adapted, their ranks and factors, and what of the base a file replaces.</remarks>
internal sealed class AdapterConfig
{
    private const string AllLinear = "all-linear";

    // What changes no product once weights are loaded: where the adapter comes from, and how it was trained or drawn.
    private static readonly HashSet<string> s_harmless =
    [
        "auto_mapping",
        "base_model_name_or_path",
        "corda_config",
        "eva_config",
        "inference_mode",
        "loftq_config",
        "lora_dropout",
        "lora_ga_config",
        "megatron_core",
        "merge_weights",
        "peft_version",
        "qalora_group_size",
        "revision",
    ];

    // What is computed below.
    private static readonly HashSet<string> s_computed =
    [
        "alpha_pattern",
        "bias",
        "exclude_modules",
        "fan_in_fan_out",
        "init_lora_weights",
        "layers_pattern",
        "layers_to_transform",
        "lora_alpha",
        "lora_bias",
        "modules_to_save",
        "peft_type",
        "r",
        "rank_pattern",
        "target_modules",
        "task_type",
        "trainable_token_indices",
        "use_dora",
        "use_rslora",
    ];

    // Draws of fresh factors, which a file's own replace, and which leave the base as it is.
    private static readonly string[] s_draws = ["gaussian", "orthogonal", "eva"];

    // Wall-clock time, and so long: a busy machine is no reason to refuse an expression.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);
    private readonly JsonObject _json;
    private readonly string _path;
    private readonly IReadOnlyList<(Regex Name, double Value)> _ranks;
    private readonly IReadOnlyList<(Regex Name, double Value)> _alphas;
    private readonly string[]? _targets;
    private readonly Regex? _targetExpression;
    private readonly string[]? _excluded;
    private readonly Regex? _excludedExpression;
    private readonly int[]? _layers;
    private readonly string[] _layerLists;

    /// <summary>Checks every field.</summary>
    /// <exception cref="DfpoException"><c>config/...</c> or <c>lora/unsupported</c>, naming file and field.</exception>
    public AdapterConfig(string path)
    {
        (_path, _json) = (path, HfConfigReader.ReadFile(path));
        var fields = new HfConfigReader(_json, path);
        if (Text("peft_type") is var kind && kind != "LORA")
            throw Unsupported("peft_type", $"is '{kind}'; only LORA is computed");
        if (Text("task_type") is not ("" or "CAUSAL_LM" or "SEQ_2_SEQ_LM") and var task)
            throw Unsupported("task_type", $"is '{task}'; only adapters of language models, CAUSAL_LM and SEQ_2_SEQ_LM, are computed");
        foreach (var (name, value) in _json)
            if (!s_harmless.Contains(name) && !s_computed.Contains(name) && !IsOff(value))
                throw Unsupported(
                    name,
                    $"is {value!.ToJsonString()}, which is not computed here; with it off, or merged by PEFT into its base, the adapter can be used"
                );
        Bias = Text("bias") switch
        {
            "" or "none" => AdaptedBiases.None,
            "all" => AdaptedBiases.All,
            "lora_only" => AdaptedBiases.Adapted,
            var other => throw Unsupported("bias", $"is '{other}'; known are none, all and lora_only"),
        };
        Init = _json["init_lora_weights"] switch
        {
            null => BaseChange.None,
            JsonValue value when value.GetValueKind() is JsonValueKind.True or JsonValueKind.False => BaseChange.None,
            JsonValue value when value.TryGetValue<string>(out var name) && s_draws.Contains(name) => BaseChange.None,
            JsonValue value when value.TryGetValue<string>(out var name) && name == "pissa" => BaseChange.Pissa,
            JsonValue value when value.TryGetValue<string>(out var name) && name == "olora" => BaseChange.Olora,
            var other => throw Unsupported(
                "init_lora_weights",
                $"is {other.ToJsonString()}, which changes the base in a way that is not computed here; save the adapter converted (path_initial_model_for_weight_conversion)"
            ),
        };
        (Rank, Alpha) = (fields.Positive("r"), fields.Number("lora_alpha", 8));
        (UsesDora, IsRankStabilised, HasBiasInB) = (
            fields.Flag("use_dora", false),
            fields.Flag("use_rslora", false),
            fields.Flag("lora_bias", false)
        );
        if (HasBiasInB && UsesDora)
            throw Unsupported("lora_bias", "is set beside use_dora, which PEFT does not compute either");
        if (Init != BaseChange.None && (UsesDora || HasBiasInB))
            throw Unsupported(
                "init_lora_weights",
                $"is '{Text("init_lora_weights")}' beside use_dora or lora_bias, which is not computed here"
            );
        ModulesToSave = Names("modules_to_save") ?? [];
        (_ranks, _alphas) = (Pattern("rank_pattern"), Pattern("alpha_pattern"));
        (_targets, _targetExpression) = NamesOrExpression("target_modules");
        if (_targets is null && _targetExpression is null)
            throw Unsupported("target_modules", "is absent; it must name the adapted layers");
        (_excluded, _excludedExpression) = NamesOrExpression("exclude_modules");
        _layers = _json["layers_to_transform"] switch
        {
            null or JsonArray { Count: 0 } => null,
            _ => [.. fields.Ints("layers_to_transform")],
        };
        _layerLists = _json["layers_pattern"] is JsonValue single ? [single.ToString()] : Names("layers_pattern") ?? [];
        if (_layers is not null && _targetExpression is not null)
            throw Unsupported("layers_to_transform", "is set beside an expression as target_modules, which PEFT refuses");
        TrainableTokens = _json["trainable_token_indices"] switch
        {
            null or JsonArray { Count: 0 } or JsonObject { Count: 0 } => new Dictionary<string, int[]>(),
            JsonArray => new Dictionary<string, int[]> { [""] = [.. fields.Ints("trainable_token_indices")] },
            JsonObject map => map.ToDictionary(pair => pair.Key, pair => new HfConfigReader(map, path).Ints(pair.Key).ToArray()),
            _ => throw Unsupported("trainable_token_indices", "is neither a list nor an object of lists"),
        };
    }

    /// <summary>Which of the base's biases the file replaces.</summary>
    public AdaptedBiases Bias { get; }

    /// <summary>What the loader takes from the base's weights before it adds the adapter.</summary>
    public BaseChange Init { get; }

    /// <summary>Rank of the layers that no pattern names.</summary>
    public int Rank { get; }

    /// <summary>Numerator of the factor of the layers that no pattern names.</summary>
    public double Alpha { get; }

    /// <summary>Whether columns have magnitudes of their own (Liu et al. 2024).</summary>
    public bool UsesDora { get; }

    /// <summary>Whether the factor's denominator is the rank's square root (Kalajdzievski 2023).</summary>
    public bool IsRankStabilised { get; }

    /// <summary>Whether the second factors have biases.</summary>
    public bool HasBiasInB { get; }

    /// <summary>Ends of the names of modules that the file holds whole.</summary>
    public IReadOnlyList<string> ModulesToSave { get; }

    /// <summary>
    /// Ids of the tokens whose rows the file holds, by the end of an embedding's name; an empty name is that of the input embedding.
    /// </summary>
    public IReadOnlyDictionary<string, int[]> TrainableTokens { get; }

    /// <summary>Rank of the layer at a path.</summary>
    public int RankOf(string path)
    {
        var rank = First(_ranks, path) ?? Rank;
        return rank is >= 1 and <= int.MaxValue && rank == Math.Floor(rank)
            ? (int)rank
            : throw Unsupported("rank_pattern", $"gives the layer '{path}' a rank of {rank.ToString(CultureInfo.InvariantCulture)}");
    }

    /// <summary>What the product of the layer at a path is multiplied with.</summary>
    public double ScaleOf(string path)
    {
        var (alpha, rank) = (First(_alphas, path) ?? Alpha, RankOf(path));
        return IsRankStabilised ? alpha / Math.Sqrt(rank) : alpha / rank;
    }

    /// <summary>Whether PEFT adapts the layer at a path.</summary>
    /// <param name="path">The layer's.</param>
    /// <param name="isHead">Whether it is the language-model head, which <c>all-linear</c> leaves out.</param>
    public bool Targets(string path, bool isHead)
    {
        if (_excluded?.Any(name => LoraOptions.Matches(path, name)) == true || IsWhole(_excludedExpression, path))
            return false;
        if (_targets is null)
            return _targetExpression!.ToString() == AllLinear ? !isHead : IsWhole(_targetExpression, path);
        if (_targets.Contains(path))
            return true;
        return _targets.Any(name => path.EndsWith("." + name, StringComparison.Ordinal))
            && (_layers is null || (LayerOf(path) is { } layer && _layers.Contains(layer)));
    }

    /// <summary>An error about a field.</summary>
    public DfpoException Unsupported(string field, string why) => new("lora/unsupported", $"'{_path}': field '{field}' {why}.");

    private static bool IsOff(JsonNode? node) =>
        node is null or JsonArray { Count: 0 } or JsonObject { Count: 0 } || node.GetValueKind() is JsonValueKind.False;

    private string Text(string field) => new HfConfigReader(_json, _path).Text(field, "");

    private string[]? Names(string field) =>
        _json[field] switch
        {
            null => null,
            JsonArray all =>
            [
                .. all.Select(item =>
                    item is JsonValue value && value.TryGetValue<string>(out var name) && name.Length > 0
                        ? name
                        : throw Unsupported(field, "is not a list of names")
                ),
            ],
            _ => throw Unsupported(field, "is not a list of names"),
        };

    private (string[]? Names, Regex? Expression) NamesOrExpression(string field) =>
        _json[field] is JsonValue value && value.TryGetValue<string>(out var text) ? (null, Expression(field, text)) : (Names(field), null);

    private IReadOnlyList<(Regex, double)> Pattern(string field) =>
        _json[field] switch
        {
            null => [],
            JsonObject map =>
            [
                .. map.Select(pair =>
                    (
                        Expression(field, $"(.*\\.)?({pair.Key})$"),
                        new HfConfigReader(map, _path).OptionalNumber(pair.Key)
                            ?? throw Unsupported(field, $"has no number for '{pair.Key}'")
                    )
                ),
            ],
            _ => throw Unsupported(field, "is not an object of numbers"),
        };

    private Regex Expression(string field, string text)
    {
        try
        {
            return Compiled(text);
        }
        catch (ArgumentException e)
        {
            throw new DfpoException(
                "lora/unsupported",
                $"'{_path}': field '{field}' holds '{text}', which is not an expression that can be read ({e.Message}).",
                e
            );
        }
    }

    /// <summary>The first pattern that matches from the beginning of a path, as Python's <c>re.match</c>.</summary>
    private double? First(IReadOnlyList<(Regex Name, double Value)> patterns, string path)
    {
        foreach (var (name, value) in patterns)
            if (Match(name, path) is { Success: true, Index: 0 })
                return value;
        return null;
    }

    private bool IsWhole(Regex? expression, string path) => expression is not null && Match(Compiled($"^(?:{expression})$"), path).Success;

    /// <summary>
    /// One that takes time in proportion to a path; one with what that engine lacks, such as looking around, may run out of patience.
    /// </summary>
    private static Regex Compiled(string text)
    {
        try
        {
            return new Regex(text, RegexOptions.CultureInvariant | RegexOptions.NonBacktracking);
        }
        catch (NotSupportedException)
        {
            return new Regex(text, RegexOptions.CultureInvariant, s_patience);
        }
    }

    private Match Match(Regex expression, string path)
    {
        try
        {
            return expression.Match(path);
        }
        catch (RegexMatchTimeoutException e)
        {
            throw new DfpoException(
                "lora/unsupported",
                $"'{_path}' holds the expression '{expression}', which takes too long to match.",
                e
            );
        }
    }

    /// <summary>Number of the layer that a path lies in.</summary>
    private int? LayerOf(string path)
    {
        string[] lists = _layerLists.Length > 0 ? _layerLists : ["[^.]*"];
        foreach (var list in lists)
            if (Match(Expression("layers_pattern", $"^.*\\.{list}\\.(\\d+)\\."), path) is { Success: true } match)
                return int.Parse(match.Groups[^1].Value, CultureInfo.InvariantCulture);
        return null;
    }
}

/// <summary>Which of the base's biases an adapter has values of its own for.</summary>
internal enum AdaptedBiases
{
    /// <summary>None.</summary>
    None,

    /// <summary>Those of the adapted layers.</summary>
    Adapted,

    /// <summary>All.</summary>
    All,
}

/// <summary>What is taken out of the base's weights, because the factors began as a part of them.</summary>
internal enum BaseChange
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>The principal singular components (Meng et al. 2024).</summary>
    Pissa,

    /// <summary>The first columns of an orthonormal basis with their coefficients (Buyukakyuz 2024).</summary>
    Olora,
}
