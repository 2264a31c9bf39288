using System.ComponentModel.DataAnnotations;
using DfPO.Actors.Security;
using DfPO.Learner;
using DfPO.Learner.Advantages;
using DfPO.Learner.Objectives;
using DfPO.Models.Lora;
using DfPO.Models.Options;
using DfPO.Models.Policies;
using DfPO.Models.Tokenizers;
using DfPO.Rollout;
using DfPO.Tasks.Datasets;
using DfPO.Tasks.Metrics;
using DfPO.Tasks.Rewards;

namespace DfPO.Actors.Experiments;

/// <summary>An experiment, as its HOCON file describes it. Keys are these names in kebab-case.</summary>
public sealed record ExperimentConfig
{
    /// <summary>Name of the experiment, which starts its runs' folder names.</summary>
    [RegularExpression("[\\w.-]+", ErrorMessage = "letters, digits, '-', '_' and '.', because it names the run's folder")]
    public string Name { get; init; } = "experiment";

    /// <summary>Seed of everything random.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Training iterations: rollout, reward, update.</summary>
    [Range(1, int.MaxValue)]
    public int Iterations { get; init; } = 50;

    /// <summary>Models.</summary>
    public ModelOptions Model { get; init; } = new();

    /// <summary>Prompts and reward.</summary>
    public TaskOptions Task { get; init; } = new();

    /// <summary>Generation of training data.</summary>
    public RolloutOptions Rollout { get; init; } = new();

    /// <summary>The update.</summary>
    public LearnerOptions Learner { get; init; } = new();

    /// <summary>Generation beside learning.</summary>
    public AsyncOptions Async { get; init; } = new();

    /// <summary>Validation and test.</summary>
    public EvaluationOptions Evaluation { get; init; } = new();

    /// <summary>Resumable state.</summary>
    public CheckpointOptions Checkpoint { get; init; } = new();

    /// <summary>How the run's processes speak to each other.</summary>
    [MayChange]
    public ClusterConfig Cluster { get; init; } = new();

    /// <summary>Whether the learner holds the reference model: to score given texts, which no engine has seen, to compare the policy with it in the update, or to weigh older rollouts of masked policies.</summary>
    public bool LearnerHoldsReference() => ObjectiveRegistry.Traits(Learner) is { ReferenceInLearner: true } or { NeedsMismatched: true } or { SamplesPerPrompt: 0, NeedsReference: true }
        || (Async.MaxStaleness > 0 && Learner.RolloutCorrection != RolloutCorrection.None && ObjectiveRegistry.Traits(Learner).KlMask is not null);

    /// <summary>The KL mask of <c>pi+</c> and <c>pi-</c> outside of training: what evaluation says of decoding, or else the mask of training.</summary>
    public DecodingOptions Decoding() => Evaluation.Decoding ?? new() { MaskRule = Learner.Dfpo.MaskRule.Decoding(), Tolerance = Learner.Dfpo.Tolerance };

    /// <summary>Torch threads of the learner as they follow from the options.</summary>
    /// <remarks>MKL's number of threads is the process's: work beside the learner, which the asynchronous mode has, must use the same.</remarks>
    public int TorchThreadsOfLearner() => Model.LearnerThreads > 0 ? Model.LearnerThreads : Async.MaxStaleness > 0 ? Rollout.Threads : Environment.ProcessorCount;
}

/// <summary>How the run's processes speak to each other.</summary>
public sealed record ClusterConfig
{
    /// <summary>Mutual TLS for control and weights; plain connections when no file is named.</summary>
    public TlsOptions Tls { get; init; } = new();
}

/// <summary>The policy and what it runs on.</summary>
public sealed record ModelOptions
{
    /// <summary>Checkpoint folder that training starts from; also <c>pi_0</c>, and the value model's trunk.</summary>
    [PathOption("a checkpoint folder with config.json, model.safetensors and a tokenizer")]
    public string Policy { get; init; } = "";

    /// <summary>Precision of generation: <c>float32</c> or <c>bfloat16</c>.</summary>
    [AllowedValues("float32", "bfloat16")]
    public string Dtype { get; init; } = "float32";

    /// <summary>Device of the learner: <c>cpu</c>, <c>cuda:0</c>, ...</summary>
    [RegularExpression("cpu|cuda(:[0-9]+)?", ErrorMessage = "cpu, cuda or cuda:N")]
    public string Device { get; init; } = "cpu";

    /// <summary>
    /// Torch threads of the learner; 0 means one a processor, for the engines rest while it learns, or in the asynchronous mode, where they do not,
    /// <see cref="RolloutOptions.Threads"/>.
    /// </summary>
    [Range(0, int.MaxValue)]
    public int LearnerThreads { get; init; }

    /// <summary>Adapters: with a rank, only they are learnt and sent to workers, beside the policy's weights, and others of their own beside the same weights for the value model, whose heads are learnt too.</summary>
    public LoraOptions Lora { get; init; } = new();
}

/// <summary>Prompts and reward.</summary>
public sealed record TaskOptions
{
    /// <summary>Training prompts, a .jsonl file, with <c>references</c> where the objective learns from given texts; like the two below, it goes before <see cref="Data"/>.</summary>
    [PathOption("a .jsonl file of prompts")]
    public string TrainPrompts { get; init; } = "";

    /// <summary>Prompts of model selection.</summary>
    [PathOption("a .jsonl file of prompts")]
    public string ValidationPrompts { get; init; } = "";

    /// <summary>Prompts of the before/after table.</summary>
    [PathOption("a .jsonl file of prompts")]
    public string TestPrompts { get; init; } = "";

    /// <summary>Pairs that DPO learns from with <c>learner.dpo.pairs = offline</c>: a .jsonl file with prompt, chosen and rejected.</summary>
    [PathOption("a .jsonl file with prompt, chosen and rejected")]
    public string Preferences { get; init; } = "";

    /// <summary>Data that all splits without a file of their own are made of; <see cref="DatasetSpec.Split"/> follows from the use.</summary>
    public DatasetSpec Data { get; init; } = new();

    /// <summary>Most validation prompts made of <see cref="Data"/>; 0 takes its limit.</summary>
    [Range(0, int.MaxValue)]
    public int ValidationLimit { get; init; }

    /// <summary>Most test prompts made of <see cref="Data"/>; 0 takes its limit.</summary>
    [Range(0, int.MaxValue)]
    public int TestLimit { get; init; }

    /// <summary>Longest prompt in tokens.</summary>
    [Range(1, int.MaxValue)]
    [Unit("tokens")]
    public int MaxPromptTokens { get; init; } = 64;

    /// <summary>The end that a longer prompt loses: RL4LMs cuts the beginning of IMDB's prompts, and the end of CommonGen's.</summary>
    public TruncationSide TruncationSide { get; init; } = TruncationSide.Left;

    /// <summary>Longest text in tokens that supervised learning takes of a reference; 0 for <c>rollout.generation.max-new-tokens</c>.</summary>
    [Range(0, int.MaxValue)]
    [Unit("tokens")]
    public int MaxReferenceTokens { get; init; }

    /// <summary>What rewards; the default is the classifier that the next two keys name.</summary>
    public RewardSpec Reward { get; init; } = new();

    /// <summary>Checkpoint folder of the classifier that rewards, where one does.</summary>
    [PathOption("a classifier's checkpoint folder")]
    public string RewardModel { get; init; } = "";

    /// <summary>The class whose probability is the reward.</summary>
    [MinLength(1)]
    public string RewardLabel { get; init; } = "pos";
}

/// <summary>Generation of training data.</summary>
public sealed record RolloutOptions
{
    /// <summary>Prompts an iteration (paper: batch 16). Each is continued as often as the objective asks: once by each of its policies, or by GRPO, RLOO and DPO several times; of DPO's given pairs, pairs an iteration.</summary>
    [Range(1, int.MaxValue)]
    public int PromptsPerIteration { get; init; } = 16;

    /// <summary>Continuations of a work unit, the quantum of determinism; must divide those of an iteration, and be a multiple of a prompt's, which are never parted.</summary>
    [Range(1, int.MaxValue)]
    public int UnitSize { get; init; } = 16;

    /// <summary>Rollout engines in this process.</summary>
    [Range(0, int.MaxValue)]
    public int Workers { get; init; } = 1;

    /// <summary>Devices of those engines, in turn.</summary>
    [MinLength(1)]
    [RegularExpression("cpu|cuda(:[0-9]+)?", ErrorMessage = "cpu, cuda or cuda:N")]
    public IReadOnlyList<string> Devices { get; init; } = ["cpu"];

    /// <summary>Torch threads an engine; engines side by side beat threads inside one.</summary>
    [Range(1, int.MaxValue)]
    public int Threads { get; init; } = 1;

    /// <summary>Reward workers in this process.</summary>
    [Range(0, int.MaxValue)]
    public int RewardWorkers { get; init; } = 1;

    /// <summary>How continuations are drawn; policy, mask rule and tolerance follow from the objective.</summary>
    public GenerationOptions Generation { get; init; } = new();

    /// <summary>A unit not returned in this time is handed out again.</summary>
    public TimeSpan UnitTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Worker processes that one holder of weights serves; more than that fetch from each other, as a tree.</summary>
    [Range(1, int.MaxValue)]
    public int RelayFanOut { get; init; } = 8;

    /// <summary>Waiting units stop the run when nobody was there to do them for so long; workers come and go meanwhile.</summary>
    public TimeSpan WorkerPatience { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>A unit that fails or times out this often stops the run.</summary>
    [Range(1, int.MaxValue)]
    public int MaxAttempts { get; init; } = 3;
}

/// <summary>Generation beside learning.</summary>
public sealed record AsyncOptions
{
    /// <summary>
    /// Most updates between the weights that draw a continuation and the weights that learn from it. 0 is the synchronous mode: an iteration's
    /// continuations come from its own weights, and engines and learner wait for each other. Else so many iterations are rolled out ahead.
    /// </summary>
    [Range(0, int.MaxValue)]
    public int MaxStaleness { get; init; }

    /// <summary>Weight versions that must stay available: those of units on their way, and one for a worker in mid-fetch.</summary>
    public int WeightVersions => MaxStaleness + 2;
}

/// <summary>Validation and test.</summary>
public sealed record EvaluationOptions
{
    /// <summary>Iterations between validations; the best one's weights are tested at the end.</summary>
    [Range(1, int.MaxValue)]
    [Unit("iterations")]
    public int Every { get; init; } = 5;

    /// <summary>Continuations of each prompt; more of them make the figures steadier.</summary>
    [Range(1, int.MaxValue)]
    public int SamplesPerPrompt { get; init; } = 1;

    /// <summary>Continuations of each test prompt, which the verdict is of and which are drawn three times in a run; 0 for as many as of the others.</summary>
    [Range(0, int.MaxValue)]
    public int TestSamplesPerPrompt { get; init; }

    /// <summary>Continuations shown side by side at the end.</summary>
    [Range(0, int.MaxValue)]
    public int Samples { get; init; } = 3;

    /// <summary>Relative change of perplexity that still counts as none in a run's verdict, an equivalence test; greater than 0, below 1.</summary>
    [Range(0.0, 1.0, MinimumIsExclusive = true, MaximumIsExclusive = true)]
    public double EquivalenceMargin { get; init; } = 0.05;

    /// <summary>Text metrics of every evaluation, by their names in <see cref="EvaluationMetrics"/>.</summary>
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

    /// <summary>The encoder's layer that <c>bert-score</c> compares, from 1; 0 for the one that bert_score takes for a model of this shape.</summary>
    [Range(0, int.MaxValue)]
    public int BertScoreLayer { get; init; }

    /// <summary>Checkpoint folder of the decoder-only model whose perplexity of the continuations <c>model-perplexity</c> is.</summary>
    [PathOption("a decoder-only model's checkpoint folder")]
    public string PerplexityModel { get; init; } = "";

    /// <summary>How continuations are drawn that are evaluated: keys here go over <c>rollout.generation</c>, which holds when there are none. Under a KL mask beams are sampled instead.</summary>
    public GenerationOptions? Generation { get; init; }

    /// <summary>The KL mask under which <c>pi+</c> and <c>pi-</c> are evaluated, generated and distilled; that of training, <c>learner.dfpo</c>, where nothing is said.</summary>
    public DecodingOptions? Decoding { get; init; }
}

/// <summary>The KL mask of a decoding: keys that are not given are those of <c>learner.dfpo</c>.</summary>
public sealed record DecodingOptions
{
    /// <summary>Threshold of the mask.</summary>
    public KlMaskRule MaskRule { get; init; } = new DfpoOptions().MaskRule.Decoding();

    /// <summary>Tolerance <c>tau</c>, nats, at least 0.</summary>
    [Range(0, double.PositiveInfinity)]
    public float Tolerance { get; init; } = new DfpoOptions().Tolerance;
}

/// <summary>Resumable state.</summary>
public sealed record CheckpointOptions
{
    /// <summary>Iterations between checkpoints.</summary>
    [Range(1, int.MaxValue)]
    [Unit("iterations")]
    public int Every { get; init; } = 1;
}
