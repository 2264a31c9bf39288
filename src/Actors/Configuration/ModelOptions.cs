using System.ComponentModel.DataAnnotations;
using DfPO.Models.Lora;
using DfPO.Models.Options;

namespace DfPO.Actors.Configuration;

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
    /// Torch threads of the learner; 0 means one a processor, for the engines rest while it learns, or in the asynchronous mode, where they
    /// do not, <see cref="RolloutOptions.Threads"/>.
    /// </summary>
    [Range(0, int.MaxValue)]
    public int LearnerThreads { get; init; }

    /// <summary>
    /// Adapters: with a rank, only they are learnt and sent to workers, beside the policy's weights, and others of their own beside the
    /// same weights for the value model, whose heads are learnt too.
    /// </summary>
    public LoraOptions Lora { get; init; } = new();
}
