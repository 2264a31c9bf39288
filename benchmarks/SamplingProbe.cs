using DfPO.Models;
using DfPO.Rollout;
using DfPO.Rollout.Sampling;
using TorchSharp;

namespace DfPO.Benchmarks;

/// <summary>The engine's draws without its models: two halves on two threads from eight rows on, as the engine does it.</summary>
internal static class SamplingProbe
{
    public static void Draw(torch.Tensor logits, int batch)
    {
        var lanes = batch >= 8 ? Math.Min(2, torch.get_num_threads()) : 1;
        Parallel.For(0, lanes, lane =>
        {
            using var rows = new LogitRows(logits);
            var vocabulary = (int)logits.size(1);
            var sampler = new TokenSampler(new GenerationOptions(), vocabulary, EndOfText.None);
            var scratch = new float[vocabulary];
            for (var row = batch * lane / lanes; row < batch * (lane + 1) / lanes; row++)
                sampler.Draw(rows.Row(row, scratch), [], (ulong)row, 0);
        });
    }
}
