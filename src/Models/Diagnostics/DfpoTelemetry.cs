using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace DfPO.Models.Diagnostics;

/// <summary>
/// The one source of spans and the one meter of the project, with every name that leaves it. Libraries use the BCL types alone; only the
/// host knows an exporter. Renaming anything here breaks somebody's dashboard: a test pins the names.
/// </summary>
public static class DfpoTelemetry
{
    /// <summary>Name of the activity source and of the meter.</summary>
    public const string Name = "DfPO";

    /// <summary>Spans.</summary>
    public static ActivitySource Source { get; } = new(Name);

    /// <summary>Metrics.</summary>
    public static Meter Meter { get; } = new(Name);

    /// <summary>Span names: <c>{operation} {destination}</c>, of low cardinality.</summary>
    public static class Spans
    {
        /// <summary>Root: one training iteration.</summary>
        public const string Iteration = "orchestrate iteration";

        /// <summary>Root: one evaluation of a split.</summary>
        public const string Evaluation = "orchestrate evaluation";

        /// <summary>A work unit from its hand-out to its completion, at the queue.</summary>
        public const string Unit = "process unit";

        /// <summary>Generation of a unit, at the rollout worker.</summary>
        public const string Generate = "generate unit";

        /// <summary>The pass over the prompts.</summary>
        public const string Prefill = "prefill prompts";

        /// <summary>The token-by-token loop.</summary>
        public const string Decode = "decode tokens";

        /// <summary>Teacher-forced pass for log-probabilities.</summary>
        public const string ScoreLogprobs = "score logprobs";

        /// <summary>Rewards of a unit, at the reward worker.</summary>
        public const string Score = "score unit";

        /// <summary>A learner step; links the units that fed it.</summary>
        public const string Learn = "learn batch";

        /// <summary>Values and generalised advantage estimation.</summary>
        public const string Advantages = "compute advantages";

        /// <summary>One pass over the batch.</summary>
        public const string Epoch = "optimise epoch";

        /// <summary>Making a weight version available.</summary>
        public const string Publish = "publish weights";

        /// <summary>Fetching a weight version, at a worker.</summary>
        public const string Fetch = "fetch weights";

        /// <summary>Putting it into the engine.</summary>
        public const string Apply = "apply weights";
    }

    /// <summary>Attribute names.</summary>
    public static class Tags
    {
        /// <summary>Iteration number, from 1.</summary>
        public const string Iteration = "rlhf.iteration";

        /// <summary>Weight version.</summary>
        public const string WeightsVersion = "rlhf.weights.version";

        /// <summary>Work unit.</summary>
        public const string UnitId = "rlhf.unit.id";

        /// <summary>Worker that did it.</summary>
        public const string WorkerId = "rlhf.worker.id";

        /// <summary>Decoding policy.</summary>
        public const string Policy = "rlhf.policy";

        /// <summary>Split of an evaluation.</summary>
        public const string Split = "rlhf.split";

        /// <summary>Tokens of the prompts.</summary>
        public const string InputTokens = "gen_ai.usage.input_tokens";

        /// <summary>Tokens generated.</summary>
        public const string OutputTokens = "gen_ai.usage.output_tokens";

        /// <summary>Bytes moved.</summary>
        public const string Bytes = "rlhf.weights.bytes";

        /// <summary>Bytes that a fetch moved, which a delta makes fewer than the weights have.</summary>
        public const string WireBytes = "rlhf.weights.wire_bytes";

        /// <summary>How weights were encoded: <c>dense</c> or <c>delta</c>.</summary>
        public const string Encoding = "rlhf.weights.encoding";
    }
}
