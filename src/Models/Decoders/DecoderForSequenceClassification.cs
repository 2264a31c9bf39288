using DfPO.Models.Classifiers;
using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Decoders;

/// <summary>
/// The body of a decoder of any family with a classification head, <c>score</c>, on the last real token, as HF's
/// <c>...ForSequenceClassification</c>.
/// </summary>
public sealed class DecoderForSequenceClassification : SequenceClassifier, IPretrainedModel
{
    private readonly DecoderConfig _config;
    private readonly DecoderBody _body;
    private readonly Linear _score;

    /// <exception cref="DfpoException"><c>config/field</c>: the configuration names no label.</exception>
    internal DecoderForSequenceClassification(DecoderConfig config, Device? device, ScalarType dtype)
        : base(config.ClassifierArchitecture)
    {
        if (config.Labels.Count == 0)
            throw new DfpoException("config/field", "A sequence classifier's config.json needs at least one entry in 'id2label'.");
        _config = config;
        // Before any field holds a module: they are registered under the family's names.
        RegisterComponents();
        _body = NamedModules.Register(this, config.Names.Body, new DecoderBody(config, Precision, device ?? CPU, dtype));
        _score = NamedModules.Register(
            this,
            "score",
            nn.Linear(config.EmbeddingWidth, config.Labels.Count, hasBias: false, device: device ?? CPU, dtype: dtype)
        );
    }

    /// <summary>Shape and labels of the model.</summary>
    public ModelConfig Config => _config;

    /// <inheritdoc/>
    public string Architecture => _config.ClassifierArchitecture;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Labels => _config.Labels;

    /// <inheritdoc/>
    public override int VocabularySize => _config.VocabSize;

    /// <inheritdoc/>
    public override int MaxTokens => _config.Positions;

    /// <inheritdoc/>
    public override bool IsMultiLabel =>
        _config.Labels.Count == 1 || _config.Raw["problem_type"]?.ToString() == "multi_label_classification";

    /// <inheritdoc/>
    public override Tensor Logits(Tensor inputIds, Tensor lengths)
    {
        using var scope = NewDisposeScope();
        var hidden = _body.Forward(inputIds, null, null, null, lengths);
        var last = lengths.sub(Arithmetic.One).view(-1, 1, 1).expand(-1, 1, hidden.size(2));
        return _score.call(hidden.gather(1, last).squeeze(1)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override void Initialise(ulong seed) => DecoderForCausalLM.Draw(this, _config, seed);
}
