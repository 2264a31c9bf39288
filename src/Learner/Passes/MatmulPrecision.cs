using DfPO.Models;
using static TorchSharp.torch;

namespace DfPO.Learner.Passes;

/// <summary>Matrix products of some models in another precision, until disposed.</summary>
internal sealed class MatmulPrecision : IDisposable
{
    private readonly (ComputePrecision Model, ScalarType? Before)[] _before;

    public MatmulPrecision(ScalarType? dtype, params ComputePrecision[] models)
    {
        _before = [.. models.Select(model => (model, model.MatmulDtype))];
        foreach (var model in models)
            model.MatmulDtype = dtype;
    }

    public void Dispose()
    {
        foreach (var (model, before) in _before)
            model.MatmulDtype = before;
    }
}
