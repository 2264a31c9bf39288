using System.Text.Json;
using DfPO.Models.T5;
using DfPO.Models.Tests.Support;
using TorchSharp;
using static DfPO.Models.Tests.Support.TensorAssert;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Architectures;

/// <summary>Every encoder-decoder architecture against what HF's transformers computes with the same weights.</summary>
[Trait("Category", "Fixtures")]
public sealed class EncoderDecoderFixtureTests
{
    public static TheoryData<string> Fixtures => TestFiles.EncoderDecoderFixtures;

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void EncoderDecoderAndHeadEqualTheOriginal(string fixture)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var model = TestFiles.LoadEncoderDecoder(fixture);
        var forward = TestFiles.Expected(fixture).GetProperty("forward");
        Tensor ids = forward.Ids("input_ids"),
            mask = forward.Ids("attention_mask"),
            valid = forward.Ids("decoder_attention_mask");

        var encoded = model.Encode(ids, mask);
        var hidden = model.DecoderHidden(forward.Ids("decoder_input_ids"), model.Remember(encoded, mask));
        var logits = model.Head(hidden);

        Close(forward.Tensor("encoder_last_hidden_state"), encoded, 1e-4, mask);
        Close(forward.Tensor("decoder_last_hidden_state"), hidden, 1e-4, valid);
        Close(forward.Tensor("logits"), logits, 2e-4, valid);
        Close(logits, model.Logits(new ModelInput(forward.Ids("decoder_input_ids"), ids, mask)), 1e-6);
        var labels = forward.Ids("labels").clamp_min(0).unsqueeze(2);
        Close(
            forward.Tensor("token_logprobs"),
            logits.log_softmax(-1).gather(2, labels).squeeze(2),
            2e-4,
            forward.Ids("token_logprobs_valid")
        );
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void PaddingDoesNotChangeWhatARowSays(string fixture)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var model = TestFiles.LoadEncoderDecoder(fixture);
        var forward = TestFiles.Expected(fixture).GetProperty("forward");
        Tensor ids = forward.Ids("input_ids"),
            mask = forward.Ids("attention_mask"),
            decoder = forward.Ids("decoder_input_ids");
        var logits = model.Logits(new ModelInput(decoder, ids, mask));

        for (var row = 0; row < ids.size(0); row++)
        {
            var real = mask[row].sum().item<long>();
            Close(
                model.Logits(new ModelInput(decoder.narrow(0, row, 1), ids.narrow(0, row, 1).narrow(1, 0, real))),
                logits.narrow(0, row, 1),
                5e-5
            );
        }
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void TheTeacherForcedBatchGivesTheOriginalLogprobs(string fixture)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var model = TestFiles.LoadEncoderDecoder(fixture);
        var forward = TestFiles.Expected(fixture).GetProperty("forward");
        var sequences = Rows(forward, "input_ids", "attention_mask").Zip(Rows(forward, "labels", "token_logprobs_valid")).ToArray();

        var batch = TeacherForcedBatch.Create(model, sequences, CPU);
        var logprobs = model
            .Head(batch.SelectStates(model.Hidden(batch.Input)))
            .log_softmax(-1)
            .gather(1, batch.Actions.unsqueeze(1))
            .squeeze(1);

        Close(forward.Tensor("token_logprobs").masked_select(forward.Ids("token_logprobs_valid").to(ScalarType.Bool)), logprobs, 2e-4);
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void RelativePositionBucketsEqualTheOriginal(string fixture)
    {
        var expected = TestFiles.Expected(fixture).GetProperty("relative_position_buckets");
        int[] Numbers(string field) => [.. expected.GetProperty(field).EnumerateArray().Select(n => n.GetInt32())];
        var relative = Numbers("relative_position(key-query)");
        var (buckets, distance) = (expected.GetProperty("num_buckets").GetInt32(), expected.GetProperty("max_distance").GetInt32());

        Assert.Equal(Numbers("bidirectional"), relative.Select(r => RelativePositions.Bucket(r, true, buckets, distance)));
        Assert.Equal(Numbers("unidirectional"), relative.Select(r => RelativePositions.Bucket(r, false, buckets, distance)));
        var (both, one) = (Numbers("default_32_128_bidirectional"), Numbers("default_32_128_unidirectional"));
        var around = Enumerable.Range(-(both.Length / 2), both.Length);
        Assert.Equal(both, around.Select(r => RelativePositions.Bucket(r, true, 32, 128)));
        Assert.Equal(one, around.Select(r => RelativePositions.Bucket(r, false, 32, 128)));
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void PositionBiasesEqualTheOriginal(string fixture)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var (model, expected) = (TestFiles.LoadEncoderDecoder(fixture), TestFiles.Expected(fixture));
        foreach (var stack in new[] { "encoder", "decoder" })
        {
            var bias = expected.EnumerateObject().Single(p => p.Name.StartsWith($"position_bias_{stack}_")).Name;
            var wanted = expected.Tensor(bias);
            var weight = model
                .named_parameters()
                .Single(p => p.name == $"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight")
                .parameter;
            var distance = expected.GetProperty("relative_position_buckets").GetProperty("max_distance").GetInt32();
            Tensor Bias(long queries, long keys, long past) =>
                RelativePositions.Bias(weight, stack == "encoder", distance, queries, keys, past).squeeze(0);

            Close(wanted, Bias(wanted.size(1), wanted.size(2), 0), 1e-6);
            // The last query alone, as in a step of decoding.
            Close(wanted.narrow(1, -1, 1), Bias(1, wanted.size(2), wanted.size(2) - 1), 1e-6);
        }
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void GreedyContinuationWithCachesEqualsTheOriginalAndWholePasses(string fixture)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var model = TestFiles.LoadEncoderDecoder(fixture);
        var (forward, greedy) = (TestFiles.Expected(fixture).GetProperty("forward"), TestFiles.Expected(fixture).GetProperty("greedy"));
        Tensor ids = forward.Ids("input_ids"),
            mask = forward.Ids("attention_mask");
        var steps = greedy.GetProperty("max_new_tokens").GetInt32();
        var memory = model.Remember(model.Encode(ids, mask), mask);
        using var cache = model.CreateCache(ids.size(0), steps);
        var text = full([ids.size(0), 1], greedy.GetProperty("decoder_start_token_id").GetInt64(), ScalarType.Int64);

        for (var step = 0; step < steps; step++)
        {
            var logits = model.Head(model.DecoderHidden(text.narrow(1, -1, 1), memory, cache)).squeeze(1);
            Close(model.Logits(new ModelInput(text, ids, mask)).select(1, -1), logits, 1e-4);
            var next = logits.argmax(-1, keepdim: true);
            Close(greedy.Ids("new_tokens").narrow(1, step, 1), next, 0);
            Close(greedy.Tensor("new_token_logprobs").narrow(1, step, 1), logits.log_softmax(-1).gather(1, next), 2e-4);
            text = cat([text, next], 1);
        }
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void LossAndGradientsEqualTheOriginal(string fixture)
    {
        using var scope = NewDisposeScope();
        var (model, expected) = (TestFiles.LoadEncoderDecoder(fixture), TestFiles.Expected(fixture));

        var loss = Loss(model, expected.GetProperty("forward"));
        loss.backward();

        TrainingAssert.Gradients(model, expected, loss);
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void OptimiserStepsEqualTheOriginal(string fixture)
    {
        using var scope = NewDisposeScope();
        var expected = TestFiles.Expected(fixture);

        TrainingAssert.OptimiserSteps(
            dtype => TestFiles.LoadEncoderDecoder(fixture, dtype),
            model => Loss(model, expected.GetProperty("forward")),
            expected
        );
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void Bfloat16ProductsStayCloseToFloat32(string fixture)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var model = TestFiles.LoadEncoderDecoder(fixture);
        var forward = TestFiles.Expected(fixture).GetProperty("forward");
        var input = new ModelInput(forward.Ids("decoder_input_ids"), forward.Ids("input_ids"), forward.Ids("attention_mask"));
        var exact = model.Logits(input).log_softmax(-1);

        model.Precision.MatmulDtype = ScalarType.BFloat16;
        var rough = model.Logits(input).to(ScalarType.Float32).log_softmax(-1);

        Assert.Equal(ScalarType.Float32, model.Hidden(input).dtype);
        var divergence = (exact.exp() * (exact - rough)).sum(-1);
        // Attention without scaling has large scores, of which bfloat16 knows 8 bits.
        Assert.InRange(divergence.masked_select(forward.Ids("decoder_attention_mask").to(ScalarType.Bool)).mean().item<float>(), 0, 0.1);
        Assert.False(exact.equal(rough).all().item<bool>());
    }

    /// <summary>Mean cross-entropy over the labels that are not -100.</summary>
    private static Tensor Loss(EncoderDecoderLM model, JsonElement forward)
    {
        var logits = model.Logits(
            new ModelInput(forward.Ids("decoder_input_ids"), forward.Ids("input_ids"), forward.Ids("attention_mask"))
        );
        return nn.functional.cross_entropy(logits.flatten(0, 1), forward.Ids("labels").flatten());
    }

    private static IEnumerable<int[]> Rows(JsonElement json, string ids, string mask) =>
        json.GetProperty(ids)
            .EnumerateArray()
            .Zip(json.GetProperty(mask).EnumerateArray(), (row, real) =>
                row.EnumerateArray()
                    .Zip(real.EnumerateArray())
                    .Where(pair => pair.Second.GetInt32() == 1)
                    .Select(pair => pair.First.GetInt32())
                    .ToArray()
            );
}
