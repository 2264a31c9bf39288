using DfPO.Models.Gpt2;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Rollout.Tests;

/// <summary>
/// Random GPT-2s small enough that a generation takes milliseconds; larger weights than at a training's start, so that distributions are
/// uneven.
/// </summary>
internal static class TinyModels
{
    static TinyModels() => set_num_threads(1);

    public static Gpt2LMHeadModel Create(ulong seed = 1, int vocabulary = 61, ScalarType dtype = ScalarType.Float32, int positions = 64)
    {
        var config = new Gpt2Config
        {
            VocabSize = vocabulary,
            NPositions = positions,
            NEmbd = 32,
            NLayer = 2,
            NHead = 2,
            InitializerRange = 0.25,
        };
        var model = new Gpt2LMHeadModel(config, CPU, dtype);
        model.Initialise(seed);
        model.eval();
        return model;
    }

    /// <summary>Every parameter moved a little: a policy some updates away from its reference.</summary>
    public static Gpt2LMHeadModel Perturbed(ulong seed = 1, double by = 0.05, int vocabulary = 61)
    {
        var model = Create(seed, vocabulary);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var generator = new Generator(seed + 100);
        foreach (var parameter in model.parameters())
            parameter.add_(randn(parameter.shape, generator: generator) * by);
        return model;
    }

    public static GenerationRequest[] Requests(int count, ulong seed = 7, int vocabulary = 61, int shortest = 1, int longest = 9) =>
        [
            .. Enumerable
                .Range(0, count)
                .Select(row => new GenerationRequest(
                    [
                        .. Enumerable
                            .Range(0, shortest + (row * 5 + 2) % (longest - shortest + 1))
                            .Select(i => (row * 13 + i * 7 + 3) % vocabulary),
                    ],
                    seed * 1000 + (ulong)row
                )),
        ];
}
