using System.Text.Json;
using DfPO.Models.Tests.Support;
using TorchSharp;
using static DfPO.Models.Tests.Support.TensorAssert;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Architectures;

/// <summary>Loss, gradients and optimiser steps against a fixture's.</summary>
internal static class TrainingAssert
{
    /// <summary>The loss, whose gradients the parameters hold, and each parameter's gradient.</summary>
    public static void Gradients(nn.Module model, JsonElement fixture, Tensor loss)
    {
        var expected = fixture.GetProperty("ce_loss");
        Assert.Equal(expected.GetProperty("loss").GetDouble(), loss.item<float>(), 1e-4);
        var (squares, total) = (0.0, expected.GetProperty("total_grad_norm").GetDouble());
        var grads = expected.GetProperty("grads");
        Assert.Equal(grads.EnumerateObject().Select(g => g.Name).Order(), model.named_parameters().Select(p => p.name).Order());
        foreach (var (name, parameter) in model.named_parameters())
        {
            var (grad, want) = (parameter.grad!, grads.GetProperty(name));
            var norm = want.GetProperty("l2").GetDouble();
            // A key's bias moves all scores of a query alike, so its gradient is nothing but rounding.
            const double Rounding = 1e-6;
            Assert.Equal(want.GetProperty("shape").EnumerateArray().Select(d => d.GetInt64()), grad.shape);
            Assert.Equal(norm, grad.norm().item<float>(), (2e-4 * norm) + Rounding);
            Assert.Equal(want.GetProperty("max_abs").GetDouble(), grad.abs().max().item<float>(), (2e-4 * norm) + Rounding);
            Assert.Equal(want.GetProperty("sum").GetDouble(), grad.sum().item<float>(), (1e-3 * norm) + Rounding);
            if (SamplesAreFirstGradients(fixture))
                Close(want.Tensor("first8"), grad.flatten().narrow(0, 0, 8), (2e-4 * norm) + Rounding);
            squares += grad.square().sum().item<float>();
        }
        Assert.Equal(total, Math.Sqrt(squares), 1e-4 * total);
    }

    /// <summary>Losses, gradient norms and last gradients of clipped AdamW steps.</summary>
    /// <remarks>
    /// Adam divides gradients by their own size, so that steps on a steep loss magnify rounding. How much is measured by taking the same
    /// steps in float64: the original, in float32, may be further away by some multiple of what that changes.
    /// </remarks>
    public static void OptimiserSteps<T>(Func<ScalarType, T> load, Func<T, Tensor> lossOf, JsonElement fixture)
        where T : nn.Module
    {
        const double Rounding = 30;
        var steps = fixture.GetProperty("adamw");
        T model = load(ScalarType.Float32),
            exact = load(ScalarType.Float64);
        var (single, reference) = (Train(model, lossOf, steps), Train(exact, lossOf, steps));

        void AllClose(string field, double[] ours, double[] exactly, Func<double, double> unit)
        {
            var expected = steps.GetProperty(field).EnumerateArray().Select(x => x.GetDouble()).ToArray();
            Assert.Equal(expected.Length, ours.Length);
            var drift = 0.0;
            for (var step = 0; step < expected.Length; step++)
            {
                drift = Math.Max(drift, Math.Abs(ours[step] - exactly[step]));
                Assert.Equal(expected[step], ours[step], unit(expected[step]) + Rounding * drift);
            }
        }
        AllClose("loss", single.Losses, reference.Losses, _ => 1e-4);
        AllClose("grad_norm_before_clip", single.Norms, reference.Norms, norm => 1e-4 * norm);
        if (SamplesAreFirstGradients(fixture))
            return;
        // The older fixtures' samples of gradient elements are views that their last step has overwritten: they hold that step's clipped
        // gradients.
        foreach (var ((name, parameter), (_, exactly)) in model.named_parameters().Zip(exact.named_parameters()))
        {
            var drift = (parameter.grad! - exactly.grad!).abs().max().item<double>();
            Close(
                fixture.GetProperty("ce_loss").GetProperty("grads").GetProperty(name).Tensor("first8"),
                parameter.grad!.flatten().narrow(0, 0, 8),
                1e-4 + Rounding * drift
            );
        }
    }

    /// <summary>
    /// Whether samples of gradient elements were copied before the first step. A view of them would hold what clipping to a norm of 1 has
    /// left.
    /// </summary>
    private static bool SamplesAreFirstGradients(JsonElement fixture) =>
        !fixture.GetProperty("produced_by").GetString()!.Contains("transformers 4.28", StringComparison.Ordinal);

    private static (double[] Losses, double[] Norms) Train<T>(T model, Func<T, Tensor> lossOf, JsonElement steps)
        where T : nn.Module
    {
        double Option(string name) => steps.GetProperty(name).GetDouble();
        var betas = steps.GetProperty("betas");
        var optimiser = optim.AdamW(
            model.parameters(),
            Option("lr"),
            betas[0].GetDouble(),
            betas[1].GetDouble(),
            Option("eps"),
            Option("weight_decay")
        );
        var (losses, norms) = (new List<double>(), new List<double>());
        for (var step = 0; step < steps.GetProperty("grad_norm_before_clip").GetArrayLength(); step++)
        {
            optimiser.zero_grad();
            var loss = lossOf(model);
            losses.Add(loss.ToDouble());
            loss.backward();
            norms.Add(nn.utils.clip_grad_norm_(model.parameters(), Option("clip_grad_norm")));
            optimiser.step();
        }
        losses.Add(lossOf(model).ToDouble());
        return ([.. losses], [.. norms]);
    }
}
