using DfPO.Learner.Objectives;
using DfPO.Learner.Passes;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests;

public sealed class TokenLogprobsTests
{
    [Fact]
    [Trait("Category", "Fixtures")]
    public void Logprobs_and_entropy_are_the_fixtures()
    {
        foreach (var (_, expected) in Support.Fixtures("full_kl_entropy"))
        {
            var c = expected.GetProperty("full_kl_entropy");
            var (logits, logprobs, entropy) = (
                c.GetProperty("logits_p").Matrix(),
                c.GetProperty("logprobs_p").Matrix(),
                c.GetProperty("entropy_p").Doubles()
            );
            for (var row = 0; row < logits.Length; row++)
            {
                using var scope = NewDisposeScope();
                var width = logits[row].Length;
                var got = TokenLogprobs.FromLogits(tensor(logits[row]).expand(width, width), Arithmetic.Range(width), withEntropy: true);
                Support.Close(logprobs[row], got.Values.ToDoubles(), 1e-12);
                Assert.Equal(entropy[row] * width, got.SummedEntropy!.Value, 1e-10);
            }
        }
    }

    [Theory]
    [InlineData(3, 7)]
    // More than one slice of rows.
    [InlineData(130, 50_257)]
    public void Values_and_gradient_are_those_of_log_softmax(int rows, int vocabulary)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(4);
        var start = randn([rows, vocabulary], generator: generator).Times(3);
        var tokens = tensor([.. Enumerable.Range(0, rows).Select(row => (long)(row % vocabulary))]);
        var weights = randn([rows], generator: generator);

        var theirs = start.to(ScalarType.Float64).requires_grad_();
        var expected = nn.functional.log_softmax(theirs, 1).gather(1, tokens.unsqueeze(1)).squeeze(1);
        (expected * weights).sum().backward();

        var ours = start.clone().requires_grad_();
        var got = TokenLogprobs.FromLogits(ours.Times(1), tokens, withEntropy: false);
        (got.Values * weights).sum().backward();
        got.Backward();
        Assert.Null(got.SummedEntropy);
        Assert.InRange((expected - got.Values).abs().max().ToNumber(), 0, 1e-5);
        Assert.InRange((theirs.grad! - ours.grad!).abs().max().ToNumber(), 0, 1e-6);
    }

    [Fact]
    public void Bfloat16_logits_give_float32_logprobs_and_a_bfloat16_gradient()
    {
        using var scope = NewDisposeScope();
        var leaf = (Arithmetic.Range(40, ScalarType.Float32).view(4, 10).Over(7)).to(ScalarType.BFloat16).requires_grad_();
        var got = TokenLogprobs.FromLogits(leaf.Times(1), zeros(4, ScalarType.Int64), withEntropy: false);
        var expected = nn.functional.log_softmax(leaf.to(ScalarType.Float32), 1).select(1, 0);
        Assert.Equal(ScalarType.Float32, got.Values.dtype);
        Assert.True((expected - got.Values).abs().max().ToNumber() < 1e-6);
        got.Values.sum().backward();
        got.Backward();
        Assert.Equal(ScalarType.BFloat16, leaf.grad!.dtype);
    }
}
