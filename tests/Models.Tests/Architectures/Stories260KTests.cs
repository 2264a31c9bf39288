using System.Text.Json;
using DfPO.Models.Tests.Support;
using TorchSharp;
using static DfPO.Models.Tests.Support.TensorAssert;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Architectures;

/// <summary>A real Llama-type model with grouped-query attention, against its independently computed text and logits.</summary>
[Trait("Category", "Fixtures")]
public sealed class Stories260KTests
{
    private static readonly string s_folder = TestFiles.Checkpoint("stories260K");
    private static readonly JsonElement s_oracle = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(s_folder, "oracle.json"))).RootElement;

    [Fact]
    public void LogitsEqualTheOracle()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = PretrainedModels.LoadCausalLM(s_folder);

        var logits = model.Logits(s_oracle.Ids("logits_ids").unsqueeze(0)).squeeze(0);

        Assert.Equal("LlamaForCausalLM", model.Architecture);
        Close(s_oracle.Tensor("logits_last_row"), logits[-1], 1e-3);
        Close(s_oracle.Tensor("logits_sum_per_row"), logits.sum(1), 0.05);
    }

    [Fact]
    public void TheGreedyStoryEqualsTheOracle()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = PretrainedModels.LoadCausalLM(s_folder);
        var story = s_oracle.Ids("greedy_ids_from_bos");
        using var cache = model.CreateCache(1, story.numel());

        for (var t = 0; t < story.numel() - 1; t++)
            Assert.Equal(story[t + 1].item<long>(), model.Logits(story[t].view(1, 1), cache: cache)[0, 0].argmax().item<long>());
    }
}
