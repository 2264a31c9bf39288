namespace DfPO.Learner.Objectives;

/// <summary>Numbers brought to unit variance.</summary>
public static class Whitening
{
    /// <summary>
    /// <c>(x - mean) / sqrt(var + 1e-8)</c>, var unbiased (TRL's masked_whiten); with the mean added again if it is kept. One number is
    /// only centred.
    /// </summary>
    public static double[] Apply(IReadOnlyList<double> values, bool keepMean = false)
    {
        if (values.Count == 0)
            return [];
        var mean = values.Average();
        var scale = 1 / Math.Sqrt(values.Sum(x => (x - mean) * (x - mean)) / Math.Max(1, values.Count - 1) + 1e-8);
        return [.. values.Select(x => (x - mean) * scale + (keepMean ? mean : 0))];
    }
}
