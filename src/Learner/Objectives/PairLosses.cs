using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace DfPO.Learner.Objectives;

/// <summary>
/// What is known of the pairs of a minibatch; each tensor has an entry a pair, <c>[pairs]</c>, with a gradient unless it says otherwise.
/// </summary>
/// <param name="Chosen">Log-probabilities of the chosen sides.</param>
/// <param name="Rejected">Those of the rejected ones.</param>
/// <param name="ReferenceChosen">The reference's of the chosen sides, without a gradient.</param>
/// <param name="ReferenceRejected">The reference's of the rejected sides, without a gradient.</param>
/// <param name="ChosenLength">Tokens of the chosen sides.</param>
/// <param name="RejectedLength">Tokens of the rejected sides.</param>
internal sealed record PairSums(
    Tensor Chosen,
    Tensor Rejected,
    Tensor ReferenceChosen,
    Tensor ReferenceRejected,
    Tensor ChosenLength,
    Tensor RejectedLength
);

/// <summary>The losses of <see cref="DpoLossType"/>. Tensors belong to the caller's dispose scope.</summary>
/// <param name="options">The switches.</param>
internal sealed class PairLosses(DpoOptions options)
{
    /// <summary>Loss of each pair, <c>[pairs]</c>, or of all of them, a scalar.</summary>
    public Tensor Of(DpoLossType type, PairSums pairs)
    {
        var beta = options.Beta;
        Tensor chosen = Score(pairs.Chosen - pairs.ReferenceChosen),
            rejected = Score(pairs.Rejected - pairs.ReferenceRejected);
        var difference = chosen - rejected;
        switch (type)
        {
            case DpoLossType.Sigmoid:
                return Smoothed(Less(difference.Times(beta), options.TargetMargin));
            case DpoLossType.SigmoidNorm:
                return Smoothed(Less((chosen / pairs.ChosenLength - rejected / pairs.RejectedLength).Times(beta), options.TargetMargin));
            case DpoLossType.Hinge:
                return relu(OneMinus(difference.Times(beta)));
            case DpoLossType.Ipo:
                return Less(chosen / pairs.ChosenLength - rejected / pairs.RejectedLength, 1 / (2 * beta)).Squared();
            case DpoLossType.ExoPair:
                var logit = difference.Times(beta);
                return (logit.sigmoid() * Less(logsigmoid(logit), Math.Log(1 - options.LabelSmoothing))).Plus(
                    logit.neg().sigmoid() * Less(logsigmoid(logit.neg()), Math.Log(options.LabelSmoothing))
                );
            case DpoLossType.NcaPair:
                return logsigmoid(chosen.Times(beta)).neg()
                    - logsigmoid(chosen.Times(-beta)).Plus(logsigmoid(rejected.Times(-beta))).Times(0.5);
            case DpoLossType.Robust:
                var clean = logsigmoid(difference.Times(beta)).Times(1 - options.LabelSmoothing);
                return (logsigmoid(difference.Times(-beta)).Times(options.LabelSmoothing) - clean).Times(
                    1 / (1 - 2 * options.LabelSmoothing)
                );
            case DpoLossType.BcoPair:
                return logsigmoid(chosen.Times(beta)).neg() - logsigmoid(rejected.Times(-beta));
            case DpoLossType.SppoHard:
                return Less(chosen, 1 / (2 * beta)).Squared().Plus(Less(rejected, -1 / (2 * beta)).Squared());
            case DpoLossType.Aot:
                return Smoothed(
                    (Sorted(pairs.Chosen - pairs.Rejected) - Sorted(pairs.ReferenceChosen - pairs.ReferenceRejected)).Times(beta)
                );
            case DpoLossType.AotUnpaired:
                return Smoothed((Sorted(chosen) - Sorted(rejected)).Times(beta));
            case DpoLossType.ApoZero:
                return OneMinus(chosen.Times(beta).sigmoid()).Plus(rejected.Times(beta).sigmoid());
            case DpoLossType.ApoDown:
                return chosen.Times(beta).sigmoid().Plus(OneMinus(difference.Times(beta).sigmoid()));
            case DpoLossType.Discopop:
                var logits = difference.Times(beta);
                var share = logits.Times(1 / options.DiscopopTau).sigmoid();
                return logits.neg().exp() * share - logsigmoid(logits) * OneMinus(share);
            case DpoLossType.Orpo:
                return logsigmoid(LogOdds(pairs.Chosen / pairs.ChosenLength) - LogOdds(pairs.Rejected / pairs.RejectedLength)).Times(-beta);
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "not a loss of pairs");
        }
    }

    private Tensor Smoothed(Tensor logit)
    {
        var right = logsigmoid(logit).neg();
        return options.LabelSmoothing == 0
            ? right
            : right.Times(1 - options.LabelSmoothing) - logsigmoid(logit.neg()).Times(options.LabelSmoothing);
    }

    private Tensor Score(Tensor logRatio) =>
        options.FDivergenceType switch
        {
            DpoDivergence.ForwardKl => OneMinus(logRatio.neg().exp()),
            DpoDivergence.JsDivergence => Less(logsigmoid(logRatio), -Math.Log(2)),
            DpoDivergence.AlphaDivergence => logRatio
                .Times(options.FAlphaDivergenceCoef - 1)
                .expm1()
                .Times(1 / (options.FAlphaDivergenceCoef - 1)),
            _ => logRatio,
        };

    /// <summary><c>log(p / (1 - p))</c> from <c>log p</c>.</summary>
    private static Tensor LogOdds(Tensor logProbability) => logProbability - logProbability.exp().neg().log1p();

    private static Tensor Sorted(Tensor values) => values.sort(0).Values;

    private static Tensor OneMinus(Tensor x) => x.neg().Plus(1.0);

    private static Tensor Less(Tensor x, double by) => x.Plus(-by);
}
