using System.Diagnostics;
using DfPO.Models;
using DfPO.Models.Diagnostics;
using DfPO.Models.Gpt2;
using DfPO.Models.Policies;
using DfPO.Rollout.Generation;
using DfPO.Rollout.Scoring;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Rollout.Tests;

public sealed class GenerationEngineTests
{
    private const int Eos = 5;

    [Theory]
    [InlineData(ScalarType.Float32, 2e-4)]
    [InlineData(ScalarType.BFloat16, 0.15)]
    public void Decoding_with_the_cache_agrees_with_a_full_pass(ScalarType dtype, double tolerance)
    {
        using var model = TinyModels.Create(dtype: dtype);
        var results = new GenerationEngine(model, null, null).Generate(TinyModels.Requests(11), new() { MaxNewTokens = 20 });
        var scores = SequenceScorer.Logprobs(model, [.. results.Select(r => (r.PromptTokens, r.Tokens))]);
        foreach (var (result, score) in results.Zip(scores))
        {
            Assert.Equal(20, result.Tokens.Length);
            for (var i = 0; i < score.Length; i++)
                Assert.Equal(score[i], result.Logprobs[i], tolerance);
        }
    }

    [Fact]
    public void Mixed_precision_decodes_as_its_full_pass_does()
    {
        using var model = TinyModels.Create();
        model.Precision.MatmulDtype = ScalarType.BFloat16;
        var results = new GenerationEngine(model, null, null).Generate(TinyModels.Requests(3), new() { MaxNewTokens = 20 });
        var scores = SequenceScorer.Logprobs(model, [.. results.Select(r => (r.PromptTokens, r.Tokens))]);
        foreach (var (result, score) in results.Zip(scores))
        {
            for (var i = 0; i < score.Length; i++)
                Assert.Equal(score[i], result.Logprobs[i], 0.15);
        }
    }

    [Fact]
    public void Without_filters_the_sampled_distribution_is_the_policy()
    {
        using var model = TinyModels.Create();
        foreach (var result in new GenerationEngine(model, null, null).Generate(TinyModels.Requests(4), new() { MaxNewTokens = 8 }))
        {
            Assert.Equal(result.Logprobs, result.SamplingLogprobs);
            Assert.Empty(result.ReferenceLogprobs);
            Assert.Empty(result.StateKl);
            Assert.Empty(result.RetainedMass);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Every_token_that_ends_a_text_ends_it_and_none_comes_before_the_minimum_length(int beams)
    {
        using var model = TinyModels.Create();
        var options = new GenerationOptions { MaxNewTokens = 12, NumBeams = beams };
        var free = new GenerationEngine(model, null, null).Generate(TinyModels.Requests(8), options);
        int[] ends =
        [
            .. free.SelectMany(r => r.Tokens)
                .CountBy(token => token)
                .OrderByDescending(pair => pair.Value)
                .Take(3)
                .Select(pair => pair.Key),
        ];

        var results = new GenerationEngine(model, null, EndOfText.Of(ends)).Generate(TinyModels.Requests(8), options);
        var late = new GenerationEngine(model, null, EndOfText.Of(ends)).Generate(
            TinyModels.Requests(8),
            options with
            {
                MinNewTokens = 5,
            }
        );

        Assert.All(results.Concat(late), r => Assert.DoesNotContain(r.Tokens[..^1], token => ends.Contains(token)));
        Assert.All(results.Concat(late), r => Assert.Equal(r.Finished, ends.Contains(r.Tokens[^1])));
        Assert.True(results.Where(r => r.Finished).Select(r => r.Tokens[^1]).Distinct().Count() > 1);
        Assert.All(late, r => Assert.True(r.Tokens.Length > 5));
    }

    [Fact]
    public void The_end_of_text_token_is_forbidden_before_the_minimum_length()
    {
        using var model = TinyModels.Create();
        var engine = new GenerationEngine(model, null, Eos);
        var options = new GenerationOptions { MaxNewTokens = 40, TopK = 40 };
        var free = engine.Generate(TinyModels.Requests(24), options);
        Assert.Contains(free, result => result.Finished && result.Tokens.Length < 30);
        foreach (var result in free.Concat(engine.Generate(TinyModels.Requests(24), options with { MinNewTokens = 30 })))
        {
            Assert.Equal(result.Finished, result.Tokens[^1] == Eos);
            Assert.DoesNotContain(Eos, result.Tokens[..^1]);
        }
        Assert.All(engine.Generate(TinyModels.Requests(24), options with { MinNewTokens = 30 }), result =>
            Assert.True(result.Tokens.Length >= 30)
        );
    }

    [Theory]
    [InlineData(DecodingPolicy.Policy)]
    [InlineData(DecodingPolicy.Negative)]
    public void A_row_does_not_depend_on_when_others_leave_the_batch(DecodingPolicy decoding)
    {
        using var model = TinyModels.Perturbed();
        using var reference = TinyModels.Create();
        var requests = TinyModels.Requests(60);
        var options = new GenerationOptions { MaxNewTokens = 40, Policy = decoding };
        // Nothing ends without an end-of-text token, so no row ever leaves; cut afterwards, the same tokens must remain.
        var whole = new GenerationEngine(model, reference, null).Generate(requests, options);
        var ended = new GenerationEngine(model, reference, Eos).Generate(requests, options);
        Assert.True(ended.Select(r => r.Tokens.Length).Distinct().Count() > 4, "rows must leave at different times");
        for (var row = 0; row < requests.Length; row++)
        {
            var length = ended[row].Tokens.Length;
            Assert.Equal(whole[row].Tokens[..length], ended[row].Tokens);
            for (var i = 0; i < length; i++)
            {
                Assert.Equal(whole[row].Logprobs[i], ended[row].Logprobs[i], 1e-4);
                Assert.Equal(whole[row].StateKl[i], ended[row].StateKl[i], 1e-4);
            }
        }
    }

    [Fact]
    public void A_rows_random_numbers_are_its_own()
    {
        using var model = TinyModels.Create();
        var engine = new GenerationEngine(model, null, null);
        var requests = TinyModels.Requests(6);
        var together = engine.Generate(requests, new() { MaxNewTokens = 16 });
        for (var row = 0; row < requests.Length; row++)
            Assert.Equal(together[row].Tokens, engine.Generate([requests[row]], new() { MaxNewTokens = 16 })[0].Tokens);
        var reseeded = engine.Generate([.. requests.Select(r => r with { Seed = r.Seed + 1_000_000 })], new() { MaxNewTokens = 16 });
        Assert.NotEqual(together.SelectMany(r => r.Tokens), reseeded.SelectMany(r => r.Tokens));
    }

    [Theory]
    [InlineData(3)]
    [InlineData(16)]
    public void The_number_of_threads_changes_no_bit(int rows)
    {
        using var model = TinyModels.Perturbed();
        using var reference = TinyModels.Create();
        var engine = new GenerationEngine(model, reference, Eos);
        IReadOnlyList<GeneratedSequence> With(int threads, DecodingPolicy decoding)
        {
            set_num_threads(threads);
            try
            {
                return engine.Generate(TinyModels.Requests(rows), new() { MaxNewTokens = 24, Policy = decoding });
            }
            finally
            {
                set_num_threads(1);
            }
        }
        foreach (var decoding in Enum.GetValues<DecodingPolicy>())
            AssertSame(With(1, decoding), With(2, decoding));
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void The_number_of_threads_changes_no_bit_of_a_wide_model(ScalarType dtype)
    {
        set_num_threads(1);
        using var model = new Gpt2LMHeadModel(
            new Gpt2Config
            {
                VocabSize = 7001,
                NPositions = 64,
                NEmbd = 768,
                NLayer = 1,
                NHead = 12,
                InitializerRange = 0.06,
            },
            CPU,
            dtype
        );
        model.Initialise(1);
        using var decoder = model.CreateDecoder();
        foreach (var rows in new[] { 1, 2, 5, 7 })
        {
            int[][] prompts = [.. TinyModels.Requests(rows).Select(r => r.PromptTokens)];
            float[] Logits(int threads)
            {
                using var _ = no_grad();
                using var session = decoder.Open(prompts, 3);
                session.Prefill().Dispose();
                set_num_threads(threads);
                session.Step(new int[rows]).Dispose();
                using var logits = session.Step(Enumerable.Repeat(3, rows).ToArray());
                set_num_threads(1);
                using var floats = logits.to(ScalarType.Float32);
                return floats.data<float>().ToArray();
            }
            Assert.Equal(Logits(1), Logits(Math.Min(2, decoder.StepThreads)));
        }
    }

    [Fact]
    public void Activities_tell_prefill_decode_and_scoring()
    {
        var names = new List<string>();
        using var parent = new Activity("test").Start();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == DfpoTelemetry.Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = activity =>
            {
                if (activity.TraceId == parent.TraceId)
                    names.Add(activity.OperationName);
            },
        };
        ActivitySource.AddActivityListener(listener);
        using var model = TinyModels.Create();
        new GenerationEngine(model, model, null).Generate(TinyModels.Requests(2), new() { MaxNewTokens = 2 });
        Assert.Equal([DfpoTelemetry.Spans.Prefill, DfpoTelemetry.Spans.Decode, DfpoTelemetry.Spans.ScoreLogprobs], names);
    }

    [Fact]
    public void Bad_requests_are_refused_before_any_work()
    {
        using var model = TinyModels.Create();
        var engine = new GenerationEngine(model, null, null);
        GenerationRequest[] one = [new([1], 1)];
        string Code(GenerationRequest[] requests, GenerationOptions options) =>
            Assert.Throws<DfpoException>(() => engine.Generate(requests, options)).Code;
        Assert.Equal("generation/options", Code(one, new() { MaxNewTokens = 0 }));
        Assert.Equal("generation/options", Code(one, new() { Temperature = 0 }));
        Assert.Equal("generation/empty-prompt", Code([new([1], 1), new([], 1)], new()));
        Assert.Equal("generation/token-id", Code([new([61], 1)], new()));
        Assert.Equal("generation/no-reference", Code(one, new() { Policy = DecodingPolicy.Negative }));
        Assert.Equal("model/too-long", Code(one, new() { MaxNewTokens = 64 }));
        Assert.Empty(engine.Generate([], new()));
    }

    [Fact]
    public void A_prompt_may_fill_the_model_to_its_last_position()
    {
        using var model = TinyModels.Create();
        var result = Assert.Single(new GenerationEngine(model, null, null).Generate([new([1], 1)], new() { MaxNewTokens = 63 }));
        Assert.Equal(63, result.Tokens.Length);
    }

    [Fact]
    public void Diverged_weights_are_named()
    {
        using var model = TinyModels.Create();
        using (no_grad())
            model.parameters().First().fill_(double.NaN);
        Assert.Equal(
            "generation/not-finite",
            Assert.Throws<DfpoException>(() => new GenerationEngine(model, null, null).Generate([new([1], 1)], new())).Code
        );
    }

    [Fact]
    public void Cancellation_ends_a_generation()
    {
        using var model = TinyModels.Create();
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Assert.Throws<OperationCanceledException>(() =>
            new GenerationEngine(model, null, null).Generate([new([1], 1)], new(), cancelled.Token)
        );
    }

    [Fact]
    public void No_tensor_outlives_a_generation()
    {
        using var model = TinyModels.Perturbed();
        using var reference = TinyModels.Create();
        var engine = new GenerationEngine(model, reference, Eos);
        long Live()
        {
            foreach (var decoding in Enum.GetValues<DecodingPolicy>())
                engine.Generate(
                    TinyModels.Requests(10),
                    new()
                    {
                        MaxNewTokens = 12,
                        Policy = decoding,
                        TopP = 0.9f,
                    }
                );
            SequenceScorer.Logprobs(model, [([1, 2], [3, 4])]);
            return DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        }
        var first = Live();
        Assert.Equal(first, Live());
    }

    [Fact]
    public void Memory_stays_flat_over_many_calls()
    {
        using var model = TinyModels.Create(vocabulary: 2003);
        var engine = new GenerationEngine(model, model, Eos);
        void Generate(int calls)
        {
            for (var i = 0; i < calls; i++)
                engine.Generate(TinyModels.Requests(12, (ulong)i), new() { MaxNewTokens = 16, Policy = DecodingPolicy.Negative });
        }
        Generate(10);
        var before = ResidentMiB();
        Generate(60);
        // 60 calls handle over 100 MB of logits and caches.
        Assert.True(ResidentMiB() - before < 40, $"resident memory grew from {before} to {ResidentMiB()} MiB");

        static double ResidentMiB()
        {
            using var process = Process.GetCurrentProcess();
            return process.WorkingSet64 / 1048576.0;
        }
    }

    internal static void AssertSame(IReadOnlyList<GeneratedSequence> expected, IReadOnlyList<GeneratedSequence> actual)
    {
        Assert.Equal(expected.Count, actual.Count);
        foreach (var (e, a) in expected.Zip(actual))
        {
            Assert.Equal(e.Tokens, a.Tokens);
            Assert.Equal(e.Logprobs, a.Logprobs);
            Assert.Equal(e.SamplingLogprobs, a.SamplingLogprobs);
            Assert.Equal(e.ReferenceLogprobs, a.ReferenceLogprobs);
            Assert.Equal(e.StateKl, a.StateKl);
            Assert.Equal(e.RetainedMass, a.RetainedMass);
        }
    }
}
