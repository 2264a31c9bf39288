using System.Diagnostics;
using DfPO.Actors.Experiments;
using DfPO.Actors.Learning;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Learner;
using DfPO.Learner.Objectives;
using DfPO.Models;
using DfPO.Models.Gpt2;
using DfPO.Models.Policies;
using DfPO.Models.Tokenizers;
using DfPO.Rollout;
using static DfPO.Actors.Learning.LearnerProtocol;

namespace DfPO.Actors.Tests;

/// <summary>The loop against services that only remember: what it asks, in which order, and what it makes of the answers.</summary>
public sealed class ExperimentLoopTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("dfpo-loop").FullName;
    private readonly FakeServices _services = new();
    private readonly RecordingObserver _observer = new();

    public ExperimentLoopTests()
    {
        Gpt2TokenizerFiles.Cut(Repository.Gpt2Tokenizer, Path.Combine(_root, "policy"), 300);
        var config = new Gpt2Config { VocabSize = 300, NPositions = 64, NEmbd = 16, NLayer = 1, NHead = 2 };
        File.WriteAllText(Path.Combine(_root, "policy", "config.json"), config.ToJson("GPT2LMHeadModel", "float32").ToJsonString());
        foreach (var (split, count) in new[] { ("train", 5), ("validation", 3), ("test", 2) })
            File.WriteAllLines(Path.Combine(_root, split + ".jsonl"), Enumerable.Range(0, count).Select(i => $$"""{"id": "{{split}}-{{i}}", "text": "the {{split}} {{i}}"}"""));
    }

    [Fact]
    public async Task An_experiment_tests_trains_validates_and_tests_again()
    {
        var result = await Loop(Config()).Run(default);
        Assert.Equal(["test-before", "validation-0", "train-1", "train-2", "validation-2", "train-3", "train-4", "validation-4", "test-after"], _services.Rounds());
        Assert.Equal([1, 2, 3, 4], _observer.Iterations.Select(i => i.Iteration));
        Assert.Equal(4, _services.Batches.Count);
        Assert.All(_services.Batches, batch => Assert.Equal(4, batch.Count));
        Assert.Equal([DecodingPolicy.Policy, DecodingPolicy.Negative], result.After.Select(a => a.Policy));
        Assert.Same(result, _observer.Result);
    }

    [Fact]
    public async Task The_best_validated_weights_are_tested_at_the_end()
    {
        _services.RewardOfVersion = version => version == 2 ? 0.9f : 0.1f * version / 10;
        var result = await Loop(Config()).Run(default);
        Assert.Equal(2, result.BestIteration);
        Assert.EndsWith("iteration-00002", _services.Exported);
    }

    [Fact]
    public async Task When_nothing_beats_the_initial_weights_they_are_the_best()
    {
        _services.RewardOfVersion = version => 1f / (1 + version);
        Assert.Equal(0, (await Loop(Config()).Run(default)).BestIteration);
    }

    [Fact]
    public async Task Masked_behaviour_rolls_every_prompt_out_under_both_masks()
    {
        var config = Config();
        await Loop(config with { Learner = config.Learner with { Dfpo = new DfpoOptions { Behaviour = DfpoBehaviour.Masked } } }).Run(default);
        Assert.All(_services.Batches, batch => Assert.Equal([DecodingPolicy.Negative, DecodingPolicy.Positive], batch.Select(t => t.Behaviour).Distinct().OrderDescending()));
        Assert.All(_services.Batches, batch => Assert.Equal(8, batch.Count));
    }

    [Fact]
    public async Task A_cancelled_run_saves_the_last_finished_iteration_and_resumes_with_the_same_units()
    {
        await Loop(Config()).Run(default);
        var whole = _services.Units.Where(unit => unit.Id.Value.StartsWith("train")).Select(Describe).ToArray();
        Directory.Delete(Path.Combine(_root, "run"), recursive: true);

        _services.Reset();
        using var stop = new CancellationTokenSource();
        _services.BeforeUnit = unit =>
        {
            if (unit.Id.Value.StartsWith("train-4"))
                stop.Cancel();
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Loop(Config()).Run(stop.Token));
        Assert.Equal(3, new RunCheckpoints(Path.Combine(_root, "run")).Newest()!.Iteration);
        var first = _services.Units.Where(unit => unit.Id.Value.StartsWith("train")).Select(Describe).Take(6).ToArray();

        _services.Reset();
        await Loop(Config()).Run(default);
        var rest = _services.Units.Where(unit => unit.Id.Value.StartsWith("train")).Select(Describe).ToArray();
        Assert.Equal(whole, first.Concat(rest));
        Assert.DoesNotContain("test-before", _services.Rounds());
    }

    [Fact]
    public async Task A_run_stopped_in_the_middle_of_a_validation_makes_up_for_it_when_it_resumes()
    {
        using var stop = new CancellationTokenSource();
        _services.BeforeUnit = unit =>
        {
            if (unit.Id.Value.StartsWith("validation-4"))
                stop.Cancel();
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Loop(Config()).Run(stop.Token));
        Assert.Equal(4, new RunCheckpoints(Path.Combine(_root, "run")).Newest()!.Iteration);
        _services.Reset();
        var result = await Loop(Config()).Run(default);
        Assert.Equal(["validation-4", "test-after"], _services.Rounds());
        Assert.Equal(4, result.BestIteration);
    }

    [Fact]
    public async Task A_unit_that_is_given_up_ends_the_run_with_its_reason()
    {
        _services.BeforeUnit = unit => throw new DfpoException("run/unit-abandoned", $"{unit.Id} is poisoned");
        Assert.Equal("run/unit-abandoned", (await Assert.ThrowsAsync<DfpoException>(() => Loop(Config()).Run(default))).Code);
    }

    [Fact]
    public async Task Evaluations_use_the_same_seeds_whatever_the_weights_and_policy()
    {
        await Loop(Config()).Run(default);
        var seeds = _services.Units.OfType<RolloutUnit>().Where(unit => unit.Id.Value.StartsWith("validation")).GroupBy(unit => unit.Id.Value[^1])
            .Select(group => group.Select(unit => string.Join(',', unit.Requests.Select(r => r.Seed))).Distinct().Count());
        Assert.All(seeds, count => Assert.Equal(1, count));
    }

    [Fact]
    public async Task Old_states_are_pruned_but_the_best_weights_stay()
    {
        _services.RewardOfVersion = version => version == 2 ? 0.9f : 0.1f;
        await Loop(Config() with { Iterations = 8 }).Run(default);
        Assert.Equal(2, Directory.GetFiles(Path.Combine(_root, "run", "checkpoints"), "*.json").Length);
        Assert.True(Directory.Exists(Path.Combine(_root, "run", "best", "iteration-00002")));
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private ExperimentLoop Loop(ExperimentConfig config) => new(config, _services, _observer, new RunCheckpoints(Path.Combine(_root, "run")));

    private ExperimentConfig Config() => new()
    {
        Iterations = 4,
        Model = new ModelOptions { Policy = Path.Combine(_root, "policy") },
        Task = new TaskOptions { TrainPrompts = Path.Combine(_root, "train.jsonl"), ValidationPrompts = Path.Combine(_root, "validation.jsonl"), TestPrompts = Path.Combine(_root, "test.jsonl") },
        Rollout = new RolloutOptions { PromptsPerIteration = 4, UnitSize = 2, Generation = new GenerationOptions { MaxNewTokens = 3 } },
        Evaluation = new EvaluationOptions { Every = 2 },
    };

    private static string Describe(WorkUnit unit) => unit is RolloutUnit rollout
        ? $"{rollout.Id.Value.Split('/')[0]} {rollout.Weights.Version} {string.Join(' ', rollout.Requests.Select(r => $"{r.Seed}:{string.Join(',', r.PromptTokens)}"))}"
        : unit.Id.Value;

    private sealed class FakeServices : IExperimentServices
    {
        private readonly Lock _lock = new();
        private int _iteration;
        private WeightsRef _weights = Weights(0);

        public List<WorkUnit> Units { get; } = [];

        public List<IReadOnlyList<Trajectory>> Batches { get; } = [];

        public Func<int, float> RewardOfVersion { get; set; } = version => version;

        public Action<WorkUnit>? BeforeUnit { get; set; }

        public string Exported { get; private set; } = "";

        public IEnumerable<string> Rounds() => Units.Where(u => u is RolloutUnit).Select(u => u.Id.Value.Split('/')[0]).Distinct();

        public void Reset()
        {
            Units.Clear();
            Batches.Clear();
            BeforeUnit = null;
            _iteration = 0;
        }

        public Task<WorkProtocol.UnitFinished> Process(WorkUnit unit, ActivityContext parent, CancellationToken cancellation)
        {
            if (unit is RolloutUnit)
                BeforeUnit?.Invoke(unit);
            cancellation.ThrowIfCancellationRequested();
            lock (_lock)
                if (unit is RolloutUnit)
                    Units.Add(unit);
            UnitResult result = unit switch
            {
                RolloutUnit rollout => new RolloutResult([.. rollout.Requests.Select(r => new GeneratedSequence
                {
                    PromptTokens = r.PromptTokens,
                    Tokens = [1, 2, 3],
                    Logprobs = [-1, -1, -1],
                    SamplingLogprobs = [-1, -1, -1],
                    ReferenceLogprobs = [-1, -1, -1],
                    StateKl = [0, 0, 0],
                    RetainedMass = [1, 1, 1],
                })]),
                RewardUnit reward => new RewardResult([.. reward.Texts.Select(_ => RewardOfVersion(_weights.Version))]),
                _ => throw new ArgumentOutOfRangeException(nameof(unit)),
            };
            return Task.FromResult(new WorkProtocol.UnitFinished(unit.Id, result, default));
        }

        public Task<LearnerState> Learner(ICommand command, CancellationToken cancellation)
        {
            LearnerReport? report = null;
            switch (command)
            {
                case Start { Folder: { } folder }:
                    _iteration = int.Parse(File.ReadAllText(Path.Combine(folder, "iteration")));
                    break;
                case Learn learn:
                    Batches.Add(learn.Batch);
                    _iteration++;
                    report = new LearnerReport(new Dictionary<string, double> { ["objective/kl"] = 0 });
                    break;
                case Save save:
                    Directory.CreateDirectory(save.Folder);
                    File.WriteAllText(Path.Combine(save.Folder, "iteration"), $"{_iteration}");
                    break;
                case Export export:
                    Directory.CreateDirectory(export.Folder);
                    break;
                case PublishExported exported:
                    Exported = exported.Folder;
                    break;
            }
            _weights = Weights(_iteration);
            return Task.FromResult(new LearnerState(_iteration, _weights, report, "digest"));
        }

        private static WeightsRef Weights(int version) => new(version, $"digest-{version:D4}", 1, "");
    }

    private sealed class RecordingObserver : IExperimentObserver
    {
        public List<IterationReport> Iterations { get; } = [];

        public ExperimentResult? Result { get; private set; }

        public void Started(ExperimentConfig config, int iteration)
        {
        }

        public void Evaluated(EvaluationReport report)
        {
        }

        public void IterationFinished(IterationReport report) => Iterations.Add(report);

        public void WorkersChanged(string role, int count)
        {
        }

        public void Finished(ExperimentResult result) => Result = result;
    }
}
