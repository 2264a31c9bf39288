using System.Runtime.CompilerServices;
using System.Text.Json;
using DfPO.Learner.Objectives;
using DfPO.Models;
using DfPO.Models.Gpt2;
using DfPO.Models.Policies;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests;

/// <summary>What the tests of this project share: fixtures, tiny models, hand-made trajectories.</summary>
internal static class Support
{
    public const int Vocabulary = 29;

    [ModuleInitializer]
    internal static void SingleThread() => set_num_threads(1);

    /// <summary>Folders of fixtures whose <c>expected.json</c> holds a key.</summary>
    public static IEnumerable<(string Folder, JsonElement Expected)> Fixtures(string key)
    {
        var found = Directory
            .GetDirectories(Repository.Fixtures)
            .Order(StringComparer.Ordinal)
            .Select(folder => (Folder: folder, Path: Path.Combine(folder, "expected.json")))
            .Where(f => File.Exists(f.Path))
            .Select(f => (f.Folder, JsonDocument.Parse(File.ReadAllBytes(f.Path)).RootElement))
            .Where(f => f.RootElement.TryGetProperty(key, out _))
            .ToArray();
        Assert.NotEmpty(found);
        return found;
    }

    public static double[] Doubles(this JsonElement array) => [.. array.EnumerateArray().Select(x => x.GetDouble())];

    public static double[][] Matrix(this JsonElement rows) => [.. rows.EnumerateArray().Select(Doubles)];

    /// <summary>Entries of a matrix where a 0/1 mask is 1, row after row.</summary>
    public static double[] Masked(this JsonElement rows, JsonElement mask) =>
        [
            .. rows.Matrix()
                .Zip(mask.Matrix())
                .SelectMany(pair => pair.First.Zip(pair.Second).Where(x => x.Second == 1).Select(x => x.First)),
        ];

    public static double[] Doubles(this IEnumerable<float> values) => [.. values.Select(x => (double)x)];

    public static float[] Floats(this IEnumerable<double> values) => [.. values.Select(x => (float)x)];

    public static void Close(IReadOnlyList<double> expected, IReadOnlyList<double> actual, double tolerance)
    {
        Assert.Equal(expected.Count, actual.Count);
        for (var i = 0; i < expected.Count; i++)
            Assert.True(
                Math.Abs(expected[i] - actual[i]) <= tolerance * Math.Max(1, Math.Abs(expected[i])),
                $"entry {i}: expected {expected[i]:R}, got {actual[i]:R}"
            );
    }

    public static Gpt2LMHeadModel TinyPolicy(ulong seed = 1, int vocabulary = Vocabulary, int layers = 2)
    {
        var model = new Gpt2LMHeadModel(
            new Gpt2Config
            {
                VocabSize = vocabulary,
                NPositions = 24,
                NEmbd = 32,
                NLayer = layers,
                NHead = 2,
                InitializerRange = 0.15,
            }
        );
        model.Initialise(seed);
        return model;
    }

    public static ValueModel TinyValue(ulong seed = 2, int heads = 1)
    {
        var value = new ValueModel(TinyPolicy(seed), heads);
        using var _ = no_grad();
        using var generator = new Generator(seed);
        foreach (var (name, parameter) in value.named_parameters().Where(p => p.name.StartsWith("v_head")))
            parameter.copy_(randn(parameter.shape, generator: generator).Times(0.1));
        return value;
    }

    /// <summary>
    /// Log-probabilities of every token of the vocabulary at each state of a continuation, one sequence at a time:
    /// <c>[tokens, vocabulary]</c>.
    /// </summary>
    public static Tensor NaiveLogprobs(CausalLM model, int[] prompt, int[] tokens)
    {
        long[] ids = [.. prompt.Concat(tokens).Select(t => (long)t)];
        return nn
            .functional.log_softmax(model.Logits(tensor(ids).unsqueeze(0)).to(ScalarType.Float32), -1)[0]
            .narrow(0, prompt.Length - 1, tokens.Length);
    }

    /// <summary>Trajectories of random tokens and lengths, scored by a policy and a reference.</summary>
    public static Trajectory[] Trajectories(
        int count,
        CausalLM policy,
        CausalLM reference,
        ulong seed,
        Func<int, DecodingPolicy>? behaviour = null
    )
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var draw = 0UL;
        int Next(int below) => (int)(CounterRandom.UInt64(seed, draw++) % (ulong)below);
        int[] Tokens(int length) => [.. Enumerable.Range(0, length).Select(_ => Next(policy.VocabularySize))];
        return
        [
            .. Enumerable
                .Range(0, count)
                .Select(i =>
                {
                    var (prompt, tokens) = (Tokens(2 + Next(5)), Tokens(1 + Next(8)));
                    var (ours, theirs) = (NaiveLogprobs(policy, prompt, tokens), NaiveLogprobs(reference, prompt, tokens));
                    var index = tensor(tokens.Select(t => (long)t).ToArray()).unsqueeze(1);
                    return new Trajectory
                    {
                        PromptTokens = prompt,
                        Tokens = tokens,
                        Logprobs = ours.gather(1, index).data<float>().ToArray(),
                        ReferenceLogprobs = theirs.gather(1, index).data<float>().ToArray(),
                        StateKl = (ours.exp() * (ours - theirs)).sum(1).data<float>().ToArray(),
                        Reward = (float)CounterRandom.Uniform(seed, draw++),
                        Behaviour = behaviour?.Invoke(i) ?? DecodingPolicy.Policy,
                    };
                }),
        ];
    }

    public static TokenBatch Tokens(
        float[] logprobs,
        float[] reference,
        float[] advantages,
        float[]? stateKl = null,
        DecodingPolicy[]? behaviour = null
    ) =>
        new()
        {
            Logprobs = logprobs.Doubles(),
            ReferenceLogprobs = reference.Doubles(),
            Advantages = advantages.Doubles(),
            StateKl = (stateKl ?? new float[logprobs.Length]).Doubles(),
            Returns = new double[logprobs.Length],
            Behaviour = behaviour ?? new DecodingPolicy[logprobs.Length],
        };

    public static byte[] Bytes(nn.Module module)
    {
        using var scope = NewDisposeScope();
        return [.. module.named_parameters().SelectMany(p => p.parameter.detach().contiguous().bytes.ToArray())];
    }
}
