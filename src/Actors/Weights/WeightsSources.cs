using System.Collections.Immutable;

namespace DfPO.Actors.Weights;

/// <summary>Several holders behind one address: a process with an engine a device has a client for each.</summary>
public sealed class WeightsSources : IWeightsSource
{
    private ImmutableList<IWeightsSource> _all = [];

    /// <summary>Serves what a holder has from now on.</summary>
    public void Add(IWeightsSource source) => ImmutableInterlocked.Update(ref _all, all => all.Add(source));

    /// <summary>No longer serves it; what is being read stays readable.</summary>
    public void Remove(IWeightsSource source) => ImmutableInterlocked.Update(ref _all, all => all.Remove(source));

    /// <inheritdoc/>
    public WeightsLease? Open(string digest) => _all.Select(source => source.Open(digest)).FirstOrDefault(lease => lease is not null);

    /// <inheritdoc/>
    public bool Expects(string digest) => _all.Any(source => source.Expects(digest));
}
