using System.Text.Json.Nodes;
using DfPO.Models;
using DfPO.Models.Tokenizers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Tasks.Tests.RealModels;

/// <summary>all-MiniLM-L6-v2, a real encoder, against transformers in float32.</summary>
[Trait("Category", "RealModels")]
public sealed class MiniLmTests
{
    [Fact]
    public void IdsAndHiddenStatesAreTheOracles()
    {
        var folder = RealModel.Folder("all-minilm-l6-v2");
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = PretrainedModels.LoadEncoder(folder);
        var tokenizer = TextTokenizer.Load(folder);
        foreach (var item in (JsonArray)JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "oracle.json")))!["items"]!)
        {
            var text = (string)item!["text"]!;
            var ids = RealModel.Ids(item["ids"]!);
            Assert.Equal(ids, tokenizer.EncodeInput(text));
            var hidden = model.Hidden(RealModel.Batch(ids), null)[0];
            Near(item["first8"]!, hidden[0], text);
            Near(item["last8"]!, hidden[-1], text);
            Near(item["mean8"]!, hidden.mean([0L]), text);
            Assert.InRange(hidden.mean([0L]).norm().item<float>() / (double)item["mean_l2"]!, 1 - 1e-3, 1 + 1e-3);
        }
    }

    private static void Near(JsonNode expected, Tensor actual, string text)
    {
        foreach (var (index, value) in RealModel.Numbers(expected).Index())
            Assert.True(
                Math.Abs(actual[index].item<float>() - value) <= 1e-3,
                $"'{text}': element {index} is {actual[index].item<float>()}, not {value}"
            );
    }
}
