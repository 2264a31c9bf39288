using System.Text;
using System.Text.Json.Nodes;
using DfPO.Models;
using DfPO.Models.Tokenizers;
using DfPO.Tasks.Tables;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Tasks.Tests.RealModels;

/// <summary>SmolLM2-135M from its quantised GGUF file, against transformers on the same weights in float32.</summary>
[Trait("Category", "RealModels")]
public sealed class SmolLm2Tests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly IDisposable _noGrad = no_grad();
    private readonly string _folder = RealModel.Folder("smollm2");
    private readonly JsonNode _oracle;

    public SmolLm2Tests() => _oracle = JsonNode.Parse(File.ReadAllText(Path.Combine(_folder, "oracle.json")))!;

    public void Dispose()
    {
        _noGrad.Dispose();
        _scope.Dispose();
    }

    [Fact]
    public void TokenIdsAreTheOracles()
    {
        var tokenizer = TextTokenizer.Load(_folder);
        Assert.Equal((int)_oracle["eos_token_id"]!, tokenizer.EosTokenId);
        Assert.Equal((int)_oracle["pad_token_id"]!, tokenizer.PadTokenId);
        foreach (var item in (JsonArray)_oracle["tokenizer"]!)
            Assert.True(
                RealModel.Ids(item!["ids"]!).SequenceEqual(tokenizer.Encode((string)item["text"]!)),
                $"'{item["text"]}': {string.Join(",", tokenizer.Encode((string)item["text"]!))} instead of {item["ids"]!.ToJsonString()}"
            );
    }

    [Fact]
    public void LogitsAndGreedyTokensAreTheOracles()
    {
        using var model = PretrainedModels.LoadCausalLM(_folder);
        var tokenizer = TextTokenizer.Load(_folder);
        foreach (var item in (JsonArray)_oracle["greedy"]!)
        {
            var prompt = (string)item!["prompt"]!;
            var ids = RealModel.Ids(item["ids"]!);
            Assert.Equal(ids, tokenizer.Encode(prompt));
            var logits = model.Logits(RealModel.Batch(ids))[0];
            var last = logits[-1];
            var top = item["last_logits_top10"]!;
            foreach (var (id, value) in RealModel.Ids(top["ids"]!).Zip(RealModel.Numbers(top["logits"]!)))
                Near(value, last[id].item<float>(), 1e-3, $"'{prompt}': logit of {id}");
            Near((double)item["last_logits_mean"]!, last.mean().item<float>(), 1e-3, $"'{prompt}': mean of logits");
            Near((double)item["last_logits_std"]!, last.std().item<float>(), 1e-3, $"'{prompt}': deviation of logits");
            var logprobs = nn.functional.log_softmax(logits, -1);
            foreach (var (position, value) in RealModel.Numbers(item["token_logprobs"]!).Index())
                Near(
                    value,
                    logprobs[position][ids[position + 1]].item<float>(),
                    1e-3,
                    $"'{prompt}': log-probability of token {position + 1}"
                );
            Near((double)item["entropy_last"]!, -(logprobs[-1].exp() * logprobs[-1]).sum().item<float>(), 1e-3, $"'{prompt}': entropy");
            var expected = RealModel.Ids(item["greedy_ids"]!)[..(int)item["greedy_safe_tokens"]!];
            Assert.Equal(expected, Greedy(model, ids, expected.Length));
        }
    }

    [Theory]
    [InlineData(ScalarType.Float32, 0.001)]
    [InlineData(ScalarType.BFloat16, 0.01)]
    public void PerplexityIsTheOracles(ScalarType dtype, double tolerance)
    {
        using var model = PretrainedModels.LoadCausalLM(_folder, dtype: dtype);
        var tokenizer = TextTokenizer.Load(_folder);
        var items = ((JsonArray)_oracle["perplexity"]!["items"]!).ToDictionary(item => (string)item!["file"]!);
        var (sum, scored) = (0.0, 0L);
        foreach (var file in TarArchive.Read(SharedData.Path("imdb/aclImdb_labeled.tar.xz")))
        {
            if (!items.Remove(file.Name.TrimStart('.', '/'), out var item))
                continue;
            using var text = new StreamReader(file.Content, Encoding.UTF8);
            using var scope = NewDisposeScope();
            int[] ids = [.. tokenizer.Encode(text.ReadToEnd().Replace("<br />", " ", StringComparison.Ordinal)).Take(128)];
            Assert.Equal((int)item!["tokens"]!, ids.Length);
            var batch = RealModel.Batch(ids);
            var logprobs = nn.functional.log_softmax(model.Logits(batch)[0].to(ScalarType.Float32), -1);
            var loss = -logprobs
                .narrow(0, 0, ids.Length - 1)
                .gather(1, batch[0].narrow(0, 1, ids.Length - 1).unsqueeze(1))
                .sum(ScalarType.Float64)
                .item<double>();
            Assert.InRange(loss / (double)item["nll_nats"]!, 1 - (5 * tolerance), 1 + (5 * tolerance));
            (sum, scored) = (sum + loss, scored + ids.Length - 1);
            if (items.Count == 0)
                break;
        }
        Assert.Empty(items);
        Assert.Equal((long)_oracle["perplexity"]!["scored_tokens"]!, scored);
        Assert.InRange(Math.Exp(sum / scored) / (double)_oracle["perplexity"]!["perplexity"]!, 1 - tolerance, 1 + tolerance);
    }

    private static int[] Greedy(CausalLM model, int[] prompt, int count)
    {
        using var cache = model.CreateCache(1, prompt.Length + count);
        var tokens = new List<int>();
        var input = prompt;
        while (tokens.Count < count)
        {
            using var scope = NewDisposeScope();
            input = [(int)model.Logits(RealModel.Batch(input), cache: cache)[0][-1].argmax().item<long>()];
            tokens.AddRange(input);
        }
        return [.. tokens];
    }

    private static void Near(double expected, double actual, double relative, string what) =>
        Assert.True(Math.Abs(actual - expected) <= relative * Math.Max(1, Math.Abs(expected)), $"{what} is {actual}, not {expected}");
}
