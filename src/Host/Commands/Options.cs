using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using DfPO.Models.Options;
using DfPO.Models.Policies;
using DfPO.Rollout;

namespace DfPO.Host.Commands;

/// <summary>Builders of options, and the ones that several commands share.</summary>
internal static class Options
{
    public static Option<T> Of<T>(string name, string description, T value) =>
        new(name) { Description = description, DefaultValueFactory = _ => value };

    public static Option<T?> Optional<T>(string name, string description) => new(name) { Description = description };

    public static Option<T> Required<T>(string name, string description) => new(name) { Description = description, Required = true };

    public static Option<string?> Bind() =>
        Optional<string>("--bind", "Address to listen at where it is not that of --host, as in a container or behind NAT: 0.0.0.0 for all.");

    public static Option<int> Port(string name, string description, int value = 0)
    {
        var option = Of(name, description + " 0 takes a free one.", value);
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out var port) && port is < 0 or > 65535)
                result.AddError($"{name} '{port}' must be between 0 and 65535.");
        });
        return option;
    }

    public static Option<int> AtLeast(string name, string description, int least, int value)
    {
        var option = Of(name, description, value);
        option.Validators.Add(result => RequireAtLeast(result, name, least));
        return option;
    }

    public static Option<string[]> Settings() =>
        new("--set")
        {
            Description =
                "Sets a key of the experiment: --set learner.learning-rate=1e-5. May be repeated; beats DFPO__... environment variables, which beat the file.",
        };

    public static Option<string> TraceUrl()
    {
        var option = Of(
            "--trace-url",
            "Address of a trace with {trace} in it, to which the page links each token: http://localhost:16686/trace/{trace} for Jaeger.",
            ""
        );
        option.Validators.Add(result =>
        {
            if (
                result.Tokens.Count == 1
                && !(
                    result.Tokens[0].Value is var text
                    && text.Contains("{trace}", StringComparison.Ordinal)
                    && Uri.TryCreate(text.Replace("{trace}", "0", StringComparison.Ordinal), UriKind.Absolute, out var address)
                    && address.Scheme is "http" or "https"
                )
            )
                result.AddError("--trace-url must be an http address with {trace} in it, such as http://localhost:16686/trace/{trace}.");
        });
        return option;
    }

    public static Option<string?> Experiment() =>
        Optional<string>(
            "--experiment",
            "HOCON file of the experiment that a checkpoint is of: its sampling, masks, data and models, where the command line says nothing. A run has its own, and so has a checkpoint in its best or final folder."
        );

    public static Option<string> Policy(string description)
    {
        var option = Of("--policy", description, "policy");
        option.AcceptOnlyFromAmong([.. DecodingPolicies.All.SelectMany(policy => new[] { policy.Symbol(), policy.Name() })]);
        return option;
    }

    public static Option<DecodingPolicy[]> Policies() =>
        List(
            "--policies",
            "Decoding policies to evaluate: pi_theta, pi-, pi+ (as keys write them: policy, negative, positive).",
            DecodingPolicies.Find,
            $"one of {string.Join(", ", DecodingPolicies.All.Select(policy => policy.Symbol()))}",
            DecodingPolicy.Policy,
            DecodingPolicy.Negative
        );

    public static DecodingPolicy ParsePolicy(string name) => DecodingPolicies.Find(name)!.Value;

    /// <summary>Several values, separated by commas or by spaces.</summary>
    /// <param name="name">The option's name.</param>
    /// <param name="description">For help.</param>
    /// <param name="parse">The value of a text; null when it is none.</param>
    /// <param name="expected">What a value is, for errors.</param>
    /// <param name="values">What holds where nothing is given.</param>
    public static Option<T[]> List<T>(string name, string description, Func<string, T?> parse, string expected, params T[] values)
        where T : struct =>
        new(name)
        {
            Description = description,
            AllowMultipleArgumentsPerToken = true,
            Arity = ArgumentArity.OneOrMore,
            DefaultValueFactory = _ => values,
            CustomParser = result =>
            {
                List<T> parsed = [];
                foreach (var text in result.Tokens.SelectMany(token => token.Value.Split(',', StringSplitOptions.TrimEntries)))
                    if (parse(text) is { } value)
                        parsed.Add(value);
                    else
                        result.AddError($"{name} '{text}' must be {expected}.");
                return [.. parsed];
            },
        };

    public static void RequireAtLeast(OptionResult result, string name, int least)
    {
        if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out var value) && value < least)
            result.AddError($"{name} '{value}' must be at least {least}.");
    }
}

/// <summary>How to draw continuations.</summary>
/// <param name="severalTolerances">Whether the command takes several tolerances.</param>
internal sealed class SamplingOptions(bool severalTolerances = false)
{
    private static readonly GenerationOptions s_defaults = new();
    private readonly Option<int> _most = Options.Of("--max-new-tokens", "Most tokens of a continuation.", s_defaults.MaxNewTokens);
    private readonly Option<int> _least = Options.Of("--min-new-tokens", "The text cannot end before so many tokens.", 0);
    private readonly Option<float> _temperature = Options.Of("--temperature", "Divides the logits.", 1f);
    private readonly Option<int> _topK = Options.Of("--top-k", "Keeps the k most likely tokens; 0 keeps all.", 0);
    private readonly Option<float> _topP = Options.Of("--top-p", "Keeps the likeliest tokens up to this probability.", 1f);
    private readonly Option<int> _beams = Options.Of(
        "--num-beams",
        "Beams of a search for the likeliest text, in place of sampling; 1 samples, as under a KL mask. Its further keys (length-penalty, beam-length, early-stopping) are those of an experiment's rollout.generation and evaluation.decoding: 'dfpo plan --explain rollout.generation.beam-length'.",
        1
    );
    private readonly Option<float[]> _tolerance = Options.List(
        "--tolerance",
        $"Tolerance tau of the KL mask, nats{(severalTolerances ? ", or several, separated by commas" : "")}; otherwise the experiment's evaluation.decoding, or else learner.dfpo.",
        text =>
            float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && float.IsFinite(value) && value >= 0
                ? value
                : (float?)null,
        "a number of at least 0"
    );
    private readonly Option<string?> _maskRule = Options.Optional<string>(
        "--mask-rule",
        "Threshold of the KL mask; otherwise as the tolerance."
    );
    private readonly Option<ulong> _seed = Options.Of("--seed", "Seed of the sampling.", 1UL);
    private readonly Option<string> _dtype = Options.Of("--dtype", "float32 or bfloat16.", "float32");
    private readonly Option<string> _device = Options.Of("--device", "cpu, cuda or cuda:N.", "cpu");
    private readonly Option<int> _batch = Options.AtLeast("--batch-size", "Prompts generated side by side.", 1, 16);
    private readonly Option<int> _threads = Options.Of("--threads", "Torch threads; 0 leaves torch's own choice.", 0);

    public void AddTo(Command command)
    {
        foreach (
            var option in new Option[]
            {
                _most,
                _least,
                _temperature,
                _topK,
                _topP,
                _beams,
                _tolerance,
                _maskRule,
                _seed,
                _dtype,
                _device,
                _batch,
                _threads,
            }
        )
            command.Options.Add(option);
        _maskRule.AcceptOnlyFromAmong([.. Enum.GetValues<KlMaskRule>().Select(rule => Kebab.Of(rule.ToString()))]);
        if (!severalTolerances)
            _tolerance.Validators.Add(result =>
            {
                if (result.Tokens.Count > 1 || result.Tokens.Any(token => token.Value.Contains(',')))
                    result.AddError("--tolerance takes one value here; 'dfpo eval' takes several.");
            });
    }

    /// <summary>The options under each tolerance that is asked for.</summary>
    public IEnumerable<GenerationOptions> Tolerances(ParseResult result, GenerationOptions options) =>
        result.GetValue(_tolerance) is { Length: > 0 } several
            ? several.Distinct().Select(tolerance => (options with { Tolerance = tolerance }).Checked())
            : [options];

    /// <param name="result">The command line.</param>
    /// <param name="basis">What holds where the command line says nothing.</param>
    public GenerationOptions Generation(ParseResult result, GenerationOptions basis)
    {
        T Of<T>(Option<T> option, T otherwise) => result.GetResult(option) is { Implicit: false } ? result.GetValue(option)! : otherwise;
        var most = Of(_most, basis.MaxNewTokens);
        return (
            basis with
            {
                MaxNewTokens = most,
                // Who asks for fewer tokens than the basis has at least wants those.
                MinNewTokens = Of(_least, Math.Min(basis.MinNewTokens, Math.Max(0, most))),
                Temperature = Of(_temperature, basis.Temperature),
                TopK = Of(_topK, basis.TopK),
                TopP = Of(_topP, basis.TopP),
                NumBeams = Of(_beams, basis.NumBeams),
                Tolerance = result.GetValue(_tolerance) is [var tolerance, ..] ? tolerance : basis.Tolerance,
                MaskRule = result.GetValue(_maskRule) is { } rule
                    ? Enum.GetValues<KlMaskRule>().First(value => Kebab.Of(value.ToString()) == rule)
                    : basis.MaskRule,
            }
        ).Checked();
    }

    /// <summary>Reads the rest and sets the torch thread count.</summary>
    public (ulong Seed, string Dtype, string Device, int BatchSize) Engine(ParseResult result)
    {
        if (result.GetValue(_threads) is > 0 and var threads)
            TorchSharp.torch.set_num_threads(threads);
        return (result.GetValue(_seed), result.GetValue(_dtype)!, result.GetValue(_device)!, result.GetValue(_batch));
    }
}
