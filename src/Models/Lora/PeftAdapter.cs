using DfPO.Models.Checkpoints;
using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Lora;

/// <summary>What a folder in PEFT's layout holds: factors beside a base's layers, and values in place of some of the base's own.</summary>
/// <remarks>Behaviour as in PEFT 0.21.2. It owns its factors and values.</remarks>
public sealed class PeftAdapter : IDisposable
{
    private readonly AdapterConfig _config;
    private readonly IReadOnlyDictionary<string, Tensor> _values;
    private readonly string _source;

    /// <param name="config">Its configuration.</param>
    /// <param name="factors">Beside layers.</param>
    /// <param name="values">In place of parameters of the base, by their names in it.</param>
    /// <param name="source">File named in errors.</param>
    internal PeftAdapter(AdapterConfig config, LoraAdapters factors, IReadOnlyDictionary<string, Tensor> values, string source) =>
        (_config, Factors, _values, _source) = (config, factors, values, source);

    /// <summary>What stands beside layers.</summary>
    public LoraAdapters Factors { get; }

    /// <summary>Loads the base and puts the adapter beside it, ready to compute and to learn as PEFT's model.</summary>
    /// <param name="folder">The base's folder.</param>
    /// <param name="device">Where it lives; CPU when null.</param>
    /// <param name="dtype">Its dtype.</param>
    /// <returns>The model; where embedding and head shared a weight that the adapter changes for one of them, the head has its
    /// own.</returns>
    /// <exception cref="DfpoException">What is wrong with the base; or <c>lora/...</c>: the adapter is not this base's.</exception>
    public LanguageModel LoadBeside(string folder, Device? device = null, ScalarType dtype = ScalarType.Float32)
    {
        var model = LoadBase(folder, device, dtype, beside: true, out var shared);
        try
        {
            AttachTo(model, shared);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Loads the base with the adapter in its weights.</summary>
    /// <inheritdoc cref="LoadBeside"/>
    public LanguageModel LoadMerged(string folder, Device? device = null, ScalarType dtype = ScalarType.Float32)
    {
        var model = LoadBase(folder, device, dtype, beside: false, out _);
        try
        {
            MergeInto(model);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Puts the adapter beside a model's layers and freezes what it does not learn; the model's own weights change where the adapter has
    /// values in their place.
    /// </summary>
    /// <exception cref="DfpoException"><c>lora/...</c>: the adapter is not this model's.</exception>
    public void AttachTo(LanguageModel model) => AttachTo(model, headSharesEmbedding: false);

    /// <summary>
    /// Puts the adapter into a model's own weights, as PEFT's <c>merge_and_unload</c> does: where head and embedding share a weight, a
    /// change of one is a change of both.
    /// </summary>
    /// <exception cref="DfpoException"><c>lora/...</c>: the adapter is not this model's, or cannot be merged.</exception>
    public void MergeInto(LanguageModel model)
    {
        Check(model);
        Prepare(model);
        Factors.AddTo(model);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Factors.Dispose();
        foreach (var value in _values.Values)
            value.Dispose();
    }

    private void AttachTo(LanguageModel model, bool headSharesEmbedding)
    {
        if (IsShared(model) && NeedsOwnHead(model, beside: true))
            throw new DfpoException(
                "lora/tied",
                $"'{_source}' changes the embedding or the head of a model whose head shares the embedding's weight: load the base beside it, which parts the two."
            );
        Check(model);
        Prepare(model);
        Factors.AttachTo(model, headSharesEmbedding && Factors.Rows.Count > 0);
        var learnt = Learnt(model).ToHashSet();
        foreach (var (name, parameter) in model.named_parameters().Where(p => learnt.Contains(p.name)))
            parameter.requires_grad_();
    }

    private LanguageModel LoadBase(string folder, Device? device, ScalarType dtype, bool beside, out bool shared)
    {
        var model = PretrainedModels.LoadLanguageModel(folder, device, dtype);
        shared = IsShared(model);
        if (!shared || !NeedsOwnHead(model, beside))
            return model;
        using (model)
            return model.Config.IsEncoderDecoder
                ? throw new DfpoException(
                    "lora/tied",
                    $"'{_source}' changes the embedding or the head of an encoder-decoder whose head shares the embedding's weight, which is not computed here: merge it with PEFT."
                )
                : OwnHead.Of(model);
    }

    private static bool IsShared(LanguageModel model) => model.Config.TieWordEmbeddings;

    /// <summary>Whether embedding and head come to differ.</summary>
    private bool NeedsOwnHead(LanguageModel model, bool beside)
    {
        var embeddings = LoraAdapters.Embeddings(model);
        bool Is(string path) => path == LoraAdapters.HeadName || embeddings.ContainsKey(path);
        return Factors.Layers.Keys.Any(Is)
            || _values.Keys.Any(name => Is(ModuleOf(name)) && IsSaved(ModuleOf(name)))
            || (beside && Factors.Rows.Count > 0);
    }

    /// <summary>Refuses a model whose layers are not those that the configuration names or the file has values for.</summary>
    private void Check(LanguageModel model)
    {
        var embeddings = LoraAdapters.Embeddings(model);
        string[] targets =
        [
            .. LoraAdapters
                .Projections(model)
                .Keys.Concat(embeddings.Keys)
                .Where(path => _config.Targets(path, path == LoraAdapters.HeadName)),
        ];
        var modules = model.named_modules().Select(named => named.name).ToHashSet();
        if (Factors.Layers.Keys.FirstOrDefault(path => !modules.Contains(path)) is { } foreign)
            throw new DfpoException(
                "lora/target",
                $"'{_source}' holds factors for a layer '{foreign}', which a model of type '{model.Config.ModelType}' with {model.Config.NumHiddenLayers} blocks does not have: it belongs to another base."
            );
        if (Factors.Layers.Keys.Except(targets).FirstOrDefault() is { } untold)
            throw _config.Unsupported(
                "target_modules",
                $"does not name the layer '{untold}', but '{_source}' holds factors for it, which PEFT would leave out"
            );
        if (targets.Except(Factors.Layers.Keys).FirstOrDefault() is { } missing)
            throw _config.Unsupported("target_modules", $"names the layer '{missing}', but '{_source}' holds no factors for it");
        var parameters = model.named_parameters().ToDictionary(p => p.name, p => p.parameter);
        foreach (var name in _config.ModulesToSave)
            if (!modules.Any(module => module.EndsWith(name, StringComparison.Ordinal)))
                throw _config.Unsupported(
                    "modules_to_save",
                    $"names '{name}', which a model of type '{model.Config.ModelType}' does not have"
                );
        var learnt = Learnt(model).ToHashSet();
        foreach (var (name, value) in _values)
        {
            if (IsSecondCopyOfShared(model, name))
                continue;
            if (!parameters.TryGetValue(name, out var parameter))
                throw new DfpoException(
                    "lora/unsupported",
                    $"'{_source}' holds tensor '{name}', which is neither a factor of an adapter nor a parameter of the base."
                );
            if (!learnt.Contains(name) && !embeddings.ContainsKey(ModuleOf(name)) && ModuleOf(name) != LoraAdapters.HeadName)
                throw new DfpoException(
                    "lora/unsupported",
                    $"'{_source}' holds tensor '{name}', which no field of its configuration ('bias', 'modules_to_save') speaks of."
                );
            if (!value.shape.SequenceEqual(parameter.shape))
                throw new DfpoException(
                    "lora/shape",
                    $"'{_source}': tensor '{name}' has shape [{string.Join(", ", value.shape)}], the base's is [{string.Join(", ", parameter.shape)}]: it belongs to another base."
                );
        }
        foreach (var path in embeddings.Keys.Concat(LoraAdapters.Projections(model).Keys).Where(path => IsSaved(path)))
            if (Factors.Layers.ContainsKey(path) || Factors.Rows.Any(rows => rows.Path == path))
                throw _config.Unsupported("modules_to_save", $"names '{path}', which is adapted, too");
        if (_config.Init != BaseChange.None && Factors.Layers.Values.Any(layer => layer is EmbeddingLora))
            throw _config.Unsupported("init_lora_weights", "changes the base of an embedding, which is not computed here");
    }

    /// <summary>Puts values in place of the base's, and takes out of its weights what the factors began as.</summary>
    private void Prepare(LanguageModel model)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var parameters = model.named_parameters().ToDictionary(p => p.name, p => p.parameter);
        foreach (var (name, value) in _values.Where(pair => !IsSecondCopyOfShared(model, pair.Key)))
            parameters[name].copy_(value);
        if (_config.Init == BaseChange.None)
            return;
        var projections = LoraAdapters.Projections(model);
        foreach (var (path, layer) in Factors.Layers)
        {
            var projection = projections[path];
            var weight = projection.FanInFanOut ? projection.Weight.t() : projection.Weight;
            if (_config.Init == BaseChange.Olora && projection.FanInFanOut)
                throw _config.Unsupported(
                    "init_lora_weights",
                    $"is 'olora' over the layer '{path}', whose weight is stored transposed; PEFT does not compute that either"
                );
            var part = Beginning(weight.to(ScalarType.Float32), layer);
            weight.Increase(part.to(weight.dtype).neg());
        }
    }

    private Tensor Beginning(Tensor weight, LoraLayer layer)
    {
        var rank = Math.Min(layer.Shape.Rank, Math.Min(weight.size(0), weight.size(1)));
        if (_config.Init == BaseChange.Pissa)
        {
            // The factor cancels out, and so do the signs of the vectors: any decomposition gives this product.
            var (u, s, vh) = linalg.svd(weight, fullMatrices: false);
            return u.narrow(1, 0, rank).mul(s.narrow(0, 0, rank)).matmul(vh.narrow(0, 0, rank));
        }
        var (q, r) = linalg.qr(weight);
        return q.narrow(1, 0, rank).matmul(r.narrow(0, 0, rank)).mul(layer.Scale);
    }

    /// <summary>Names of the base's own parameters that learn with the adapter.</summary>
    private IEnumerable<string> Learnt(LanguageModel model) =>
        model
            .named_parameters()
            .Select(p => p.name)
            .Where(name =>
                IsSaved(ModuleOf(name))
                || (
                    _config.Bias switch
                    {
                        AdaptedBiases.All => name.Contains("bias", StringComparison.Ordinal),
                        AdaptedBiases.Adapted => name.EndsWith(".bias", StringComparison.Ordinal)
                            && Factors.Layers.ContainsKey(ModuleOf(name)),
                        _ => false,
                    }
                )
            );

    /// <summary>Whether a module, or one that it lies in, is held whole.</summary>
    private bool IsSaved(string module)
    {
        for (var path = module; path.Length > 0; path = ModuleOf(path))
            if (_config.ModulesToSave.Any(name => path.EndsWith(name, StringComparison.Ordinal)))
                return true;
        return false;
    }

    /// <summary>Whether a value is that of a head which shares the embedding's weight, and the same one.</summary>
    private bool IsSecondCopyOfShared(LanguageModel model, string name) =>
        name == LoraAdapters.HeadName + ".weight"
        && IsShared(model)
        && !IsSaved(LoraAdapters.HeadName)
        && LoraAdapters
            .Embeddings(model)
            .Keys.Any(path =>
                _values.TryGetValue(path + ".weight", out var embedding)
                && embedding.shape.SequenceEqual(_values[name].shape)
                && embedding.bytes.SequenceEqual(_values[name].bytes)
            );

    private static string ModuleOf(string name) => name.LastIndexOf('.') is var dot and >= 0 ? name[..dot] : "";
}

/// <summary>A model whose head shares the embedding's weight, with a head of its own.</summary>
internal static class OwnHead
{
    /// <param name="model">Stays the caller's.</param>
    /// <returns>The same model in memory of its own; its head has a copy of the embedding's weight.</returns>
    public static LanguageModel Of(LanguageModel model)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var like = model.parameters().First();
        var parted = Architectures.Build(model.Config with { TieWordEmbeddings = false }, like.device, like.dtype);
        var given = model.named_parameters().ToDictionary(p => p.name, p => p.parameter);
        var embedding = model.named_modules().Select(named => named.module).OfType<Embedding>().First().weight!;
        foreach (var (name, parameter) in parted.named_parameters())
            parameter.copy_(given.TryGetValue(name, out var value) ? value : embedding);
        parted.Precision.MatmulDtype = model.Precision.MatmulDtype;
        parted.eval();
        return parted;
    }
}
