using System.Text.Json;
using DfPO.Learner.Objectives;
using DfPO.Learner.Passes;
using DfPO.Models;
using DfPO.Models.Policies;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests.Trl;

/// <summary>
/// model_level.json: objectives through the learner's pass of a tiny model, so that shift, masks and padding are in play.
/// </summary>
[Trait("Category", "Fixtures")]
public sealed class ModelLevelFixtureTests
{
    private const string File = "model_level.json";

    public static TheoryData<string> Grpo => TrlFixtures.Cases(File, "grpo", "cases");

    [Fact]
    public void Dpo_of_right_padded_rows()
    {
        using var scope = NewDisposeScope();
        var c = TrlFixtures.File(File).GetProperty("dpo");
        double[][] ids = c.GetProperty("input_ids").Matrix(),
            real = c.GetProperty("attention_mask").Matrix(),
            completion = c.GetProperty("completion_mask").Matrix();
        double[] reference = [.. c.GetProperty("ref_chosen_logps").Doubles(), .. c.GetProperty("ref_rejected_logps").Doubles()];
        int[] order = [.. Enumerable.Range(0, ids.Length).Select(i => i / 2 + i % 2 * ids.Length / 2)];
        // Only a sequence's sum of the reference's log-probabilities enters.
        Trajectory[] rows =
        [
            .. order.Select(i =>
                Row(
                    Tokens(ids[i], real[i], completion[i], 0),
                    Tokens(ids[i], real[i], completion[i], 1),
                    reference[i],
                    group: i % (ids.Length / 2)
                )
            ),
        ];
        using var model = Model();
        var pass = new PolicyPass(model, rows.Length, 0, null);
        CheckRows(c, order, rows, pass);

        var statistics = new Statistics();
        var batch = ScoredTrajectory.Concatenate([
            .. rows.Select(t => new ScoredTrajectory(t, new float[t.Tokens.Length], new float[t.Tokens.Length])),
        ]);
        var objective = new DpoObjective(new DpoOptions { Beta = c.Number("beta") });
        var loss = 0.0;
        pass.Backward(
            rows,
            (logprobs, _) =>
            {
                var tensor = objective.Loss(logprobs, batch, statistics);
                loss = tensor.ToNumber();
                return tensor;
            },
            withEntropy: false
        );
        TrlFixtures.Close("loss", c.Number("loss"), loss, TrlFixtures.Single);
        var metrics = c.GetProperty("metrics");
        foreach (
            var (theirs, ours) in new[]
            {
                ("rewards/chosen", "dpo/chosen_reward"),
                ("rewards/rejected", "dpo/rejected_reward"),
                ("rewards/accuracies", "dpo/accuracy"),
                ("logps/chosen", "dpo/chosen_logprob"),
            }
        )
            TrlFixtures.Close(theirs, metrics.Number(theirs), statistics.Means()[ours], TrlFixtures.Single);
        CloseNorms(c.GetProperty("grad_l2"), Gradients(model));
    }

    /// <summary>
    /// TRL hands no position ids over, so that the row with a pad on its left is computed one position further on than it is generated at.
    /// Here it is at its own positions: those numbers of the file. That nothing else differs is shown by a second model, whose table of
    /// positions is moved by one: with that row through it, loss and gradient are TRL's.
    /// </summary>
    [Theory]
    [MemberData(nameof(Grpo))]
    public void Grpo_of_left_padded_prompts(string name)
    {
        using var scope = NewDisposeScope();
        var file = TrlFixtures.File(File).GetProperty("grpo");
        var c = TrlFixtures.Case(name, File, "grpo", "cases");
        double[][] prompts = file.GetProperty("prompt_ids").Matrix(),
            real = file.GetProperty("prompt_mask").Matrix();
        double[][] completions = file.GetProperty("completion_ids").Matrix(),
            drawn = file.GetProperty("completion_mask").Matrix();
        int[][] Kept(double[][] of, double[][] mask) =>
            [.. of.Zip(mask, (row, m) => row.Where((_, t) => m[t] == 1).Select(x => (int)x).ToArray())];
        var (given, tokens) = (Kept(prompts, real), Kept(completions, drawn));
        var advantages = file.GetProperty("advantages").Doubles();
        double steps = tokens.Sum(t => t.Length),
            loss = 0;
        var gradients = new Dictionary<string, Tensor>();
        for (var i = 0; i < given.Length; i++)
        {
            var pads = prompts[i].Length - given[i].Length;
            double[] theirs = [.. c.GetProperty("log_probs")[i].Doubles()[..tokens[i].Length]];
            using var model = Model(shift: pads);
            var pass = new PolicyPass(model, 1, 0, null);
            var row = Row(given[i], tokens[i], 0, 0);
            var current = pass.Estimate([row], 1, default).Logprobs[0];
            TrlFixtures.Close($"row {i}, {pads} positions further on", theirs, current.Doubles(), TrlFixtures.Single);
            if (pads > 0)
            {
                using var ours = Model();
                var own = new PolicyPass(ours, 1, 0, null).Estimate([row], 1, default).Logprobs[0].Doubles();
                if (i == 0)
                    TrlFixtures.Close(
                        "row 0 at its own positions",
                        file.GetProperty("row0_log_probs_at_positions_from_0")[0].Doubles(),
                        own,
                        TrlFixtures.Single
                    );
                Assert.True(own.Zip(theirs, (a, b) => Math.Abs(a - b)).Max() > 0.1, "positions make no difference: the test shows nothing");
            }

            var batch = ScoredTrajectory.Concatenate([
                new ScoredTrajectory(row, [.. tokens[i].Select(_ => (float)advantages[i])], new float[tokens[i].Length])
                {
                    OldLogprobs = current,
                },
            ]) with
            {
                StepTokens = new StepTokens(steps, steps),
            };
            var objective = new GrpoObjective(new GrpoOptions { LossType = GrpoLossType.Dapo, KlCoefficient = 0 }, 0.2);
            var entropy = pass.Backward(
                [row],
                (logprobs, _) =>
                {
                    var tensor = objective.Loss(logprobs, batch, new Statistics());
                    loss += tensor.ToNumber();
                    return tensor;
                },
                withEntropy: true
            );
            TrlFixtures.Close(
                $"row {i}, entropy",
                c.GetProperty("entropy")[i].Doubles()[..tokens[i].Length].Sum(),
                entropy!.Value,
                TrlFixtures.Single
            );
            foreach (var (key, gradient) in Gradients(model))
            {
                var placed = gradient.clone();
                if (key == Positions)
                {
                    placed.zero_();
                    placed.narrow(0, pads, gradient.size(0) - pads).copy_(gradient.narrow(0, 0, gradient.size(0) - pads));
                }
                gradients[key] = gradients.TryGetValue(key, out var sum) ? sum.Plus(placed) : placed;
            }
        }
        TrlFixtures.Close("loss", c.Number("loss"), loss, TrlFixtures.Single);
        CloseNorms(c.GetProperty("grad_l2"), gradients);
    }

    [Fact]
    public void Log_softmax_of_given_tokens_and_entropy()
    {
        using var scope = NewDisposeScope();
        var c = TrlFixtures.File(File).GetProperty("utils");
        foreach (var (row, i) in c.GetProperty("logits").EnumerateArray().Select((row, i) => (row.Matrix(), i)))
            for (var t = 0; t < row.Length; t++)
            {
                var got = TokenLogprobs.FromLogits(
                    tensor(row[t]).unsqueeze(0),
                    tensor(new[] { (long)c.GetProperty("index")[i][t].GetInt32() }),
                    withEntropy: true
                );
                TrlFixtures.Close(
                    "log-probability",
                    c.GetProperty("selective_log_softmax")[i][t].GetDouble(),
                    got.Values[0].ToNumber(),
                    TrlFixtures.Exact
                );
                TrlFixtures.Close("entropy", c.GetProperty("entropy")[i][t].GetDouble(), got.SummedEntropy!.Value, TrlFixtures.Exact);
            }
    }

    private const string Positions = "transformer.wpe.weight";

    /// <summary>The tiny model of the file, its table of positions moved: position p has the vector of p + shift.</summary>
    private static LanguageModel Model(int shift = 0)
    {
        var model = PretrainedModels.LoadLanguageModel(
            Path.GetFullPath(Path.Combine(Repository.Fixtures, "trl", TrlFixtures.File(File).Word("base")))
        );
        if (shift > 0)
        {
            using var _ = no_grad();
            using var scope = NewDisposeScope();
            var table = model.named_parameters().Single(p => p.name == Positions).parameter;
            var moved = table.narrow(0, shift, table.size(0) - shift).clone();
            table.narrow(0, 0, table.size(0) - shift).copy_(moved);
        }
        return model;
    }

    private static void CheckRows(JsonElement c, int[] order, Trajectory[] rows, PolicyPass pass)
    {
        var current = pass.Estimate(rows, rows.Length, default).Logprobs;
        for (var i = 0; i < rows.Length; i++)
        {
            double[] Of(string key) =>
                [.. c.GetProperty(key)[order[i]].Doubles().Skip(rows[i].PromptTokens.Length - 1).Take(rows[i].Tokens.Length)];
            TrlFixtures.Close($"row {order[i]}, log-probabilities", Of("log_probs"), current[i].Doubles(), TrlFixtures.Single);
            var entropy = pass.Backward([rows[i]], (logprobs, _) => logprobs.sum().Times(0), withEntropy: true);
            TrlFixtures.Close($"row {order[i]}, entropy", Of("entropy").Sum(), entropy!.Value, TrlFixtures.Single);
        }
        pass.Model.zero_grad();
    }

    private static Trajectory Row(int[] prompt, int[] tokens, double reference, int group) =>
        new()
        {
            PromptTokens = prompt,
            Tokens = tokens,
            Logprobs = new float[tokens.Length],
            ReferenceLogprobs = [.. tokens.Select(_ => (float)(reference / tokens.Length))],
            StateKl = new float[tokens.Length],
            Reward = 0,
            Behaviour = DecodingPolicy.Policy,
            Group = group,
        };

    private static int[] Tokens(double[] ids, double[] real, double[] completion, int side) =>
        [.. ids.Where((_, t) => real[t] == 1 && completion[t] == side).Select(x => (int)x)];

    private static Dictionary<string, Tensor> Gradients(LanguageModel model) =>
        model.named_parameters().Where(p => p.parameter.grad is not null).ToDictionary(p => p.name, p => p.parameter.grad!);

    private static void CloseNorms(JsonElement norms, Dictionary<string, Tensor> gradients)
    {
        foreach (var norm in norms.EnumerateObject())
            TrlFixtures.Close(
                $"gradient of {norm.Name}",
                norm.Value.GetDouble(),
                gradients[norm.Name].to(ScalarType.Float64).Squared().sum().sqrt().ToNumber(),
                1e-4
            );
    }
}
