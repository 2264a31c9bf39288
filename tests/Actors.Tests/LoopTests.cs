using System.Collections.Concurrent;
using System.Diagnostics;
using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Actors.Learning;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Learner;
using DfPO.Models;
using DfPO.Models.Gpt2;
using DfPO.Models.Policies;
using DfPO.Models.Tokenizers;
using DfPO.Rollout;
using DfPO.Tasks.Prompts;
using static DfPO.Actors.Learning.LearnerProtocol;

namespace DfPO.Actors.Tests;

/// <summary>
/// An experiment loop against services that only remember: what it asks, in which order, and what it makes of the answers.
/// </summary>
public abstract class LoopTests : IDisposable
{
    private protected string Root { get; } = Directory.CreateTempSubdirectory("dfpo-loop").FullName;
    private protected FakeServices Services { get; } = new();
    private protected RecordingObserver Observer { get; } = new();

    protected LoopTests()
    {
        Gpt2TokenizerFiles.Cut(Repository.Gpt2Tokenizer, Path.Combine(Root, "policy"), 300);
        var config = new Gpt2Config
        {
            VocabSize = 300,
            NPositions = 64,
            NEmbd = 16,
            NLayer = 1,
            NHead = 2,
        };
        File.WriteAllText(Path.Combine(Root, "policy", "config.json"), config.ToJson("GPT2LMHeadModel", "float32").ToJsonString());
        foreach (var (split, count) in new[] { ("train", 5), ("validation", 3), ("test", 2) })
            File.WriteAllLines(
                Path.Combine(Root, split + ".jsonl"),
                Enumerable.Range(0, count).Select(i => $$"""{"id": "{{split}}-{{i}}", "text": "the {{split}} {{i}}"}""")
            );
    }

    public void Dispose()
    {
        Directory.Delete(Root, recursive: true);
        GC.SuppressFinalize(this);
    }

    private protected ExperimentLoop Loop(ExperimentConfig config) =>
        new(config, Services, Observer, new RunCheckpoints(Path.Combine(Root, "run")));

    private protected ExperimentConfig Config() =>
        new()
        {
            Iterations = 4,
            Model = new ModelOptions { Policy = Path.Combine(Root, "policy") },
            Task = new TaskOptions
            {
                TrainPrompts = Path.Combine(Root, "train.jsonl"),
                ValidationPrompts = Path.Combine(Root, "validation.jsonl"),
                TestPrompts = Path.Combine(Root, "test.jsonl"),
            },
            Rollout = new RolloutOptions
            {
                PromptsPerIteration = 4,
                UnitSize = 2,
                Generation = new GenerationOptions { MaxNewTokens = 3 },
            },
            Evaluation = new EvaluationOptions { Every = 2 },
        };

    /// <summary>Gives the prompts of splits two references each.</summary>
    private protected void WithReferences(params string[] splits)
    {
        foreach (var path in splits.Select(split => Path.Combine(Root, split + ".jsonl")))
            File.WriteAllLines(path, File.ReadAllLines(path).Select(line => line.Replace("}", """, "references": [" late", "early"]}""")));
    }

    internal sealed class FakeServices : IExperimentServices, ILearner
    {
        private readonly Lock _lock = new();
        private int _iteration;
        private WeightsRef? _weights;

        /// <summary>Prompts and folder of each measurement of references.</summary>
        public List<(int Prompts, string? Folder)> Measurements { get; } = [];

        /// <summary>What both queues say of themselves.</summary>
        public WorkProtocol.QueueStatus Queue { get; set; } = new(1, 0, 0, 0, 0);

        public Task<WorkProtocol.QueueStatus[]> Queues(CancellationToken cancellation) => Task.FromResult(new[] { Queue, Queue });

        public List<WorkUnit> Units { get; } = [];

        public List<IReadOnlyList<Trajectory>> Batches { get; } = [];

        public Func<int, float> RewardOfVersion { get; set; } = version => version;

        public Action<WorkUnit>? BeforeUnit { get; set; }

        /// <summary>What a unit waits for before it is done.</summary>
        public Func<WorkUnit, CancellationToken, Task> Gate { get; set; } = (_, _) => Task.CompletedTask;

        /// <summary>Called when the learner is about to learn.</summary>
        public Action<Learn>? BeforeLearn { get; set; }

        public Func<int, string> DigestOfVersion { get; set; } = version => $"digest-{version:D4}";

        /// <summary>The span of each unit, by its name.</summary>
        public ConcurrentDictionary<string, ActivityContext> Spans { get; } = [];

        public string ExportedFolder { get; private set; } = "";

        public IEnumerable<string> Rounds() => Units.Where(u => u is RolloutUnit).Select(u => u.Id.Value.Split('/')[0]).Distinct();

        public void Reset()
        {
            Units.Clear();
            Batches.Clear();
            (BeforeUnit, BeforeLearn, Gate) = (null, null, (_, _) => Task.CompletedTask);
            _iteration = 0;
        }

        public async Task<WorkProtocol.UnitFinished> Process(WorkUnit unit, ActivityContext parent, CancellationToken cancellation)
        {
            if (unit is RolloutUnit)
                BeforeUnit?.Invoke(unit);
            cancellation.ThrowIfCancellationRequested();
            lock (_lock)
                if (unit is RolloutUnit)
                    Units.Add(unit);
            await Gate(unit, cancellation);
            UnitResult result = unit switch
            {
                RolloutUnit rollout => new RolloutResult([
                    .. rollout.Requests.Select(r => new GeneratedSequence
                    {
                        PromptTokens = r.PromptTokens,
                        Tokens = [1, 2, 3],
                        Logprobs = [-1, -1, -1],
                        ReferenceLogprobs = [-1, -1, -1],
                        StateKl = [0, 0, 0],
                        RetainedMass = [1, 1, 1],
                    }),
                ]),
                RewardUnit reward => new RewardResult([.. reward.Texts.Select(_ => RewardOfVersion(_weights!.Version))]),
                _ => throw new ArgumentOutOfRangeException(nameof(unit)),
            };
            return new WorkProtocol.UnitFinished(
                unit.Id,
                result,
                Spans.GetOrAdd(unit.Id.Value, _ => new ActivityContext(
                    ActivityTraceId.CreateRandom(),
                    ActivitySpanId.CreateRandom(),
                    ActivityTraceFlags.None
                ))
            );
        }

        public Task<TReply> Learner<TReply>(ICommand<TReply> command, CancellationToken cancellation)
            where TReply : notnull => Task.FromResult(command.Ask(this));

        public Published Start(string? folder)
        {
            if (folder is not null)
                _iteration = int.Parse(File.ReadAllText(Path.Combine(folder, "iteration")));
            return Publish();
        }

        public Learnt Learn(IReadOnlyList<Trajectory> batch, ActivityContext parent, IReadOnlyList<ActivityContext> units)
        {
            BeforeLearn?.Invoke(new Learn(batch, parent, units));
            Batches.Add(batch);
            _iteration++;
            var published = Publish();
            return new(published.Iteration, published.Weights, new LearnerReport(new Dictionary<string, double> { ["objective/kl"] = 0 }));
        }

        public void Save(string folder)
        {
            Directory.CreateDirectory(folder);
            File.WriteAllText(Path.Combine(folder, "iteration"), $"{_iteration}");
        }

        public Exported Export(string folder)
        {
            Directory.CreateDirectory(folder);
            return new("digest");
        }

        public Published PublishExported(string folder)
        {
            ExportedFolder = folder;
            return Publish();
        }

        public Measured Measure(IReadOnlyList<Prompt> prompts, string? folder)
        {
            Measurements.Add((prompts.Count, folder));
            return new(40 + _iteration);
        }

        private Published Publish() => new(_iteration, _weights = Weights(_iteration));

        private WeightsRef Weights(int version) => new(version, DigestOfVersion(version), 1, "");
    }

    internal sealed class RecordingObserver : IExperimentObserver
    {
        public List<IterationReport> Iterations { get; } = [];

        public ExperimentResult? Result { get; private set; }

        public void Started(ExperimentConfig config, int iteration) { }

        public List<EvaluationReport> Evaluations { get; } = [];

        public void Evaluated(EvaluationReport report) => Evaluations.Add(report);

        public void IterationFinished(IterationReport report) => Iterations.Add(report);

        public void WorkersChanged(string role, int count) { }

        public void Finished(ExperimentResult result) => Result = result;
    }
}
