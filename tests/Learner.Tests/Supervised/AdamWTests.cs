using System.Text.Json;
using DfPO.Learner.Optimisation;
using DfPO.Models;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using AdamW = DfPO.Learner.Optimisation.AdamW;

namespace DfPO.Learner.Tests.Supervised;

public sealed class AdamWTests
{
    [Fact]
    [Trait("Category", "Fixtures")]
    public void Losses_and_gradient_norms_of_a_training_are_pytorchs()
    {
        foreach (var (folder, expected) in Support.Fixtures("adamw").Where(f => IsCausal(f.Folder)))
        {
            using var scope = NewDisposeScope();
            var c = expected.GetProperty("adamw");
            var model = PretrainedModels.LoadCausalLM(folder);
            var group = new ParameterGroup(
                model.named_parameters().Select(p => (p.name, p.parameter)),
                c.GetProperty("lr").GetDouble(),
                c.GetProperty("weight_decay").GetDouble()
            );
            var betas = c.GetProperty("betas").Doubles();
            using var optimizer = new AdamW([group], betas[0], betas[1], c.GetProperty("eps").GetDouble());
            var norms = c.GetProperty("grad_norm_before_clip").Doubles();
            var losses = c.GetProperty("loss").Doubles();
            Assert.NotEmpty(norms);
            for (var step = 0; step < norms.Length; step++)
            {
                var loss = Loss(model, expected.GetProperty("ce_loss"));
                Assert.Equal(losses[step], loss.ToNumber(), 2e-4);
                loss.backward();
                Assert.Equal(norms[step], nn.utils.clip_grad_norm_(model.parameters(), c.GetProperty("clip_grad_norm").GetDouble()), 1e-3);
                optimizer.Step();
                optimizer.ZeroGrad();
            }
            Assert.Equal(losses[^1], Loss(model, expected.GetProperty("ce_loss")).ToNumber(), 2e-4);
        }
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void Gradients_of_the_cross_entropy_are_pytorchs()
    {
        foreach (var (folder, expected) in Support.Fixtures("adamw").Where(f => IsCausal(f.Folder)))
        {
            using var scope = NewDisposeScope();
            var c = expected.GetProperty("ce_loss");
            var model = PretrainedModels.LoadCausalLM(folder);
            var loss = Loss(model, c);
            loss.backward();
            Assert.Equal(Number(c.GetProperty("loss")), loss.ToNumber(), 1e-4);
            var compared = 0;
            foreach (var (name, parameter) in model.named_parameters())
            {
                var grad = c.GetProperty("grads").GetProperty(name);
                Assert.Equal(grad.GetProperty("l2").GetDouble(), parameter.grad!.norm().ToNumber(), 1e-4);
                Assert.Equal(grad.GetProperty("sum").GetDouble(), parameter.grad!.sum().ToNumber(), 1e-4);
                Assert.Equal(grad.GetProperty("max_abs").GetDouble(), parameter.grad!.abs().max().ToNumber(), 1e-4);
                compared++;
            }
            Assert.Equal(c.GetProperty("grads").EnumerateObject().Count(), compared);
            Assert.Equal(Number(c.GetProperty("total_grad_norm")), nn.utils.clip_grad_norm_(model.parameters(), 1e9), 1e-3);
        }
    }

    [Fact]
    public void Each_group_has_its_own_learning_rate_and_decay_and_a_parameter_without_a_gradient_stays()
    {
        using var scope = NewDisposeScope();
        var (fast, slow, idle) = (new Parameter(ones(2)), new Parameter(ones(2)), new Parameter(ones(2)));
        using var optimizer = new AdamW([
            new ParameterGroup([("fast", fast)], 0.1, 0),
            new ParameterGroup([("slow", slow), ("idle", idle)], 0.01, 0.5),
        ]);
        fast.sum().Plus(slow.sum()).backward();
        optimizer.Step();
        // The first step of Adam is the learning rate in the direction of the gradient's sign.
        Assert.Equal(0.9, fast[0].ToNumber(), 1e-6);
        Assert.Equal(1 * (1 - 0.01 * 0.5) - 0.01, slow[0].ToNumber(), 1e-6);
        Assert.Equal(1, idle[0].ToNumber());
        Assert.Equal(0, optimizer.State["idle.step"].ToNumber());
        Assert.Equal(1, optimizer.State["fast.step"].ToNumber());
    }

    private static double Number(JsonElement number) =>
        number.ValueKind == JsonValueKind.String ? double.Parse(number.GetString()!) : number.GetDouble();

    private static Tensor Loss(CausalLM model, JsonElement c)
    {
        static Tensor Ids(JsonElement rows) =>
            cat(rows.Matrix().Select(row => tensor(row.Select(x => (long)x).ToArray()).unsqueeze(0)).ToList());
        var logits = model.Logits(Ids(c.GetProperty("input_ids")), Ids(c.GetProperty("attention_mask")));
        var (time, labels) = (logits.size(1), Ids(c.GetProperty("labels")));
        return nn.functional.cross_entropy(
            logits.narrow(1, 0, time - 1).flatten(0, 1),
            labels.narrow(1, 1, time - 1).flatten(),
            ignore_index: -100
        );
    }

    private static bool IsCausal(string folder) =>
        (string?)HfConfigReader.ReadFile(Path.Combine(folder, "config.json"))["model_type"] is "gpt2" or "gptj" or "llama";
}
