using DfPO.Actors.Configuration;
using DfPO.Actors.Learning;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Learner;
using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Models;
using DfPO.Models.Policies;
using DfPO.Rollout;
using static DfPO.Actors.Learning.LearnerProtocol;
using static TorchSharp.torch;

namespace DfPO.Actors.Tests;

/// <summary>NLPO's learner and rollout engines as they work together, without actors: whose mask is which, and when.</summary>
public sealed class NlpoSessionTests : IDisposable
{
    private const int Sequences = 8;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("dfpo-nlpo");

    public NlpoSessionTests() => set_num_threads(1);

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("models/imdb-tiny/policy", 0.5, 5)]
    [InlineData("tests/fixtures/t5", 0.5, 2)]
    public void What_is_rolled_out_is_inside_the_mask_that_the_learner_applies_and_the_mask_follows_every_n_iterations(
        string model,
        double topP,
        int least
    )
    {
        using var run = new Session(Config(model, topP, least), _folder.FullName);
        var masks = new List<int>();
        for (var i = 0; i < 5; i++)
        {
            masks.Add(run.State.Weights.Mask!.Version);
            Assert.Equal(run.State.Weights.Digest == run.State.Weights.Mask.Digest, i % 2 == 0);
            var metrics = run.Iterate(masked: true);
            // A rounding may move one token across the border.
            Assert.InRange(metrics["nlpo/outside_mask"], 0, 1.0 / (Sequences * 4));
            Assert.Equal(1, metrics["policy/ratio"], 1e-4);
        }
        Assert.Equal([0, 0, 2, 2, 4], masks);
        Assert.True(run.Iterate(masked: false)["nlpo/outside_mask"] > 0.1);
    }

    [Fact]
    public void A_session_resumed_between_two_refreshes_publishes_the_mask_that_it_had_and_goes_on_to_the_same_weights()
    {
        var (checkpoint, config) = (Path.Combine(_folder.FullName, "checkpoint"), Config("models/imdb-tiny/policy", 0.5, 5));
        string[] whole,
            resumed;
        using (var run = new Session(config, _folder.FullName))
        {
            foreach (var _ in Enumerable.Range(0, 3))
                run.Iterate(masked: true);
            run.Learner.Save(checkpoint);
            whole = Continue(run);
        }
        using (var run = new Session(config, _folder.FullName, checkpoint))
            resumed = Continue(run);
        Assert.Equal(whole, resumed);

        static string[] Continue(Session run)
        {
            List<string> published = [run.State.Weights.Needed];
            for (var i = 0; i < 2; i++)
            {
                run.Iterate(masked: true);
                published.Add(run.State.Weights.Needed);
            }
            return [.. published];
        }
    }

    [Fact]
    public void An_exported_policy_is_published_with_the_mask_of_its_time()
    {
        using var run = new Session(Config("models/imdb-tiny/policy", 0.5, 5), _folder.FullName);
        var (refreshed, between) = (Path.Combine(_folder.FullName, "2"), Path.Combine(_folder.FullName, "3"));
        run.Iterate(masked: true);
        run.Iterate(masked: true);
        var second = run.State.Weights;
        run.Learner.Export(refreshed);
        run.Iterate(masked: true);
        var third = run.State.Weights;
        run.Learner.Export(between);
        run.Iterate(masked: true);
        Assert.False(Directory.Exists(MaskFolder.In(refreshed)));
        foreach (var (folder, expected) in new[] { (between, third), (refreshed, second) })
            Assert.Equal(expected.Needed, run.Learner.PublishExported(folder).Weights.Needed);
    }

    [Fact]
    public void With_rl4lms_defects_nothing_but_the_policy_is_published_and_the_reference_masks()
    {
        var config = Config("models/imdb-tiny/policy", 1e-6, 1);
        using var run = new Session(
            config with
            {
                Learner = config.Learner with { Nlpo = config.Learner.Nlpo with { Rl4lmsCompat = true } },
            },
            _folder.FullName
        );
        var before = run.RollOut(masked: true, least: 6);
        run.Iterate(masked: true);
        Assert.Null(run.State.Weights.Mask);
        // One token a state is allowed, and which one it is does not move with the policy; where that is the text's end, which may not come
        // yet, the mask is skipped.
        var pairs = before.Zip(run.RollOut(masked: true, least: 6)).Where(pair => pair.First.SkippedMasks == 0).ToArray();
        Assert.InRange(pairs.Length, Sequences / 2, Sequences);
        Assert.All(pairs, pair => Assert.Equal(pair.First.Tokens, pair.Second.Tokens));
        Assert.All(pairs, pair => Assert.NotEqual(pair.First.Logprobs, pair.Second.Logprobs));
    }

    private static ExperimentConfig Config(string model, double topP, int least) =>
        new()
        {
            Model = new ModelOptions { Policy = Repository.Path(model) },
            Learner = new LearnerOptions
            {
                Objective = ObjectiveKind.Nlpo,
                LearningRate = 1e-3,
                Epochs = 1,
                MinibatchSize = Sequences,
                MaxKl = 100,
                Nlpo = new NlpoOptions
                {
                    TopP = topP,
                    MinTokensToKeep = least,
                    RefreshEvery = 2,
                },
            },
        };

    /// <summary>A learner and an engine that takes what it publishes.</summary>
    private sealed class Session : IDisposable
    {
        private readonly ExperimentConfig _config;
        private readonly WeightsStore _store = new();
        private readonly RolloutExecutor _executor;
        private readonly EndOfText _endOfText;

        public Session(ExperimentConfig config, string incidents, string? checkpoint = null)
        {
            // The fixture has no tokenizer to ask.
            (_config, _endOfText) = (config, EndOfText.Of(PretrainedModels.ReadConfig(config.Model.Policy).EosTokenIds));
            Learner = new LearnerSession(config, _store, incidents, _endOfText);
            _executor = new RolloutExecutor(config.Model.Policy, "cpu", "float32");
            State = Learner.Start(checkpoint);
        }

        public LearnerSession Learner { get; }

        public Published State { get; private set; }

        public IReadOnlyList<GeneratedSequence> RollOut(bool masked, int least = 4)
        {
            var weights = State.Weights;
            if (weights.Mask is { } mask && _executor.HeldMask != mask.Digest)
                Take(mask, _executor.ApplyMask);
            Take(weights, _executor.Apply);
            Assert.Equal(weights.Needed, _executor.HeldDigest);
            var nlpo = _config.Learner.Nlpo;
            var options = new GenerationOptions
            {
                MaxNewTokens = 6,
                MinNewTokens = least,
                MaskTopP = masked ? nlpo.TopP : 1,
                MaskMinTokens = nlpo.MinTokensToKeep,
            };
            GenerationRequest[] requests =
            [
                .. Enumerable
                    .Range(0, Sequences)
                    .Select(i => new GenerationRequest([5 + i, 6, 7 + i], (ulong)((State.Iteration * Sequences) + i))),
            ];
            return (
                (RolloutResult)_executor.Execute(new RolloutUnit(new UnitId("u"), requests, options, weights, _endOfText), default)
            ).Sequences;
        }

        public IReadOnlyDictionary<string, double> Iterate(bool masked)
        {
            Trajectory[] batch =
            [
                .. RollOut(masked)
                    .Select(
                        (s, i) =>
                            new Trajectory
                            {
                                PromptTokens = s.PromptTokens,
                                Tokens = s.Tokens,
                                Logprobs = s.Logprobs,
                                ReferenceLogprobs = s.ReferenceLogprobs,
                                StateKl = s.StateKl,
                                Reward = i % 3,
                                Behaviour = DecodingPolicy.Policy,
                                WeightsVersion = State.Iteration,
                            }
                    ),
            ];
            var learnt = Learner.Learn(batch, default, []);
            State = learnt;
            return learnt.Report.Metrics;
        }

        public void Dispose()
        {
            Learner.Dispose();
            _executor.Dispose();
            _store.Dispose();
        }

        private void Take(WeightsRef weights, Action<WeightsRef, string, System.Diagnostics.ActivityContext> apply)
        {
            using var lease = _store.Open(weights.Digest)!;
            apply(weights, lease.Path, default);
        }
    }
}
