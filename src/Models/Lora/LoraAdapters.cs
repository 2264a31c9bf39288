using DfPO.Models.Checkpoints;
using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Lora;

/// <summary>
/// The adapters of a model, a module of their own: <c>alpha</c> and, for every adapted layer, its factors under PEFT's names.
/// The model beside which they stand keeps its parameters and their names.
/// </summary>
/// <remarks>Source: Hu et al. 2021; names and shapes as in PEFT.</remarks>
public sealed class LoraAdapters : nn.Module
{
    /// <summary>Name of the parameter that holds the numerator of the factor; it is not learnt.</summary>
    public const string AlphaName = "alpha";

    private const string SuffixA = ".lora_A.weight";
    private readonly Parameter alpha;
    private readonly SortedDictionary<string, LoraLayer> _layers = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, TokenRows> _rows = new(StringComparer.Ordinal);
    private readonly List<(LanguageModel Model, nn.Module<Tensor, Tensor>.HookRemover Hook)> _hooks = [];
    private bool _headSharesEmbedding;

    /// <param name="shapes">What stands beside layers and embeddings.</param>
    /// <param name="rows">Embeddings with rows of their own: path, ids, and the embedding's rows and width.</param>
    /// <param name="rank">Rank of the layers that share one.</param>
    /// <param name="alphaValue">Their numerator.</param>
    /// <param name="device">Where they live.</param>
    /// <param name="dtype">Their dtype.</param>
    internal LoraAdapters(
        IEnumerable<LoraShape> shapes,
        IEnumerable<(string Path, int[] Ids, long Rows, long Width)> rows,
        int rank,
        double alphaValue,
        Device device,
        ScalarType dtype
    )
        : base(nameof(LoraAdapters))
    {
        (Rank, Alpha) = (rank, alphaValue);
        alpha = new Parameter(tensor([alphaValue], dtype, device), requires_grad: false);
        alpha.DetachFromDisposeScope();
        RegisterComponents();
        foreach (var shape in shapes)
            Register(
                shape.Path,
                _layers[shape.Path] = shape.IsEmbedding ? new EmbeddingLora(shape, device, dtype) : new LinearLora(shape, device, dtype)
            );
        foreach (var (path, ids, count, width) in rows)
            Register(path + ".token_adapter", _rows[path] = new TokenRows(path, ids, count, width, device, dtype));
    }

    /// <summary>Rank of every adapter that has none of its own.</summary>
    public int Rank { get; }

    /// <summary>Numerator of the factor <c>alpha / rank</c>.</summary>
    public double Alpha { get; }

    /// <summary>Whether they change nothing: every second factor is zero, as <see cref="Create"/> makes it.</summary>
    public bool AreZero
    {
        get
        {
            using var scope = NewDisposeScope();
            using var _ = no_grad();
            return _rows.Count == 0 && _layers.Values.All(layer => layer.Magnitude is null && !layer.B.any().item<bool>());
        }
    }

    /// <summary>Paths of the adapted layers within the model, in ordinal order.</summary>
    public IReadOnlyCollection<string> Paths => _layers.Keys;

    /// <summary>The embeddings that have rows of their own.</summary>
    internal IReadOnlyCollection<TokenRows> Rows => _rows.Values;

    /// <summary>What stands beside layers, by path.</summary>
    internal IReadOnlyDictionary<string, LoraLayer> Layers => _layers;

    /// <summary>
    /// Puts fresh adapters beside a model's layers and freezes the model: <c>A</c> is drawn as PEFT draws it, <c>B</c> is zero, so nothing
    /// changes yet.
    /// </summary>
    /// <param name="model">The base; its own parameters get no gradients any more.</param>
    /// <param name="options">Rank, factor and layers.</param>
    /// <param name="seed">Decides the draw.</param>
    /// <exception cref="DfpoException"><c>lora/target</c>: a target names no layer; or <c>lora/options</c>.</exception>
    public static LoraAdapters Create(LanguageModel model, LoraOptions options, ulong seed)
    {
        var shapes = Chosen(model, options)
            .Select(pair => new LoraShape(
                pair.Key,
                pair.Value.InFeatures,
                pair.Value.OutFeatures,
                options.Rank,
                (double)options.Alpha / options.Rank
            ));
        var adapters = new LoraAdapters(shapes, [], options.Rank, options.Alpha, model.parameters().First().device, ScalarType.Float32);
        adapters.Draw(seed);
        adapters.AttachTo(model);
        return adapters;
    }

    /// <summary>Whether published weights are adapters.</summary>
    public static bool Are(CheckpointFolder weights) => weights.Names.Contains(AlphaName);

    /// <summary>Adapters as they were published, which stand beside no model yet, on a model's device and in its dtype.</summary>
    /// <exception cref="DfpoException"><c>lora/shape</c>.</exception>
    public static LoraAdapters Read(CheckpointFolder weights, LanguageModel model)
    {
        var (like, alpha) = (model.parameters().First(), weights.Get(AlphaName).to(ScalarType.Float32).item<float>());
        var adapters = Shaped(
            weights.Names.ToDictionary(name => name, name => weights.Entry(name).Shape.ToArray()),
            alpha,
            weights.Path,
            like.device,
            like.dtype
        );
        adapters.CopyFrom(weights.Get);
        return adapters;
    }

    /// <summary>
    /// Puts the adapters beside the layers of another model of the same shape and freezes it; what stood there before stays whole.
    /// </summary>
    /// <exception cref="DfpoException"><c>lora/target</c> or <c>lora/shape</c>: they are not this model's.</exception>
    public void AttachTo(LanguageModel model) => AttachTo(model, headSharesEmbedding: false);

    /// <param name="model">The model.</param>
    /// <param name="headSharesEmbedding">Whether the head was given a weight of its own only for this, and has the embedding's
    /// rows.</param>
    internal void AttachTo(LanguageModel model, bool headSharesEmbedding)
    {
        _headSharesEmbedding = headSharesEmbedding;
        AttachTo(model, AdaptedRows.All);
    }

    /// <summary>Puts them beside a twin of the model that they stand beside, where they work on the first half of each batch.</summary>
    internal void AttachHalfTo(LanguageModel twin) => AttachTo(twin, AdaptedRows.FirstHalf);

    private void AttachTo(LanguageModel model, AdaptedRows half)
    {
        var (projections, embeddings) = Match(model);
        foreach (var (layer, projection) in projections)
            projection.Adapter = new LoraTerm(layer, projection, model.Precision, half);
        foreach (var (layer, embedding) in embeddings)
            Hook(embedding, (found, ids) => layer.AddTo(found, ids, embedding.weight!));
        foreach (var rows in _rows.Values)
        {
            Hook(Embeddings(model)[rows.Path], rows.Replace);
            if (_headSharesEmbedding)
                Projections(model)[HeadName].Adapter = new HeadRowsTerm(rows, model.Precision, half);
        }
        model.Adapters = this;
        foreach (var parameter in model.parameters())
            parameter.requires_grad_(false);

        void Hook(Embedding embedding, Func<Tensor, Tensor, Tensor> adapt) =>
            _hooks.Add(
                (
                    model,
                    embedding.register_forward_hook(
                        (_, ids, found) => half == AdaptedRows.All ? adapt(found, ids) : OfFirstHalf(found, ids, adapt)
                    )
                )
            );
    }

    /// <summary>Parameters of the adapters that <see cref="Create"/> would make for a model; no weights are allocated.</summary>
    /// <exception cref="DfpoException"><c>lora/target</c> or <c>lora/options</c>.</exception>
    public static long Count(ModelConfig config, LoraOptions options)
    {
        using var model = Architectures.Build(config, META, ScalarType.Float32);
        return Chosen(model, options).Sum(pair => options.Rank * (pair.Value.InFeatures + pair.Value.OutFeatures));
    }

    /// <summary>Takes the adapters away from a model, whose own parameters may learn again.</summary>
    public void DetachFrom(LanguageModel model)
    {
        foreach (var projection in Projections(model).Values)
            projection.Adapter = null;
        foreach (var (_, hook) in _hooks.Where(hook => hook.Model == model))
            hook.remove();
        _hooks.RemoveAll(hook => hook.Model == model);
        model.Adapters = null;
        foreach (var parameter in model.parameters())
            parameter.requires_grad_();
    }

    /// <summary>
    /// Puts the adapters into a model's own weights; they must not stand beside it. <see cref="SubtractFrom"/> takes plain ones out again,
    /// up to rounding.
    /// </summary>
    /// <exception cref="DfpoException">As <see cref="AttachTo(LanguageModel)"/>, and <c>lora/merge</c> for a bias that the layer has no
    /// place for.</exception>
    public void AddTo(LanguageModel model)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var (projections, embeddings) = Match(model);
        var biases = projections
            .Select(pair => new LoraTerm(pair.Layer, pair.Projection, model.Precision, AdaptedRows.All).MergeBias(pair.Projection.Bias))
            .ToArray();
        foreach (var ((layer, projection), bias) in projections.Zip(biases))
        {
            projection.Weight.copy_(projection.FanInFanOut ? layer.Merge(projection.Weight.t()).t() : layer.Merge(projection.Weight));
            if (bias is not null)
                projection.Bias!.copy_(bias);
        }
        foreach (var (layer, embedding) in embeddings)
            embedding.weight!.copy_(layer.Merge(embedding.weight!.t()).t());
        foreach (var rows in _rows.Values)
            Embeddings(model)[rows.Path].weight!.copy_(rows.Merge(Embeddings(model)[rows.Path].weight!));
    }

    /// <summary>The opposite of <see cref="AddTo"/> for adapters that <see cref="Create"/> made.</summary>
    public void SubtractFrom(LanguageModel model)
    {
        using var _ = no_grad();
        foreach (var (layer, projection) in Match(model).Projections)
        {
            using var scope = NewDisposeScope();
            var delta = layer.Delta().to(projection.Weight.dtype).neg();
            projection.Weight.Increase(projection.FanInFanOut ? delta.t() : delta);
        }
    }

    /// <summary>Copies values in by parameter name, converting dtype and device.</summary>
    internal void CopyFrom(Func<string, Tensor> get)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var (name, parameter) in named_parameters().Where(p => p.name != AlphaName))
            parameter.copy_(get(name));
    }

    /// <summary>Paths of the layers of a model that adapters can be put beside, in ordinal order.</summary>
    public static IReadOnlyCollection<string> LayersOf(LanguageModel model) => Projections(model).Keys;

    /// <summary>Path of a language model's head.</summary>
    internal const string HeadName = "lm_head";

    /// <summary>Every linear layer of a model that an adapter can be put beside, by path.</summary>
    internal static SortedDictionary<string, IProjection> Projections(LanguageModel model) =>
        new(
            model
                .named_modules()
                .Where(named => named.module is IProjection)
                .ToDictionary(named => named.name, named => (IProjection)named.module),
            StringComparer.Ordinal
        );

    /// <summary>Every embedding of a model that an adapter can be put beside, by path.</summary>
    internal static SortedDictionary<string, Embedding> Embeddings(LanguageModel model) =>
        new(
            model
                .named_modules()
                .Where(named => named.module is Embedding)
                .ToDictionary(named => named.name, named => (Embedding)named.module),
            StringComparer.Ordinal
        );

    private static Tensor OfFirstHalf(Tensor found, Tensor ids, Func<Tensor, Tensor, Tensor> adapt)
    {
        using var scope = NewDisposeScope();
        var half = found.size(0) / 2;
        return cat([adapt(found.narrow(0, 0, half), ids.narrow(0, 0, half)), found.narrow(0, half, found.size(0) - half)], 0)
            .MoveToOuterDisposeScope();
    }

    /// <summary>Adapters with the shapes of published tensors, whose values are still to be copied in.</summary>
    private static LoraAdapters Shaped(
        IReadOnlyDictionary<string, long[]> entries,
        double alpha,
        string source,
        Device device,
        ScalarType dtype
    )
    {
        var shapes = new List<(string Path, long In, long Out)>();
        int? rank = null;
        foreach (
            var (name, a) in entries
                .Where(entry => entry.Key.EndsWith(SuffixA, StringComparison.Ordinal))
                .OrderBy(entry => entry.Key, StringComparer.Ordinal)
        )
        {
            var path = name[..^SuffixA.Length];
            if (path.Split('.').Any(part => part is "" or "lora_A" or "lora_B" or AlphaName))
                throw new DfpoException("lora/shape", $"'{source}' holds tensor '{name}', which names no layer.");
            if (!entries.TryGetValue($"{path}.lora_B.weight", out var b))
                throw new DfpoException("lora/shape", $"'{source}' holds '{name}' but no '{path}.lora_B.weight'.");
            if (a.Length != 2 || b.Length != 2 || a[0] != b[1] || a[0] != (rank ??= (int)a[0]) || rank is 0)
                throw new DfpoException(
                    "lora/shape",
                    $"'{source}': the factors of '{path}', [{string.Join(", ", a)}] and [{string.Join(", ", b)}], are not [rank, in] and [out, rank] with a rank of {rank}."
                );
            shapes.Add((path, a[1], b[0]));
        }
        return rank is { } of
            ? new LoraAdapters(
                shapes.Select(shape => new LoraShape(shape.Path, shape.In, shape.Out, of, alpha / of)),
                [],
                of,
                alpha,
                device,
                dtype
            )
            : throw new DfpoException("lora/shape", $"'{source}' holds no adapter: tensors named '...{SuffixA}' are needed.");
    }

    /// <summary>Registers a module under a path; the modules on the way are made.</summary>
    private void Register(string path, nn.Module module)
    {
        nn.Module parent = this;
        foreach (var part in path.Split('.')[..^1])
        {
            var child = parent.named_children().FirstOrDefault(named => named.name == part).module;
            if (child is null)
                parent.register_module(part, child = new LoraFolder());
            parent = child;
        }
        parent.register_module(path[(path.LastIndexOf('.') + 1)..], module);
    }

    private static IEnumerable<KeyValuePair<string, IProjection>> Chosen(LanguageModel model, LoraOptions options)
    {
        options.Checked();
        var projections = Projections(model);
        var targets = options.TargetsOf(model.Config.ModelType);
        if (targets.FirstOrDefault(target => !projections.Keys.Any(path => LoraOptions.Matches(path, target))) is { } unknown)
            throw new DfpoException(
                "lora/target",
                $"Option 'lora.target-modules': a model of type '{model.Config.ModelType}' has no layer '{unknown}'; there are {string.Join(", ", projections.Keys.Select(path => path[(path.LastIndexOf('.') + 1)..]).Distinct().Order())}."
            );
        return projections.Where(pair => targets.Any(target => LoraOptions.Matches(pair.Key, target)));
    }

    /// <summary>The layers of a model that the adapters belong to, all of them checked.</summary>
    private (
        List<(LinearLora Layer, IProjection Projection)> Projections,
        List<(EmbeddingLora Layer, Embedding Embedding)> Embeddings
    ) Match(LanguageModel model)
    {
        var (projections, embeddings) = (Projections(model), Embeddings(model));
        var (linear, lookups) = (new List<(LinearLora, IProjection)>(), new List<(EmbeddingLora, Embedding)>());
        foreach (var (path, layer) in _layers)
        {
            if (layer is LinearLora beside && projections.TryGetValue(path, out var projection))
            {
                RequireSizes(path, layer.Shape, projection.InFeatures, projection.OutFeatures);
                linear.Add((beside, projection));
            }
            else if (layer is EmbeddingLora looked && embeddings.TryGetValue(path, out var embedding))
            {
                RequireSizes(path, layer.Shape, embedding.weight!.size(0), embedding.weight!.size(1));
                lookups.Add((looked, embedding));
            }
            else
                throw OtherBase(path, model);
        }
        foreach (var rows in _rows.Values)
            if (!embeddings.TryGetValue(rows.Path, out var embedding))
                throw OtherBase(rows.Path, model);
            else if (rows.Values.size(1) != embedding.weight!.size(1) || rows.Ids.Any(id => id < 0 || id >= embedding.weight!.size(0)))
                throw new DfpoException(
                    "lora/shape",
                    $"The rows of '{rows.Path}' are not those of an embedding [{string.Join(", ", embedding.weight!.shape)}]: they belong to another base."
                );
        return (linear, lookups);
    }

    private static DfpoException OtherBase(string path, LanguageModel model) =>
        new(
            "lora/target",
            $"The adapter is for a layer '{path}', which a model of type '{model.Config.ModelType}' with {model.Config.NumHiddenLayers} blocks does not have: it belongs to another base."
        );

    private static void RequireSizes(string path, LoraShape shape, long from, long to)
    {
        if (shape.In != from || shape.Out != to)
            throw new DfpoException(
                "lora/shape",
                $"The adapter of '{path}' is for a layer from {shape.In} to {shape.Out}, the base's is from {from} to {to}: it belongs to another base."
            );
    }

    private void Draw(ulong seed)
    {
        using var generator = new Generator(seed);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var layer in _layers.Values)
        {
            // Kaiming's uniform draw with a = sqrt(5), which is what PEFT takes: bound 1 / sqrt(in).
            var unit = rand(layer.A.shape, generator: generator);
            layer.A.copy_(unit.Plus(-0.5).Times(2 / Math.Sqrt(layer.A.size(1))));
        }
    }
}
