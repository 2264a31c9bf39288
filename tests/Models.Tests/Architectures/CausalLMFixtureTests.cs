using System.Text.Json;
using DfPO.Models.Tests.Support;
using TorchSharp;
using static DfPO.Models.Tests.Support.TensorAssert;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Architectures;

/// <summary>Every decoder-only architecture against what HF's transformers computes with the same weights.</summary>
[Trait("Category", "Fixtures")]
public sealed class CausalLMFixtureTests
{
    public static TheoryData<string> Fixtures => TestFiles.CausalFixtures;

    public static TheoryData<string> Folders => TestFiles.CausalFolders;

    public static TheoryData<string> Long => TestFiles.LongFixtures;

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void LogitsAndHiddenStatesUnderLeftPaddingEqualTheOriginal(string fixture)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var model = TestFiles.LoadCausal(fixture);
        var padded = TestFiles.Expected(fixture).GetProperty("left_padded");
        Tensor ids = padded.Ids("input_ids"),
            mask = padded.Ids("attention_mask");

        var hidden = model.Hidden(ids, mask);

        Close(padded.Tensor("last_hidden_state"), hidden, 1e-4, mask);
        Close(padded.Tensor("logits"), model.Head(hidden), 2e-4, mask);
        Close(padded.Tensor("logits"), model.Logits(ids, mask, positionIds: padded.Ids("position_ids")), 2e-4, mask);
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void TokenLogprobsAndEntropiesEqualTheOriginal(string fixture)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var model = TestFiles.LoadCausal(fixture);
        var padded = TestFiles.Expected(fixture).GetProperty("left_padded");
        Tensor ids = padded.Ids("input_ids"),
            mask = padded.Ids("attention_mask");
        var time = ids.size(1);

        var logprobs = model.Logits(ids, mask).log_softmax(-1);

        var taken = logprobs.narrow(1, 0, time - 1).gather(2, ids.narrow(1, 1, time - 1).unsqueeze(2)).squeeze(2);
        Close(padded.Tensor("token_logprobs"), taken, 2e-4, padded.Ids("token_logprobs_valid"));
        Close(padded.Tensor("entropy"), -(logprobs.exp() * logprobs).sum(-1), 2e-4, mask);
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void PaddingDoesNotChangeWhatARowSays(string fixture)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var model = TestFiles.LoadCausal(fixture);
        var padded = TestFiles.Expected(fixture).GetProperty("left_padded");
        Tensor ids = padded.Ids("input_ids"),
            mask = padded.Ids("attention_mask");
        var logits = model.Logits(ids, mask);

        for (var row = 0; row < ids.size(0); row++)
        {
            var real = mask[row].sum().item<long>();
            var alone = ids.narrow(0, row, 1).narrow(1, ids.size(1) - real, real);
            Close(model.Logits(alone), logits.narrow(0, row, 1).narrow(1, ids.size(1) - real, real), 5e-5);
            // The same row padded on the other side, without a mask: what follows is never looked at.
            var right = cat([alone, ones([1, ids.size(1) - real], ScalarType.Int64)], 1);
            Close(model.Logits(alone), model.Logits(right).narrow(1, 0, real), 5e-5);
        }
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void GreedyContinuationByWholePassesEqualsTheOriginal(string fixture)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var model = TestFiles.LoadCausal(fixture);
        var (ids, mask, greedy) = Prompts(fixture);

        for (var step = 0; step < greedy.GetProperty("max_new_tokens").GetInt32(); step++)
        {
            CheckStep(model.Logits(ids, mask).select(1, -1), greedy, step, out var next);
            (ids, mask) = (cat([ids, next], 1), cat([mask, ones_like(next)], 1));
        }
        Close(greedy.Ids("sequences"), ids, 0);
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void GreedyContinuationWithACacheEqualsTheOriginal(string fixture)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var model = TestFiles.LoadCausal(fixture);
        var (ids, mask, greedy) = Prompts(fixture);
        var steps = greedy.GetProperty("max_new_tokens").GetInt32();
        using var cache = model.CreateCache(ids.size(0), ids.size(1) + steps);

        for (var step = 0; step < steps; step++)
        {
            CheckStep(model.Logits(ids, mask, cache).select(1, -1), greedy, step, out ids);
            mask = cat([mask, ones_like(ids)], 1);
        }
        Assert.Equal(mask.size(1) - 1, cache.Length);
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void LossAndGradientsEqualTheOriginal(string fixture)
    {
        using var scope = NewDisposeScope();
        var model = TestFiles.LoadCausal(fixture);
        var expected = TestFiles.Expected(fixture);

        var loss = Loss(model, expected.GetProperty("ce_loss"));
        loss.backward();

        TrainingAssert.Gradients(model, expected, loss);
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void OptimiserStepsEqualTheOriginal(string fixture)
    {
        using var scope = NewDisposeScope();
        var expected = TestFiles.Expected(fixture);

        TrainingAssert.OptimiserSteps(
            dtype => TestFiles.LoadCausal(fixture, dtype),
            model => Loss(model, expected.GetProperty("ce_loss")),
            expected
        );
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void Bfloat16ProductsStayCloseToFloat32(string fixture)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var model = TestFiles.LoadCausal(fixture);
        var padded = TestFiles.Expected(fixture).GetProperty("left_padded");
        Tensor ids = padded.Ids("input_ids"),
            mask = padded.Ids("attention_mask");
        var exact = model.Logits(ids, mask).log_softmax(-1);

        model.Precision.MatmulDtype = ScalarType.BFloat16;
        var logits = model.Logits(ids, mask);

        Assert.Equal(ScalarType.Float32, model.Hidden(ids, mask).dtype);
        var rough = logits.to(ScalarType.Float32).log_softmax(-1);
        // bfloat16 has 8 bits: a logit of 8 is known to 0.03.
        var divergence = (exact.exp() * (exact - rough)).sum(-1);
        Close(zeros_like(divergence), divergence, 0.03, mask);
        Assert.False(exact.equal(rough).all().item<bool>());
    }

    [Theory]
    [MemberData(nameof(Long))]
    public void ARowPastWindowsAndOriginalLengthsEqualsTheOriginal(string fixture)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var model = TestFiles.LoadCausal(fixture);
        var row = TestFiles.Expected(fixture).GetProperty("long");
        var ids = row.Ids("input_ids");

        CheckLong(row, ids, model.Logits(ids));
    }

    [Theory]
    [MemberData(nameof(Long))]
    public void DecodingPastWindowsAndOriginalLengthsEqualsWholePasses(string fixture)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var model = TestFiles.LoadCausal(fixture);
        var row = TestFiles.Expected(fixture).GetProperty("long");
        int[] ids = [.. row.GetProperty("input_ids")[0].EnumerateArray().Select(id => id.GetInt32())];
        var prefill = row.GetProperty("cached").GetProperty("prefill").GetInt32();
        using var decoder = model.CreateDecoder();
        // A short row beside it, which must not care.
        using var session = decoder.Open([ids[..prefill], ids[..3]], ids.Length - prefill);

        var steps = new List<Tensor> { session.Prefill() };
        foreach (var id in ids[prefill..])
            steps.Add(session.Step([id, id]));

        for (var step = 0; step < steps.Count; step++)
        {
            int[][] texts = [ids[..(prefill + step)], [.. ids[..3], .. ids[prefill..(prefill + step)]]];
            for (var i = 0; i < 2; i++)
                Close(model.Logits(tensor(Array.ConvertAll(texts[i], id => (long)id)).unsqueeze(0))[0, -1], steps[step][i], 1e-4);
        }
        Close(row.Tensor("last5_logits")[-1], steps[^1][0], 1e-4);
    }

    [Theory]
    [MemberData(nameof(Long))]
    public void ACacheThatIsAppendedToTokenByTokenEqualsTheOriginal(string fixture)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var model = TestFiles.LoadCausal(fixture);
        var row = TestFiles.Expected(fixture).GetProperty("long");
        var (ids, prefill) = (row.Ids("input_ids"), row.GetProperty("cached").GetProperty("prefill").GetInt64());
        var time = ids.size(1);
        using var cache = model.CreateCache(1, time);

        List<Tensor> Pieces() =>
            [
                model.Logits(ids.narrow(1, 0, prefill), cache: cache),
                .. Enumerable
                    .Range((int)prefill, (int)(time - prefill))
                    .Select(place => model.Logits(ids.narrow(1, place, 1), cache: cache)),
            ];
        if (model.Restretches(prefill, time))
            // The tokens in the cache would have to turn otherwise: decoders compute them anew.
            Assert.Contains("CreateDecoder", Assert.Throws<InvalidOperationException>(() => Pieces()).Message);
        else
            CheckLong(row, ids, cat(Pieces(), 1));
    }

    private static void CheckLong(JsonElement row, Tensor ids, Tensor logits)
    {
        var time = ids.size(1);
        var logprobs = logits[0].log_softmax(-1);
        Close(row.Tensor("last5_logits"), logits[0].narrow(0, time - 5, 5), 1e-4);
        Close(
            row.Tensor("token_logprobs"),
            logprobs.narrow(0, 0, time - 1).gather(1, ids[0].narrow(0, 1, time - 1).unsqueeze(1)).squeeze(1),
            1e-4
        );
        Close(row.Tensor("entropy"), -(logprobs.exp() * logprobs).sum(-1), 1e-4);
    }

    /// <summary>Mean cross-entropy of the next token over the labels that are not -100; right padding.</summary>
    private static Tensor Loss(CausalLM model, JsonElement batch)
    {
        var ids = batch.Ids("input_ids");
        var time = ids.size(1);
        return nn.functional.cross_entropy(
            model.Logits(ids).narrow(1, 0, time - 1).flatten(0, 1),
            batch.Ids("labels").narrow(1, 1, time - 1).flatten()
        );
    }

    private static (Tensor Ids, Tensor Mask, JsonElement Greedy) Prompts(string fixture)
    {
        var expected = TestFiles.Expected(fixture);
        var padded = expected.GetProperty("left_padded");
        return (padded.Ids("input_ids"), padded.Ids("attention_mask"), expected.GetProperty("greedy"));
    }

    private static void CheckStep(Tensor logits, JsonElement greedy, int step, out Tensor next)
    {
        next = logits.argmax(-1, keepdim: true);
        Close(greedy.Ids("new_tokens").narrow(1, step, 1), next, 0);
        Close(greedy.Tensor("new_token_logprobs").narrow(1, step, 1), logits.log_softmax(-1).gather(1, next), 2e-4);
    }
}
