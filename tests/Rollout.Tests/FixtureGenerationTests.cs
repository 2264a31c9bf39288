using System.Text.RegularExpressions;
using DfPO.Rollout.Generation;
using DfPO.Rollout.Scoring;
using static TorchSharp.torch;

namespace DfPO.Rollout.Tests;

/// <summary>
/// Generation and scoring against what HF's <c>generate</c> gives with the same weights, for every architecture with a fixture.
/// </summary>
[Trait("Category", "Fixtures")]
public sealed partial class FixtureGenerationTests
{
    private const float Tolerance = 2e-4f;
    private const string Penalised = "greedy_norepeat2_reppen1.3";

    public FixtureGenerationTests() => set_num_threads(1);

    public static TheoryData<string> Greedy => [.. Fixtures.LanguageModels("greedy")];

    public static TheoryData<string> PastOriginalLength => [.. Fixtures.LanguageModels("long_greedy")];

    public static TheoryData<string> GreedyWithEnd => [.. Fixtures.LanguageModels("greedy_eos")];

    public static TheoryData<string> Beams => [.. Fixtures.LanguageModels("beam3")];

    public static TheoryData<string> PenalisedModels => [.. Fixtures.LanguageModels(Penalised)];

    public static TheoryData<string> DecoderOnly => [.. Fixtures.LanguageModels("left_padded")];

    public static TheoryData<string> EncoderDecoder => [.. Fixtures.LanguageModels("forward")];

    [Theory]
    [MemberData(nameof(Greedy))]
    public void Greedy_decoding_gives_the_original_tokens_and_log_probabilities(string name)
    {
        var greedy = Fixtures.Expected(name)["greedy"]!;
        using var model = Fixtures.Load(name);
        var engine = new GenerationEngine(model, null, endOfText: null);
        var results = engine.Generate(Fixtures.Prompts(name), new() { MaxNewTokens = (int)greedy["max_new_tokens"]!, TopK = 1 });

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

    /// <remarks>
    /// Where the rotation depends on the length, what the original gives without its cache: with it, it leaves old keys as they were.
    /// </remarks>
    [Theory]
    [MemberData(nameof(PastOriginalLength))]
    public void Greedy_decoding_past_the_original_length_gives_the_tokens_of_whole_passes(string name)
    {
        var greedy = Fixtures.Expected(name)["long_greedy"]!;
        using var model = Fixtures.Load(name);
        int[] prompt = Fixtures.Ints(greedy["input_ids"]![0]);
        // The short row beside it is left-padded, and neither row minds the other.
        var results = new GenerationEngine(model, null, null).Generate(
            [new(prompt, 1), new(prompt[..5], 1)],
            new() { MaxNewTokens = (int)greedy["max_new_tokens"]!, TopK = 1 }
        );

        Assert.Equal(Fixtures.Ints(greedy["without_cache"]!["new_tokens"]![0]), results[0].Tokens);
        AssertClose(Fixtures.Floats(greedy["without_cache"]!["new_token_logprobs"]![0]), results[0].Logprobs);
        Assert.Equal(
            new GenerationEngine(model, null, null)
                .Generate([new(prompt[..5], 1)], new() { MaxNewTokens = (int)greedy["max_new_tokens"]!, TopK = 1 })[0]
                .Tokens,
            results[1].Tokens
        );
    }

    [Theory]
    [MemberData(nameof(GreedyWithEnd))]
    public void Greedy_decoding_ends_at_the_end_of_text_token(string name)
    {
        var expected = Fixtures.Expected(name)["greedy_eos"]!;
        var eos = (int)expected["eos_token_id"]!;
        using var model = Fixtures.Load(name);
        var results = new GenerationEngine(model, null, eos).Generate(
            Fixtures.Prompts(name),
            new() { MaxNewTokens = (int)expected["max_new_tokens"]!, TopK = 1 }
        );
        for (var row = 0; row < results.Count; row++)
        {
            var (tokens, ended) = UpTo(eos, Fixtures.Ints(expected["new_tokens"]![row]));
            Assert.Equal(tokens, results[row].Tokens);
            Assert.Equal(ended, results[row].Finished);
        }
    }

    [Theory]
    [MemberData(nameof(Beams))]
    public void Beam_search_gives_the_original_continuations_and_scores(string name)
    {
        var expected = Fixtures.Expected(name)["beam3"]!;
        var (eos, count) = ((int)expected["eos_token_id"]!, (int)expected["num_return_sequences"]!);
        var rows = expected["new_tokens"]!.AsArray();
        using var model = Fixtures.Load(name);

        var results = new GenerationEngine(model, null, eos).Generate(
            [.. Fixtures.Prompts(name).Take(rows.Count / count)],
            new()
            {
                MaxNewTokens = rows.Max(row => row!.AsArray().Count),
                NumBeams = (int)expected["num_beams"]!,
                NumReturnSequences = count,
                LengthPenalty = (float)expected["length_penalty"]!,
                BeamLength = ((string)Fixtures.Expected(name)["produced_by"]!).Contains("transformers 4.28", StringComparison.Ordinal)
                    ? BeamLength.Text
                    : BeamLength.Continuation,
                EarlyStopping = (bool)expected["early_stopping"]! ? EarlyStopping.AtOnce : EarlyStopping.Heuristic,
            }
        );

        Assert.Equal(rows.Count, results.Count);
        for (var row = 0; row < results.Count; row++)
        {
            var (tokens, ended) = UpTo(eos, Fixtures.Ints(rows[row]));
            Assert.Equal(tokens, results[row].Tokens);
            Assert.Equal(ended, results[row].Finished);
            Assert.Equal((float)expected["sequences_scores"]![row]!, results[row].Score, Tolerance);
        }
    }

    [Theory]
    [MemberData(nameof(PenalisedModels))]
    public void Repetition_penalty_and_no_repeated_ngrams_give_the_original_continuations(string name)
    {
        var (expected, greedy) = (Fixtures.Expected(name)[Penalised]!["new_tokens"]!.AsArray(), Fixtures.Expected(name)["greedy"]!);
        var numbers = Numbers().Match(Penalised).Groups;
        using var model = Fixtures.Load(name);
        var results = new GenerationEngine(model, null, null).Generate(
            Fixtures.Prompts(name),
            new()
            {
                MaxNewTokens = expected[0]!.AsArray().Count,
                TopK = 1,
                NoRepeatNgramSize = int.Parse(numbers[1].Value),
                RepetitionPenalty = float.Parse(numbers[2].Value, System.Globalization.CultureInfo.InvariantCulture),
            }
        );

        var compared = 0;
        for (var row = 0; row < results.Count; row++)
        {
            // The original counts its padding as text. That changes nothing before the padding's id is chosen; here padding is never text.
            var (tokens, _) = UpTo((int)greedy["pad_token_id"]!, results[row].Tokens);
            var same = results[row].Tokens.Length == tokens.Length ? tokens.Length : tokens.Length - 1;
            Assert.Equal(Fixtures.Ints(expected[row])[..same], tokens[..same]);
            compared += same;
        }
        Assert.True(compared > expected[0]!.AsArray().Count);
    }

    [Theory]
    [MemberData(nameof(Greedy))]
    public void Scoring_gives_the_original_log_probabilities_in_one_pass(string name)
    {
        var greedy = Fixtures.Expected(name)["greedy"]!;
        using var model = Fixtures.Load(name);
        (int[], int[])[] sequences =
        [
            .. Fixtures.Prompts(name).Select((request, row) => (request.PromptTokens, Fixtures.Ints(greedy["new_tokens"]![row]))),
        ];
        var scores = SequenceScorer.Logprobs(model, sequences);
        for (var row = 0; row < sequences.Length; row++)
            AssertClose(Fixtures.Floats(greedy["new_token_logprobs"]![row]), scores[row]);
    }

    [Theory]
    [MemberData(nameof(DecoderOnly))]
    public void Scoring_whole_texts_gives_the_original_loss(string name)
    {
        var loss = Fixtures.Expected(name)["ce_loss"]!;
        using var model = Fixtures.Load(name);
        var texts = Fixtures.Unpadded(loss["input_ids"]!, loss["attention_mask"]!).ToArray();
        var scores = SequenceScorer.Logprobs(model, [.. texts.Select(text => (text[..1], text[1..]))]);
        Assert.Equal((double)loss["loss"]!, -scores.SelectMany(row => row).Average(), 1e-4);
    }

    [Theory]
    [MemberData(nameof(DecoderOnly))]
    public void Scoring_prompts_of_different_length_gives_the_original_token_logprobs(string name)
    {
        using var model = Fixtures.Load(name);
        var padded = Fixtures.Expected(name)["left_padded"]!;
        var prompts = Fixtures.Prompts(name);
        var scores = SequenceScorer.Logprobs(model, [.. prompts.Select(p => (p.PromptTokens[..1], p.PromptTokens[1..]))]);
        for (var row = 0; row < scores.Count; row++)
            AssertClose(Fixtures.Floats(padded["token_logprobs"]![row])[^scores[row].Length..], scores[row]);
    }

    [Theory]
    [MemberData(nameof(EncoderDecoder))]
    public void Scoring_labels_gives_the_original_log_probabilities_and_loss(string name)
    {
        using var model = Fixtures.Load(name);
        var expected = Fixtures.Expected(name);
        var forward = expected["forward"]!;
        var labels = Fixtures.Unpadded(forward["labels"]!, forward["token_logprobs_valid"]!).ToArray();
        var scores = SequenceScorer.Logprobs(
            model,
            [.. Fixtures.Prompts(name).Zip(labels, (request, label) => (request.PromptTokens, label))]
        );
        for (var row = 0; row < scores.Count; row++)
            AssertClose(Fixtures.Floats(forward["token_logprobs"]![row])[..labels[row].Length], scores[row]);
        Assert.Equal((double)expected["ce_loss"]!["loss"]!, -scores.SelectMany(row => row).Average(), 1e-4);
    }

    /// <summary>What comes after a token ended a row is padding.</summary>
    private static (int[] Tokens, bool Ended) UpTo(int token, int[] row)
    {
        var end = Array.IndexOf(row, token);
        return end < 0 ? (row, false) : (row[..(end + 1)], true);
    }

    private static void AssertClose(float[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], actual[i], Tolerance);
    }

    [GeneratedRegex(@"norepeat(\d+)_reppen([\d.]+)")]
    private static partial Regex Numbers();
}
