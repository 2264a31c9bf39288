using DfPO.Models.Checkpoints;
using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Lora;

/// <summary>
/// The adapters of a model, a module of their own: <c>alpha</c> and <c>{path}.lora_A.weight</c>, <c>{path}.lora_B.weight</c> for every adapted layer.
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
    private readonly Scalar _scale;

    private LoraAdapters(int rank, double alphaValue, IEnumerable<(string Path, long In, long Out)> layers, Device device, ScalarType dtype) : base(nameof(LoraAdapters))
    {
        (Rank, _scale) = (rank, Arithmetic.Kept(alphaValue / rank));
        alpha = new Parameter(tensor([alphaValue], dtype, device), requires_grad: false);
        alpha.DetachFromDisposeScope();
        RegisterComponents();
        foreach (var (path, from, to) in layers)
        {
            var layer = _layers[path] = new LoraLayer(from, to, rank, device, dtype);
            Parent(path).register_module(path[(path.LastIndexOf('.') + 1)..], layer);
        }
    }

    /// <summary>Rank of every adapter.</summary>
    public int Rank { get; }

    /// <summary>Numerator of the factor <c>alpha / rank</c>.</summary>
    public double Alpha => _scale.ToDouble() * Rank;

    /// <summary>Whether they change nothing: every second factor is zero, as <see cref="Create"/> makes it.</summary>
    public bool AreZero
    {
        get
        {
            using var scope = NewDisposeScope();
            using var _ = no_grad();
            return _layers.Values.All(layer => !layer.B.any().item<bool>());
        }
    }

    /// <summary>Paths of the adapted layers within the model, in ordinal order.</summary>
    public IReadOnlyCollection<string> Paths => _layers.Keys;

    /// <summary>Puts fresh adapters beside a model's layers and freezes the model: <c>A</c> is drawn as PEFT draws it, <c>B</c> is zero, so nothing changes yet.</summary>
    /// <param name="model">The base; its own parameters get no gradients any more.</param>
    /// <param name="options">Rank, factor and layers.</param>
    /// <param name="seed">Decides the draw.</param>
    /// <exception cref="DfpoException"><c>lora/target</c>: a target names no layer; or <c>lora/options</c>.</exception>
    public static LoraAdapters Create(LanguageModel model, LoraOptions options, ulong seed)
    {
        var adapters = new LoraAdapters(options.Rank, options.Alpha, Chosen(model, options).Select(pair => (pair.Key, pair.Value.InFeatures, pair.Value.OutFeatures)), model.parameters().First().device, ScalarType.Float32);
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
        var adapters = Shaped(weights.Names.ToDictionary(name => name, name => weights.Entry(name).Shape.ToArray()), alpha, weights.Path, like.device, like.dtype);
        adapters.CopyFrom(weights.Get);
        return adapters;
    }

    /// <summary>Adapters with the shapes of named tensors, whose values are still to be copied in.</summary>
    /// <param name="entries">Shapes by parameter name; those of <c>lora_A</c> and <c>lora_B</c> are needed.</param>
    /// <param name="alpha">Numerator of the factor.</param>
    /// <param name="source">Named in errors.</param>
    /// <param name="device">Where they live.</param>
    /// <param name="dtype">Their dtype.</param>
    /// <exception cref="DfpoException"><c>lora/shape</c>.</exception>
    internal static LoraAdapters Shaped(IReadOnlyDictionary<string, long[]> entries, double alpha, string source, Device device, ScalarType dtype)
    {
        var layers = new List<(string Path, long In, long Out)>();
        int? rank = null;
        foreach (var (name, a) in entries.Where(entry => entry.Key.EndsWith(SuffixA, StringComparison.Ordinal)).OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            var path = name[..^SuffixA.Length];
            if (path.Split('.').Any(part => part is "" or "lora_A" or "lora_B" or AlphaName))
                throw new DfpoException("lora/shape", $"'{source}' holds tensor '{name}', which names no layer.");
            if (!entries.TryGetValue($"{path}.lora_B.weight", out var b))
                throw new DfpoException("lora/shape", $"'{source}' holds '{name}' but no '{path}.lora_B.weight'.");
            if (a.Length != 2 || b.Length != 2 || a[0] != b[1] || a[0] != (rank ??= (int)a[0]) || rank is 0)
                throw new DfpoException("lora/shape", $"'{source}': the factors of '{path}', [{string.Join(", ", a)}] and [{string.Join(", ", b)}], are not [rank, in] and [out, rank] with a rank of {rank}.");
            layers.Add((path, a[1], b[0]));
        }
        return rank is { } of
            ? new LoraAdapters(of, alpha, layers, device, dtype)
            : throw new DfpoException("lora/shape", $"'{source}' holds no adapter: tensors named '...{SuffixA}' are needed.");
    }

    /// <summary>Puts the adapters beside the layers of another model of the same shape and freezes it; what stood there before stays whole.</summary>
    /// <exception cref="DfpoException"><c>lora/target</c> or <c>lora/shape</c>: they are not this model's.</exception>
    public void AttachTo(LanguageModel model)
    {
        foreach (var (_, projection) in Match(model))
            projection.Projection.Adapter = new LoraTerm(projection.Layer, _scale, model.Precision);
        model.Adapters = this;
        foreach (var parameter in model.parameters())
            parameter.requires_grad_(false);
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
        model.Adapters = null;
        foreach (var parameter in model.parameters())
            parameter.requires_grad_();
    }

    /// <summary>Adds the adapters' products to a model's own weights; the adapters must not stand beside it. <see cref="SubtractFrom"/> takes them out again, up to rounding.</summary>
    /// <exception cref="DfpoException">As <see cref="AttachTo"/>.</exception>
    public void AddTo(LanguageModel model) => Accumulate(model, 1);

    /// <summary>The opposite of <see cref="AddTo"/>.</summary>
    public void SubtractFrom(LanguageModel model) => Accumulate(model, -1);

    /// <summary>Copies values in by parameter name, converting dtype and device.</summary>
    internal void CopyFrom(Func<string, Tensor> get)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var (path, layer) in _layers)
        {
            layer.A.copy_(get($"{path}{SuffixA}"));
            layer.B.copy_(get($"{path}.lora_B.weight"));
        }
    }

    /// <summary>Paths of the layers of a model that adapters can be put beside, in ordinal order.</summary>
    public static IReadOnlyCollection<string> LayersOf(LanguageModel model) => Projections(model).Keys;

    /// <summary>Every layer of a model that an adapter can be put beside, by path.</summary>
    internal static SortedDictionary<string, IProjection> Projections(LanguageModel model) =>
        new(model.named_modules().Where(named => named.module is IProjection).ToDictionary(named => named.name, named => (IProjection)named.module), StringComparer.Ordinal);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _scale.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>The module that a path's last part is registered with; those on the way are made.</summary>
    private nn.Module Parent(string path)
    {
        nn.Module parent = this;
        foreach (var part in path.Split('.')[..^1])
        {
            var child = parent.named_children().FirstOrDefault(named => named.name == part).module;
            if (child is null)
                parent.register_module(part, child = new LoraFolder());
            parent = child;
        }
        return parent;
    }

    private void Accumulate(LanguageModel model, int sign)
    {
        using var _ = no_grad();
        foreach (var (_, (layer, projection)) in Match(model))
        {
            using var scope = NewDisposeScope();
            var delta = new LoraTerm(layer, _scale, model.Precision).Delta();
            var own = (projection.FanInFanOut ? delta.t() : delta).to(projection.Weight.dtype);
            projection.Weight.add_(sign > 0 ? own : own.neg(), Arithmetic.One);
        }
    }

    private static IEnumerable<KeyValuePair<string, IProjection>> Chosen(LanguageModel model, LoraOptions options)
    {
        options.Checked();
        var projections = Projections(model);
        var targets = options.TargetsOf(model.Config.ModelType);
        if (targets.FirstOrDefault(target => !projections.Keys.Any(path => LoraOptions.Matches(path, target))) is { } unknown)
            throw new DfpoException("lora/target",
                $"Option 'lora.target-modules': a model of type '{model.Config.ModelType}' has no layer '{unknown}'; there are {string.Join(", ", projections.Keys.Select(path => path[(path.LastIndexOf('.') + 1)..]).Distinct().Order())}.");
        return projections.Where(pair => targets.Any(target => LoraOptions.Matches(pair.Key, target)));
    }

    /// <summary>The layers of a model that the adapters belong to, all of them checked.</summary>
    private Dictionary<string, (LoraLayer Layer, IProjection Projection)> Match(LanguageModel model)
    {
        var projections = Projections(model);
        var matched = new Dictionary<string, (LoraLayer, IProjection)>();
        foreach (var (path, layer) in _layers)
        {
            if (!projections.TryGetValue(path, out var projection))
                throw new DfpoException("lora/target", $"The adapter is for a layer '{path}', which a model of type '{model.Config.ModelType}' with {model.Config.NumHiddenLayers} blocks does not have: it belongs to another base.");
            if (layer.A.size(1) != projection.InFeatures || layer.B.size(0) != projection.OutFeatures)
                throw new DfpoException("lora/shape",
                    $"The adapter of '{path}' is for a layer from {layer.A.size(1)} to {layer.B.size(0)}, the base's is from {projection.InFeatures} to {projection.OutFeatures}: it belongs to another base.");
            matched.Add(path, (layer, projection));
        }
        return matched;
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
