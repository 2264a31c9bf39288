using DfPO.Models;
using static TorchSharp.torch;

namespace DfPO.Rollout.Tests;

[Trait("Category", "Fixtures")]
public sealed class FixtureGenerationTests
{
    private const float Tolerance = 2e-4f;

    public static TheoryData<string> Models => [.. Fixtures.GreedyModels()];

    [Theory]
    [MemberData(nameof(Models))]
    public void Greedy_decoding_gives_the_original_tokens_and_log_probabilities(string name)
    {
        set_num_threads(1);
        var greedy = Fixtures.Expected(name)["greedy"]!;
        using var model = PretrainedModels.LoadCausalLM(Path.Combine(Repository.Fixtures, name));
        var engine = new GenerationEngine(model, null, eosTokenId: null);
        var results = engine.Generate(Prompts(name), new() { MaxNewTokens = (int)greedy["max_new_tokens"]!, TopK = 1 });

        var expected = greedy["new_tokens"]!.AsArray();
        Assert.Equal(expected.Count, results.Count);
        for (var row = 0; row < results.Count; row++)
        {
            Assert.Equal(Fixtures.Ints(expected[row]), results[row].Tokens);
            Assert.False(results[row].Finished);
            Assert.All(results[row].SamplingLogprobs, logprob => Assert.Equal(0, logprob, Tolerance));
            AssertClose(Fixtures.Floats(greedy["new_token_logprobs"]![row]), results[row].Logprobs);
        }
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Greedy_decoding_ends_at_the_end_of_text_token(string name)
    {
        set_num_threads(1);
        var expected = Fixtures.Expected(name)["greedy_eos"]!;
        var eos = (int)expected["eos_token_id"]!;
        using var model = PretrainedModels.LoadCausalLM(Path.Combine(Repository.Fixtures, name));
        var results = new GenerationEngine(model, null, eos).Generate(Prompts(name), new() { MaxNewTokens = (int)expected["max_new_tokens"]!, TopK = 1 });
        for (var row = 0; row < results.Count; row++)
        {
            var padded = Fixtures.Ints(expected["new_tokens"]![row]);
            var end = Array.IndexOf(padded, eos);
            Assert.Equal(end < 0 ? padded : padded[..(end + 1)], results[row].Tokens);
            Assert.Equal(end >= 0, results[row].Finished);
        }
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Scoring_gives_the_original_log_probabilities_in_one_pass(string name)
    {
        set_num_threads(1);
        var greedy = Fixtures.Expected(name)["greedy"]!;
        using var model = PretrainedModels.LoadCausalLM(Path.Combine(Repository.Fixtures, name));
        (int[], int[])[] sequences = [.. Prompts(name).Select((request, row) => (request.PromptTokens, Fixtures.Ints(greedy["new_tokens"]![row])))];
        var scores = SequenceScorer.Logprobs(model, sequences);
        for (var row = 0; row < sequences.Length; row++)
            AssertClose(Fixtures.Floats(greedy["new_token_logprobs"]![row]), scores[row]);
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Scoring_whole_texts_gives_the_original_loss(string name)
    {
        set_num_threads(1);
        var loss = Fixtures.Expected(name)["ce_loss"]!;
        using var model = PretrainedModels.LoadCausalLM(Path.Combine(Repository.Fixtures, name));
        var texts = loss["input_ids"]!.AsArray().Zip(loss["attention_mask"]!.AsArray(), (ids, mask) => Fixtures.Ints(ids)[..Fixtures.Ints(mask).Sum()]).ToArray();
        var scores = SequenceScorer.Logprobs(model, [.. texts.Select(text => (text[..1], text[1..]))]);
        Assert.Equal((double)loss["loss"]!, -scores.SelectMany(row => row).Average(), 1e-4);
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Scoring_prompts_of_different_length_gives_the_original_token_logprobs(string name)
    {
        set_num_threads(1);
        using var model = PretrainedModels.LoadCausalLM(Path.Combine(Repository.Fixtures, name));
        var padded = Fixtures.Expected(name)["left_padded"]!;
        var prompts = Prompts(name);
        var scores = SequenceScorer.Logprobs(model, [.. prompts.Select(p => (p.PromptTokens[..1], p.PromptTokens[1..]))]);
        for (var row = 0; row < scores.Count; row++)
            AssertClose(Fixtures.Floats(padded["token_logprobs"]![row])[^scores[row].Length..], scores[row]);
    }

    private static GenerationRequest[] Prompts(string name)
    {
        var padded = Fixtures.Expected(name)["left_padded"]!;
        return [.. padded["input_ids"]!.AsArray().Zip(padded["attention_mask"]!.AsArray(), (ids, mask) =>
            new GenerationRequest([.. Fixtures.Ints(ids).Zip(Fixtures.Ints(mask)).Where(pair => pair.Second == 1).Select(pair => pair.First)], Seed: 1))];
    }

    private static void AssertClose(float[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], actual[i], Tolerance);
    }
}
