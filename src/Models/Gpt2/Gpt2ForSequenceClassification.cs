using DfPO.Models.Classifiers;
using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Gpt2;

/// <summary>GPT-2 body with a classification head on the last real token, as HF's class of the same name.</summary>
public sealed class Gpt2ForSequenceClassification : SequenceClassifier, IPretrainedModel
{
    private readonly Gpt2Model transformer;
    private readonly Linear score;

    /// <summary>Builds the model with uninitialised weights.</summary>
    /// <exception cref="DfpoException"><c>config/field</c>: the configuration names no label.</exception>
    public Gpt2ForSequenceClassification(Gpt2Config config, Device? device = null, ScalarType dtype = ScalarType.Float32)
        : base(nameof(Gpt2ForSequenceClassification))
    {
        if (config.Labels.Count == 0)
            throw new DfpoException("config/field", "A sequence classifier's config.json needs at least one entry in 'id2label'.");
        Config = config;
        transformer = new Gpt2Model(config, Precision, device ?? CPU, dtype);
        score = nn.Linear(config.NEmbd, config.Labels.Count, hasBias: false, device: device ?? CPU, dtype: dtype);
        RegisterComponents();
    }

    /// <summary>Shape and labels of the model.</summary>
    public Gpt2Config Config { get; }

    ModelConfig IPretrainedModel.Config => Config;

    /// <inheritdoc/>
    public string Architecture => "GPT2ForSequenceClassification";

    /// <inheritdoc/>
    public override IReadOnlyList<string> Labels => Config.Labels;

    /// <inheritdoc/>
    public override int VocabularySize => Config.VocabSize;

    /// <inheritdoc/>
    public override int MaxTokens => Config.NPositions;

    /// <inheritdoc/>
    public override bool IsMultiLabel =>
        Config.Labels.Count == 1 || Config.Raw["problem_type"]?.ToString() == "multi_label_classification";

    /// <inheritdoc/>
    public override Tensor Logits(Tensor inputIds, Tensor lengths)
    {
        using var scope = NewDisposeScope();
        var hidden = transformer.Forward(inputIds, null, null, null);
        var last = lengths.sub(Arithmetic.One).view(-1, 1, 1).expand(-1, 1, Config.NEmbd);
        return score.call(hidden.gather(1, last).squeeze(1)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override void Initialise(ulong seed)
    {
        using var generator = new Generator(seed);
        transformer.Initialise(generator);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var drawn = randn(score.weight!.shape, generator: generator).Times(Config.InitializerRange);
        score.weight!.copy_(drawn);
    }
}
