namespace DfPO.Models.Lora;

/// <summary>
/// A further model over an adapted model's weights, whose adapters work on the first half of every batch. It is made once, for making it
/// takes the time of building the model; other adapters are put beside it as they come.
/// </summary>
internal sealed class PairedTwin : IDisposable
{
    private readonly Lock _gate = new();
    private LanguageModel? _twin;

    /// <summary>The twin of a model as it is now; its layers' parameters are the model's own.</summary>
    /// <param name="model">It has adapters.</param>
    public LanguageModel Of(LanguageModel model)
    {
        lock (_gate)
        {
            if (_twin is null || !SharedWeights.AreOne(_twin, model))
            {
                _twin?.Dispose();
                _twin = SharedWeights.Twin(model);
            }
            if (_twin.Adapters != model.Adapters)
            {
                _twin.Adapters?.DetachFrom(_twin);
                model.Adapters!.AttachHalfTo(_twin);
            }
            return _twin;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _twin?.Dispose();
}
