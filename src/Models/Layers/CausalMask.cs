using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Layers;

/// <summary>Positions and additive attention masks.</summary>
internal static class CausalMask
{
    private static readonly Scalar s_minusOne = Arithmetic.Kept(-1L),
        s_lowest = Arithmetic.Kept(-3e38),
        s_lowestHalf = Arithmetic.Kept(-65504.0);

    /// <summary>Positions <c>[batch or 1, time]</c>, int64: padding does not count, the tokens of a cache do.</summary>
    public static Tensor Positions(Tensor? attentionMask, long past, long time, Device device)
    {
        if (attentionMask is null)
        {
            var places = new long[time];
            for (var t = 0; t < time; t++)
                places[t] = past + t;
            return tensor(places, [1, time], device: device);
        }
        // The positions of padding itself are of no consequence but must be in range.
        var positions = attentionMask.to(ScalarType.Int64).cumsum(1).Plus(s_minusOne).clamp_min(Arithmetic.Zero);
        return positions.narrow(1, past, time);
    }

    /// <summary>
    /// Additive mask over the keys that a <see cref="KeyValueCache"/> gives, those beyond a window left out; null where causality alone
    /// rules, which the attention kernel does without a mask.
    /// </summary>
    /// <param name="attentionMask"><c>[batch, past + time]</c>, 0 at padding; null for none.</param>
    /// <param name="past">Tokens before.</param>
    /// <param name="time">Queries.</param>
    /// <param name="dtype">Dtype of the mask.</param>
    /// <param name="device">Where it lives.</param>
    /// <param name="window">Keys that a query sees, itself included; null for all before it.</param>
    public static Tensor? Additive(Tensor? attentionMask, long past, long time, ScalarType dtype, Device device, int? window = null)
    {
        var kept = window is { } size ? Math.Min(past, size - 1) : past;
        var total = kept + time;
        var cuts = time > 1 && total > window;
        if (attentionMask is null && !cuts && (time == 1 || kept == 0))
            return null;
        var allowed = attentionMask is null
            ? ones([1, 1, 1, total], ScalarType.Bool, device)
            : attentionMask.narrow(1, past - kept, total).to(ScalarType.Bool).view(-1, 1, 1, total);
        if (time > 1)
            allowed = allowed.logical_and(Triangle(kept, time, device));
        if (cuts)
            allowed = allowed.logical_and(ones([time, total], ScalarType.Bool, device).triu(kept - window!.Value + 1));
        return Penalty(allowed, dtype);
    }

    /// <summary><c>[time, past + time]</c>, true where a query may look.</summary>
    public static Tensor Triangle(long past, long time, Device device) => ones([time, past + time], ScalarType.Bool, device).tril(past);

    /// <summary>0 where allowed, as good as minus infinity elsewhere.</summary>
    public static Tensor Penalty(Tensor allowed, ScalarType dtype) =>
        // The most negative finite number instead of -inf: a padded query sees nothing, and softmax over nothing but -inf is NaN.
        zeros(allowed.shape, dtype, allowed.device)
            .masked_fill_(allowed.logical_not(), dtype == ScalarType.Float16 ? s_lowestHalf : s_lowest);
}
