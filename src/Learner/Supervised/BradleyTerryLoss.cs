using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Supervised;

/// <summary>
/// The loss of a reward model that learns from preferences (Bradley and Terry 1952; Ouyang et al. 2022, equation 1; margin: Touvron et al.
/// 2023, "Llama 2", equation 2).
/// </summary>
public static class BradleyTerryLoss
{
    /// <summary><c>-mean log sigmoid(r_chosen - r_rejected - m) + c mean (r_chosen + r_rejected)^2</c>, a scalar with a gradient.</summary>
    /// <param name="chosen">Scores of the better texts, <c>[pairs]</c>, with a gradient.</param>
    /// <param name="rejected">Scores of the worse ones, <c>[pairs]</c>, with a gradient.</param>
    /// <param name="margins"><c>m</c>, by how much each pair should differ at least; null for 0.</param>
    /// <param name="centring"><c>c</c>, at least 0: keeps the scores near 0, which the rest leaves open (Eisenstein et al. 2023).</param>
    /// <param name="statistics">Receives <c>reward/accuracy</c> (pairs in the right order), <c>reward/margin</c>, <c>reward/mean</c>,
    /// <c>reward/least</c> and <c>reward/greatest</c>.</param>
    public static Tensor Of(Tensor chosen, Tensor rejected, double[]? margins, double centring, Statistics statistics)
    {
        using var scope = NewDisposeScope();
        var difference = chosen - rejected;
        Measure(chosen, rejected, difference, statistics);
        if (margins is not null)
            difference = difference - tensor(margins, device: chosen.device).to(chosen.dtype);
        var loss = nn.functional.logsigmoid(difference).mean().neg();
        if (centring > 0)
            loss = loss.Plus(chosen.Plus(rejected).Squared().mean().Times(centring));
        return loss.MoveToOuterDisposeScope();
    }

    private static void Measure(Tensor chosen, Tensor rejected, Tensor difference, Statistics statistics)
    {
        using var scope = NewDisposeScope();
        double[] Host(Tensor of) => of.detach().to(ScalarType.Float64).cpu().contiguous().data<double>().ToArray();
        double[] differences = Host(difference),
            scores = [.. Host(chosen), .. Host(rejected)];
        statistics.Add("reward/accuracy", differences.Count(d => d > 0), differences.Length);
        statistics.Add("reward/margin", differences.Sum(), differences.Length);
        statistics.Add("reward/mean", scores.Sum(), scores.Length);
        statistics.Add("reward/least", scores.Min());
        statistics.Add("reward/greatest", scores.Max());
    }
}
