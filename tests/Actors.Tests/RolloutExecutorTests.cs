using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Models;
using DfPO.Models.Checkpoints;
using DfPO.Rollout;
using static TorchSharp.torch;

namespace DfPO.Actors.Tests;

public sealed class RolloutExecutorTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("dfpo-executor");

    // MKL has one number of threads for the process, and other tests compare bits.
    public RolloutExecutorTests() => set_num_threads(1);

    [Fact]
    public void Weights_that_were_applied_are_those_that_generate_and_the_reference_stays_what_it_was()
    {
        var checkpoint = Repository.Path("models/imdb-tiny/policy");
        var file = Path.Combine(_folder.FullName, "weights.safetensors");
        using (NewDisposeScope())
        using (no_grad())
        using (var model = PretrainedModels.LoadLanguageModel(checkpoint))
            SafetensorsWriter.Write(file, model.named_parameters().ToDictionary(p => p.name, p => p.parameter * 1.01f));
        using var executor = new RolloutExecutor(checkpoint, "cpu", "float32");
        var weights = new WeightsRef(1, "digest", new FileInfo(file).Length, "");
        var unit = new RolloutUnit(
            new UnitId("u"),
            [new GenerationRequest([5, 6, 7], 1)],
            new GenerationOptions { MaxNewTokens = 4, MinNewTokens = 4 },
            weights,
            EndOfText.None
        );
        executor.Apply(weights, file, default);
        // Twice: the engine that the first unit made is the one that goes on.
        foreach (var _ in Enumerable.Range(0, 2))
            Assert.All(Assert.IsType<RolloutResult>(executor.Execute(unit, default)).Sequences.Single().StateKl, kl =>
                Assert.True(kl > 1e-6f)
            );
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
