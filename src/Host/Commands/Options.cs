using System.CommandLine;
using System.CommandLine.Parsing;
using DfPO.Actors.Experiments;
using DfPO.Host.Runs;
using DfPO.Models.Policies;
using DfPO.Rollout;

namespace DfPO.Host.Commands;

/// <summary>Builders of options, and the ones that several commands share.</summary>
internal static class Options
{
    private static readonly DecodingPolicy[] s_policies = [DecodingPolicy.Policy, DecodingPolicy.Negative, DecodingPolicy.Positive];

    public static Option<T> Of<T>(string name, string description, T value) => new(name) { Description = description, DefaultValueFactory = _ => value };

    public static Option<T?> Optional<T>(string name, string description) => new(name) { Description = description };

    public static Option<T> Required<T>(string name, string description) => new(name) { Description = description, Required = true };

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

    public static Option<string[]> Settings() => new("--set") { Description = "Sets a key of the experiment: --set learner.learning-rate=1e-5. May be repeated; beats DFPO__... environment variables, which beat the file." };

    public static Option<string?> Experiment() => Optional<string>("--experiment", "HOCON file of the experiment that a checkpoint is of: its sampling, masks, data and models, where the command line says nothing. A run has its own, and so has a checkpoint in its best or final folder.");

    public static Option<string> Policy(string description)
    {
        var option = Of("--policy", description, "policy");
        option.AcceptOnlyFromAmong([.. s_policies.Select(MetricNames.Of)]);
        return option;
    }

    public static DecodingPolicy ParsePolicy(string name) => s_policies.First(policy => MetricNames.Of(policy) == name);

    public static void RequireAtLeast(OptionResult result, string name, int least)
    {
        if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out var value) && value < least)
            result.AddError($"{name} '{value}' must be at least {least}.");
    }
}

/// <summary>How to draw continuations.</summary>
internal sealed class SamplingOptions
{
    private static readonly GenerationOptions s_defaults = new();
    private readonly Option<int> _most = Options.Of("--max-new-tokens", "Most tokens of a continuation.", s_defaults.MaxNewTokens);
    private readonly Option<int> _least = Options.Of("--min-new-tokens", "The text cannot end before so many tokens.", 0);
    private readonly Option<float> _temperature = Options.Of("--temperature", "Divides the logits.", 1f);
    private readonly Option<int> _topK = Options.Of("--top-k", "Keeps the k most likely tokens; 0 keeps all.", 0);
    private readonly Option<float> _topP = Options.Of("--top-p", "Keeps the likeliest tokens up to this probability.", 1f);
    private readonly Option<int> _beams = Options.Of("--num-beams", "Beams of a search for the likeliest text, in place of sampling; 1 samples, as under a KL mask.", 1);
    private readonly Option<float> _tolerance = Options.Of("--tolerance", "Tolerance tau of the KL mask, nats.", 0f);
    private readonly Option<ulong> _seed = Options.Of("--seed", "Seed of the sampling.", 1UL);
    private readonly Option<string> _dtype = Options.Of("--dtype", "float32 or bfloat16.", "float32");
    private readonly Option<string> _device = Options.Of("--device", "cpu, cuda or cuda:N.", "cpu");
    private readonly Option<int> _batch = Options.AtLeast("--batch-size", "Prompts generated side by side.", 1, 16);
    private readonly Option<int> _threads = Options.Of("--threads", "Torch threads; 0 leaves torch's own choice.", 0);

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _most, _least, _temperature, _topK, _topP, _beams, _tolerance, _seed, _dtype, _device, _batch, _threads })
            command.Options.Add(option);
    }

    /// <param name="result">The command line.</param>
    /// <param name="basis">What holds where the command line says nothing.</param>
    public GenerationOptions Generation(ParseResult result, GenerationOptions basis)
    {
        T Of<T>(Option<T> option, T otherwise) => result.GetResult(option) is { Implicit: false } ? result.GetValue(option)! : otherwise;
        var most = Of(_most, basis.MaxNewTokens);
        return (basis with
        {
            MaxNewTokens = most,
            // Who asks for fewer tokens than the basis has at least wants those.
            MinNewTokens = Of(_least, Math.Min(basis.MinNewTokens, Math.Max(0, most))),
            Temperature = Of(_temperature, basis.Temperature),
            TopK = Of(_topK, basis.TopK),
            TopP = Of(_topP, basis.TopP),
            NumBeams = Of(_beams, basis.NumBeams),
            Tolerance = Of(_tolerance, basis.Tolerance),
        }).Checked();
    }

    /// <summary>Reads the rest and sets the torch thread count.</summary>
    public (ulong Seed, string Dtype, string Device, int BatchSize) Engine(ParseResult result)
    {
        if (result.GetValue(_threads) is > 0 and var threads)
            TorchSharp.torch.set_num_threads(threads);
        return (result.GetValue(_seed), result.GetValue(_dtype)!, result.GetValue(_device)!, result.GetValue(_batch));
    }
}
