using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Host.Generation;
using DfPO.Models;
using DfPO.Models.Gpt2;
using DfPO.Models.Tokenizers;
using DfPO.Rollout;
using DfPO.Tasks.Prompts;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Host.Tests.Generation;

/// <summary>Policies whose configuration names their ends in its own way, and whose weights write nothing but one of them.</summary>
public sealed class EndOfTextCaseTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public static TheoryData<string> Cases =>
        [
            .. Directory
                .GetDirectories(Repository.Cases, "0*-eos-*")
                .Select(folder => Path.GetFileName(folder)!)
                .Order(StringComparer.Ordinal),
        ];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Cases))]
    public void Generation_and_rollout_end_at_every_end_and_at_nothing_else(string name)
    {
        File.Copy(Path.Combine(Repository.Cases, name, "model", "config.json"), _folder["config.json"]);
        TokenizerFiles.Copy(Repository.Gpt2Tokenizer, _folder.Path);
        var ends = EndOfText.Of(_folder.Path, TextTokenizer.Load(_folder.Path));
        foreach (var token in ends.Ids.Append(13))
        {
            Write(token);
            int[] expected = [.. Enumerable.Repeat(token, token == 13 ? 6 : 1)];
            var options = new GenerationOptions { MaxNewTokens = 6, TopK = 1 };
            using (var generator = TextGenerator.Load(_folder.Path, null, "cpu", "float32"))
                Assert.Equal(
                    expected,
                    generator.Generate([new Prompt("a", "the film")], options, 1, 1, null, default).Single().Sequence.Tokens
                );
            using var executor = new RolloutExecutor(_folder.Path, "cpu", "float32");
            var unit = new RolloutUnit(new UnitId("u"), [new GenerationRequest([5, 6], 1)], options, new WeightsRef(0, "d", 1, ""), ends);
            Assert.Equal(expected, ((RolloutResult)executor.Execute(unit, default)).Sequences.Single().Tokens);
        }
    }

    /// <summary>Weights that make one token by far the likeliest after anything.</summary>
    private void Write(int token)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var config = PretrainedModels.ReadConfig<Gpt2Config>(_folder.Path);
        using var model = new Gpt2LMHeadModel(config);
        model.Initialise(1);
        var (norm, bias, embedding) = (
            model.get_parameter("transformer.ln_f.weight")!,
            model.get_parameter("transformer.ln_f.bias")!,
            model.get_parameter("transformer.wte.weight")!
        );
        norm.zero_();
        bias.fill_(1f);
        embedding.zero_();
        embedding[token].fill_(10f);
        PretrainedModels.Save(_folder.Path, model, ScalarType.Float32);
    }
}
