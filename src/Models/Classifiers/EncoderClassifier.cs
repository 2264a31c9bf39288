using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Classifiers;

/// <summary>A bidirectional encoder with a classification head on its first token: BERT, RoBERTa and DistilBERT.</summary>
public abstract class EncoderClassifier : SequenceClassifier
{
    private EncoderModel _body = null!;

    private protected EncoderClassifier(EncoderConfig config, string architecture)
        : base(architecture)
    {
        (Config, Architecture) = (config, architecture);
        // Before any field holds a module: their names are registered one by one.
        RegisterComponents();
    }

    /// <summary>Shape and labels of the model.</summary>
    public EncoderConfig Config { get; }

    /// <summary>Its class in HF's transformers.</summary>
    public string Architecture { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Labels => Config.Labels;

    /// <inheritdoc/>
    public override int VocabularySize => Config.VocabSize;

    /// <inheritdoc/>
    public override int MaxTokens => Config.MaxTokens;

    /// <inheritdoc/>
    public override bool IsMultiLabel => Config.Labels.Count == 1 || Config.ProblemType == "multi_label_classification";

    /// <summary>A classifier with uninitialised weights.</summary>
    /// <exception cref="DfpoException"><c>model/unknown-type</c>, or <c>config/field</c> for an unknown activation.</exception>
    public static EncoderClassifier Create(EncoderConfig config, Device? device = null, ScalarType dtype = ScalarType.Float32) =>
        config.ModelType switch
        {
            "bert" => new BertForSequenceClassification(config, device, dtype),
            "distilbert" => new DistilBertForSequenceClassification(config, device, dtype),
            "roberta" => new RobertaForSequenceClassification(config, device, dtype),
            var type => throw new DfpoException("model/unknown-type", $"There is no encoder of type '{type}'."),
        };

    /// <inheritdoc/>
    public override Tensor Logits(Tensor inputIds, Tensor lengths)
    {
        using var scope = NewDisposeScope();
        var mask = Arithmetic.Range(inputIds.size(1), device: inputIds.device).unsqueeze(0).lt(lengths.unsqueeze(1)).to(ScalarType.Int64);
        // RoBERTa tells padding by its id.
        var ids = inputIds.Filled(mask.Is(0), Config.PadTokenId);
        return MaskedLogits(ids, mask).MoveToOuterDisposeScope();
    }

    /// <summary>Class scores of inputs as HF takes them.</summary>
    /// <param name="inputIds">Token ids <c>[batch, time]</c>, int64.</param>
    /// <param name="attentionMask"><c>[batch, time]</c>, 1 for real tokens; null when nothing is padded.</param>
    /// <param name="tokenTypeIds"><c>[batch, time]</c>, int64, for pairs of texts; null for all 0.</param>
    /// <returns><c>[batch, labels]</c>.</returns>
    public Tensor MaskedLogits(Tensor inputIds, Tensor? attentionMask, Tensor? tokenTypeIds = null)
    {
        using var scope = NewDisposeScope();
        return Head(Hidden(inputIds, attentionMask, tokenTypeIds).select(1, 0)).MoveToOuterDisposeScope();
    }

    /// <summary>Hidden states <c>[batch, time, width]</c> of a layer, of the last one when null; see <see cref="MaskedLogits"/>.</summary>
    public Tensor Hidden(Tensor inputIds, Tensor? attentionMask, Tensor? tokenTypeIds = null, int? layer = null) =>
        _body.Forward(inputIds, attentionMask, tokenTypeIds, layer);

    /// <summary>What the first layer sees <c>[batch, time, width]</c>.</summary>
    public Tensor Embed(Tensor inputIds, Tensor? tokenTypeIds = null) => _body.Embed(inputIds, tokenTypeIds);

    /// <inheritdoc/>
    /// <remarks>As HF does: normal matrices and embeddings, zero biases, unit norms.</remarks>
    public override void Initialise(ulong seed)
    {
        using var generator = new Generator(seed);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var (name, parameter) in named_parameters())
        {
            if (parameter.dim() > 1)
                parameter.copy_(randn(parameter.shape, generator: generator).Times(Config.InitializerRange));
            else
                parameter.Fill(name.EndsWith(".bias", StringComparison.Ordinal) ? 0 : 1);
        }
    }

    /// <summary>Scores of the first token's hidden state <c>[batch, width]</c>.</summary>
    protected abstract Tensor Head(Tensor first);

    private protected EncoderModel Body(string name, EncoderNames names, Device? device, ScalarType dtype)
    {
        _body = new EncoderModel(Config, names, Precision, device ?? CPU, dtype);
        register_module(name, _body);
        return _body;
    }

    private protected Linear Dense(long outputs, Device? device, ScalarType dtype) =>
        nn.Linear(Config.HiddenSize, outputs, device: device ?? CPU, dtype: dtype);
}

/// <summary>BERT: a pooler with tanh, which belongs to the body, and a linear head.</summary>
public sealed class BertForSequenceClassification : EncoderClassifier
{
    private readonly Linear _pooler;
    private readonly Linear _classifier;

    internal BertForSequenceClassification(EncoderConfig config, Device? device, ScalarType dtype)
        : base(config, nameof(BertForSequenceClassification))
    {
        _pooler = Body("bert", EncoderNames.Bert, device, dtype).Add("pooler.dense", Dense(config.HiddenSize, device, dtype));
        register_module("classifier", _classifier = Dense(config.Labels.Count, device, dtype));
    }

    /// <inheritdoc/>
    protected override Tensor Head(Tensor first) => _classifier.call(_pooler.call(first).tanh());
}

/// <summary>DistilBERT: a dense layer with ReLU and a linear head.</summary>
public sealed class DistilBertForSequenceClassification : EncoderClassifier
{
    private readonly Linear _pre;
    private readonly Linear _classifier;

    internal DistilBertForSequenceClassification(EncoderConfig config, Device? device, ScalarType dtype)
        : base(config, nameof(DistilBertForSequenceClassification))
    {
        Body("distilbert", EncoderNames.DistilBert, device, dtype);
        register_module("pre_classifier", _pre = Dense(config.HiddenSize, device, dtype));
        register_module("classifier", _classifier = Dense(config.Labels.Count, device, dtype));
    }

    /// <inheritdoc/>
    protected override Tensor Head(Tensor first) => _classifier.call(_pre.call(first).relu());
}

/// <summary>RoBERTa: a dense layer with tanh and a linear head.</summary>
public sealed class RobertaForSequenceClassification : EncoderClassifier
{
    private readonly Linear _dense;
    private readonly Linear _output;

    internal RobertaForSequenceClassification(EncoderConfig config, Device? device, ScalarType dtype)
        : base(config, nameof(RobertaForSequenceClassification))
    {
        Body("roberta", EncoderNames.Bert, device, dtype);
        var head = new NamedModules("classifier");
        _dense = head.Add("dense", Dense(config.HiddenSize, device, dtype));
        _output = head.Add("out_proj", Dense(config.Labels.Count, device, dtype));
        register_module("classifier", head);
    }

    /// <inheritdoc/>
    protected override Tensor Head(Tensor first) => _output.call(_dense.call(first).tanh());
}
