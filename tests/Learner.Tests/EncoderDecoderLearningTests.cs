using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Learner.Updates;
using DfPO.Models;
using DfPO.Models.Policies;
using DfPO.Models.T5;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests;

/// <summary>The learner with an encoder-decoder policy: what a prompt asks for reaches the decoder only through the encoder.</summary>
public sealed class EncoderDecoderLearningTests
{
    private const int Vocabulary = 12;

    // Each prompt is rewarded for another token.
    private static readonly (int[] Prompt, int Wanted)[] s_tasks = [([3, 4, 1], 5), ([7, 1], 9)];

    private static readonly LearnerOptions s_options = new()
    {
        Objective = ObjectiveKind.Ppo,
        Ppo = new PpoOptions { KlCoefficient = 0 },
        LearningRate = 3e-3,
        ValueLearningRate = 3e-3,
        Epochs = 1,
        MinibatchSize = 32,
        ValueWarmupIterations = 0,
        MaxKl = 100,
    };

    [Fact]
    public void A_t5_learns_what_each_prompt_is_rewarded_for()
    {
        using LanguageModel policy = Create(1),
            reference = Create(1);
        using var value = new ValueModel(Create(2));
        using var learner = new PolicyLearner(policy, value, s_options, 1, "unused");
        double[] before = [.. s_tasks.Select(task => Math.Exp(Logprobs(policy, task.Prompt)[task.Wanted]))];

        for (var iteration = 0; iteration < 60; iteration++)
            learner.Update(Rollouts(policy, reference, (ulong)iteration));

        foreach (var (task, old) in s_tasks.Zip(before))
        {
            var now = Math.Exp(Logprobs(policy, task.Prompt)[task.Wanted]);
            Assert.True(now > 0.8 && now > old, $"probability of the wanted token went from {old:F3} to {now:F3}");
        }
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var batch = TeacherForcedBatch.Create(value.Trunk, [.. s_tasks.Select(task => (task.Prompt, new[] { task.Wanted }))], CPU);
        Assert.All(value.Values(batch.Input).data<float>().ToArray(), v => Assert.InRange(v, 0.5f, 1.5f));
    }

    [Fact]
    public void A_resumed_t5_goes_on_bit_for_bit()
    {
        var folder = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            using LanguageModel policy = Create(1),
                reference = Create(1),
                other = Create(3);
            using ValueModel value = new(Create(2)),
                otherValue = new(Create(4));
            using PolicyLearner learner = new(policy, value, s_options, 1, "unused"),
                resumed = new(other, otherValue, s_options, 1, "unused");
            learner.Update(Rollouts(policy, reference, 0));
            learner.Save(folder);
            resumed.Load(folder);

            foreach (var each in new[] { learner, resumed })
                each.Update(Rollouts(reference, reference, 1));

            Assert.Equal(Support.Bytes(policy), Support.Bytes(other));
            Assert.Equal(Support.Bytes(value), Support.Bytes(otherValue));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static T5ForConditionalGeneration Create(ulong seed)
    {
        var model = new T5ForConditionalGeneration(
            new T5Config
            {
                VocabSize = Vocabulary,
                DModel = 16,
                DKv = 8,
                DFf = 32,
                NumHeads = 2,
                NumLayers = 1,
                NumDecoderLayers = 1,
                RelativeAttentionNumBuckets = 8,
                RelativeAttentionMaxDistance = 16,
                FeedForwardProj = "gated-gelu",
                TieWordEmbeddings = false,
                InitializerFactor = 0.3,
            }
        );
        model.Initialise(seed);
        return model;
    }

    private static Trajectory[] Rollouts(LanguageModel policy, LanguageModel reference, ulong iteration)
    {
        var distributions = s_tasks
            .Select(task => (Policy: Logprobs(policy, task.Prompt), Reference: Logprobs(reference, task.Prompt)))
            .ToArray();
        return
        [
            .. Enumerable
                .Range(0, 32)
                .Select(i =>
                {
                    var (task, (ours, theirs)) = (s_tasks[i % 2], distributions[i % 2]);
                    var (rest, token) = (CounterRandom.Uniform(iteration, (ulong)i), -1);
                    do rest -= Math.Exp(ours[++token]);
                    while (rest > 0 && token < Vocabulary - 1);
                    var kl = ours.Zip(theirs, (p, q) => Math.Exp(p) * (p - q)).Sum();
                    return new Trajectory
                    {
                        PromptTokens = task.Prompt,
                        Tokens = [token],
                        Logprobs = [ours[token]],
                        ReferenceLogprobs = [theirs[token]],
                        StateKl = [(float)kl],
                        Reward = token == task.Wanted ? 1 : 0,
                        Behaviour = DecodingPolicy.Policy,
                    };
                }),
        ];
    }

    private static float[] Logprobs(LanguageModel model, int[] prompt)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var batch = TeacherForcedBatch.Create(model, [(prompt, [0])], CPU);
        return model.Head(batch.SelectStates(model.Hidden(batch.Input))).log_softmax(-1)[0].data<float>().ToArray();
    }
}
