using System.ComponentModel.DataAnnotations;
using DfPO.Models.Options;
using DfPO.Models.Policies;
using DfPO.Rollout;
using DfPO.Tasks.Rewards;

namespace DfPO.Actors.Configuration;

/// <summary>Validation and test.</summary>
public sealed record EvaluationOptions
{
    /// <summary>Iterations between validations; the best one's weights are tested at the end.</summary>
    [Range(1, int.MaxValue)]
    [Unit("iterations")]
    public int Every { get; init; } = 5;

    /// <summary>
    /// The decoding policies that are evaluated after training and on the way; the one that selects the model, <c>dfpo.decode</c>, always
    /// is.
    /// </summary>
    [MinLength(1)]
    public IReadOnlyList<DecodingPolicy> Policies { get; init; } = [DecodingPolicy.Policy, DecodingPolicy.Negative];

    /// <summary>Continuations of each prompt; more of them make the figures steadier.</summary>
    [Range(1, int.MaxValue)]
    public int SamplesPerPrompt { get; init; } = 1;

    /// <summary>
    /// Continuations of each test prompt, which the verdict is of and which are drawn before training and with each decoding policy after
    /// it; 0 for as many as of the others.
    /// </summary>
    [Range(0, int.MaxValue)]
    public int TestSamplesPerPrompt { get; init; }

    /// <summary>Continuations shown side by side at the end.</summary>
    [Range(0, int.MaxValue)]
    public int Samples { get; init; } = 3;

    /// <summary>
    /// Relative change of perplexity that still counts as none in a run's verdict, an equivalence test; greater than 0, below 1.
    /// </summary>
    [Range(0.0, 1.0, MinimumIsExclusive = true, MaximumIsExclusive = true)]
    public double EquivalenceMargin { get; init; } = 0.05;

    /// <summary>Text metrics of every evaluation, by their names in <see cref="Evaluation.EvaluationMetrics"/>.</summary>
    public IReadOnlyList<string> Metrics { get; init; } = [];

    /// <summary>WordNet for METEOR and coverage; that of the reward when empty.</summary>
    [PathOption("WordNet's folder or archive", Except = RewardFiles.None)]
    public string WordNet { get; init; } = "";

    /// <summary>VADER's lexicon; that of the reward when empty.</summary>
    [PathOption("vader_lexicon.txt")]
    public string Lexicon { get; init; } = "";

    /// <summary>SPICE's program, for the metric of that name.</summary>
    [PathOption("SPICE's program")]
    public string SpiceJar { get; init; } = "";

    /// <summary>Checkpoint folder of the encoder of the metric <c>bert-score</c>: roberta-large, in RL4LMs.</summary>
    [PathOption("an encoder's checkpoint folder")]
    public string BertScoreModel { get; init; } = "";

    /// <summary>
    /// The encoder's layer that <c>bert-score</c> compares, from 1; 0 for the one that bert_score takes for a model of this shape.
    /// </summary>
    [Range(0, int.MaxValue)]
    public int BertScoreLayer { get; init; }

    /// <summary>Checkpoint folder of the decoder-only model whose perplexity of the continuations <c>model-perplexity</c> is.</summary>
    [PathOption("a decoder-only model's checkpoint folder")]
    public string PerplexityModel { get; init; } = "";

    /// <summary>
    /// How continuations are drawn that are evaluated: keys here go over <c>rollout.generation</c>, which holds when there are none. Under
    /// a KL mask beams are sampled instead.
    /// </summary>
    public GenerationOptions? Generation { get; init; }

    /// <summary>
    /// The KL mask under which <c>pi+</c> and <c>pi-</c> are evaluated, generated and distilled; that of training, <c>learner.dfpo</c>,
    /// where nothing is said.
    /// </summary>
    public DecodingOptions? Decoding { get; init; }
}
