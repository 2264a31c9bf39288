using DfPO.Learner.Objectives;
using DfPO.Models.Policies;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests.Objectives;

/// <summary>
/// A policy small enough to enumerate: sequences of two tokens from a vocabulary of three, a logit for each (state, token), all in float64.
/// </summary>
internal sealed class Toy : IDisposable
{
    public const int Vocabulary = 3;
    private const int States = 1 + Vocabulary;

    public Toy(ulong seed)
    {
        using var generator = new Generator(seed);
        Logits = (randn([States, Vocabulary], ScalarType.Float64, generator: generator)).requires_grad_();
        Reference = randn([States, Vocabulary], ScalarType.Float64, generator: generator);
    }

    /// <summary>The parameters.</summary>
    public Tensor Logits { get; }

    public Tensor Reference { get; }

    /// <summary>All sequences.</summary>
    public static IReadOnlyList<int[]> Sequences { get; } =
    [.. from a in Enumerable.Range(0, Vocabulary) from b in Enumerable.Range(0, Vocabulary) select new[] { a, b }];

    /// <summary>A reward that no baseline explains.</summary>
    public static double Reward(int[] y) => y[0] * 0.7 - y[1] * 0.4 + (y[0] == y[1] ? 1.3 : 0);

    /// <summary>log-probabilities of the two tokens of each sequence, laid end to end.</summary>
    public static Tensor Logprobs(Tensor logits, params int[][] sequences)
    {
        var all = nn.functional.log_softmax(logits, 1);
        return stack([.. sequences.SelectMany(y => new[] { all[0, y[0]], all[1 + y[0], y[1]] })]);
    }

    public double Probability(int[] y) => Math.Exp(Logprobs(Logits.detach(), y).data<double>().ToArray().Sum());

    public Trajectory Trajectory(int[] y, int group = 0, double? reward = null) =>
        new()
        {
            PromptTokens = [0],
            Tokens = y,
            Logprobs = Floats(Logits.detach(), y),
            ReferenceLogprobs = Floats(Reference, y),
            StateKl = new float[2],
            Reward = (float)(reward ?? Reward(y)),
            Behaviour = DecodingPolicy.Policy,
            Group = group,
        };

    /// <summary>A minibatch of sequences as the learner lays it out.</summary>
    public TokenBatch Batch(double[][] advantages, params int[][] sequences) =>
        new()
        {
            Logprobs = Floats(Logits.detach(), sequences).Doubles(),
            ReferenceLogprobs = Floats(Reference, sequences).Doubles(),
            StateKl = new double[2 * sequences.Length],
            Advantages = [.. advantages.SelectMany(a => a)],
            Returns = new double[2 * sequences.Length],
            Behaviour = new DecodingPolicy[2 * sequences.Length],
            Sequences = [.. sequences.Select((_, i) => new SequenceSpan(2 * i, 2, false))],
        };

    /// <summary>Gradient of a scalar of the parameters.</summary>
    public double[] Gradient(Func<Tensor, Tensor> scalar)
    {
        using var scope = NewDisposeScope();
        var leaf = Logits.detach().clone().requires_grad_();
        scalar(leaf).backward();
        return leaf.grad!.data<double>().ToArray();
    }

    /// <summary>Central differences of a scalar of the parameters.</summary>
    public double[] FiniteDifferences(Func<Tensor, Tensor> scalar, double step = 1e-5)
    {
        using var scope = NewDisposeScope();
        return
        [
            .. Enumerable
                .Range(0, States * Vocabulary)
                .Select(i =>
                {
                    double At(double by)
                    {
                        var moved = Logits.detach().clone();
                        moved.view(-1)[i] += by;
                        return scalar(moved).ToNumber();
                    }
                    return (At(step) - At(-step)) / (2 * step);
                }),
        ];
    }

    /// <summary><c>-dJ</c> with <c>J = sum_y pi(y) f(y)</c>, by enumeration.</summary>
    public double[] NegativeGradientOfExpectation(Func<int[], double> f) =>
        Gradient(logits => Sequences.Select(y => Logprobs(logits, y).sum().exp().Times(f(y))).Aggregate((a, b) => a.Plus(b)).neg());

    public void Dispose()
    {
        Logits.Dispose();
        Reference.Dispose();
    }

    private static float[] Floats(Tensor logits, params int[][] sequences) =>
        [.. Logprobs(logits, sequences).data<double>().Select(x => (float)x)];
}
