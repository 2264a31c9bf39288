using System.Diagnostics;
using DfPO.Host.Tests.Commands;
using DfPO.Learner;
using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Learner.Updates;
using DfPO.Models;
using DfPO.Models.Gpt2;
using DfPO.Models.Policies;
using DfPO.Rollout;
using DfPO.Rollout.Generation;
using TorchSharp;

namespace DfPO.Host.Tests.EndToEnd;

/// <summary>Alone, because other tests' memory would be counted.</summary>
[CollectionDefinition("memory", DisableParallelization = true)]
[Collection("memory")]
public sealed class LongRunMemoryTests
{
    // A leak of one minibatch's logits an iteration would be thrice the bound.
    private const long Bound = 32L << 20;
    private static readonly Gpt2Config s_config = TinyModels.Config with { VocabSize = 2048, NEmbd = 32, EosTokenId = 2047 };

    [Fact]
    public void Generating_and_learning_for_long_leaves_no_tensor_behind_and_memory_flat()
    {
        var threads = torch.get_num_threads();
        // All work on this thread, whose tensors are counted.
        torch.set_num_threads(1);
        try
        {
            using var policy = Model(1);
            using var reference = Model(1);
            using var value = new ValueModel(Model(2), 1);
            var engine = new GenerationEngine(policy, reference, s_config.EosTokenId);
            using var learner = new PolicyLearner(
                policy,
                value,
                new LearnerOptions
                {
                    LearningRate = 1e-4,
                    MinibatchSize = 8,
                    Epochs = 1,
                    MaxKl = 100,
                    Dfpo = new DfpoOptions { Behaviour = DfpoBehaviour.Masked, MaskAt = DfpoMaskAt.Rollout },
                },
                1,
                "unused"
            );

            Iterate(engine, learner, 20);
            var (live, resident) = (DisposeScopeManager.Statistics.ThreadTotalLiveCount, ResidentBytes());
            Iterate(engine, learner, 40);
            Assert.Equal(60, learner.Iteration);
            Assert.Equal(live, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
            Assert.InRange(ResidentBytes() - resident, long.MinValue, Bound);
        }
        finally
        {
            torch.set_num_threads(threads);
        }
    }

    /// <summary>Iterations as a run has them: rollouts of both masked policies, an evaluation of the policy itself, an update.</summary>
    private static void Iterate(GenerationEngine engine, PolicyLearner learner, int count)
    {
        var options = new GenerationOptions
        {
            MaxNewTokens = 16,
            MinNewTokens = 12,
            Tolerance = 0.1f,
        };
        for (var i = 0; i < count; i++)
        {
            var first = (ulong)learner.Iteration * 100;
            GenerationRequest[] requests =
            [
                .. Enumerable.Range(0, 8).Select(row => new GenerationRequest([.. Enumerable.Range(7 * row, 2 + row)], first + (ulong)row)),
            ];
            Trajectory[] batch =
            [
                .. new[] { DecodingPolicy.Positive, DecodingPolicy.Negative }.SelectMany(kind =>
                    engine.Generate(requests, options with { Policy = kind }).Select(s => Trajectory(s, kind))
                ),
            ];
            Assert.Equal(8, engine.Generate(requests, options).Count);
            learner.Update(batch);
        }
    }

    private static Trajectory Trajectory(GeneratedSequence sequence, DecodingPolicy behaviour) =>
        new()
        {
            PromptTokens = sequence.PromptTokens,
            Tokens = sequence.Tokens,
            Logprobs = sequence.Logprobs,
            ReferenceLogprobs = sequence.ReferenceLogprobs,
            StateKl = sequence.StateKl,
            Reward = sequence.Tokens.Count(token => token % 2 == 0) / 16f,
            Behaviour = behaviour,
        };

    private static Gpt2LMHeadModel Model(ulong seed)
    {
        var model = new Gpt2LMHeadModel(s_config);
        model.Initialise(seed);
        return model;
    }

    private static long ResidentBytes()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }
}
