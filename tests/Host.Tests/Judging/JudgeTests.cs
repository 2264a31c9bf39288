using DfPO.Actors.Configuration;
using DfPO.Actors.Work;
using DfPO.Host.Judging;
using DfPO.Host.Tests.Commands;
using DfPO.Learner.Supervised;
using DfPO.Models;
using DfPO.Tasks.Corpora;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Rewards;
using DfPO.Tasks.Tests;

namespace DfPO.Host.Tests.Judging;

/// <summary><c>train-reward</c> on tiny bodies: what is saved is a reward that an experiment can name.</summary>
public sealed class JudgeTests : IDisposable
{
    private static readonly string[] s_words = ["the", "film", "was", "a", "story", "of"];
    private static readonly SupervisedOptions s_options = new()
    {
        Steps = 60,
        BatchSize = 8,
        BlockSize = EncoderFolders.MaxTokens,
        LearningRate = 1e-2,
        WarmupSteps = 5,
        EvaluateEvery = 60,
    };
    private readonly TestFolder _folder = new();

    public JudgeTests() => TorchSharp.torch.set_num_threads(1);

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("bert")]
    [InlineData("distilbert")]
    [InlineData("roberta")]
    [InlineData("gpt2")]
    public void A_judge_of_labels_learns_on_any_body_and_loads_as_a_reward(string body)
    {
        var rows = Enumerable.Range(0, 150).Select(i => $"{Text(i, i % 2 == 0 ? "good" : "bad")}\t{(i % 2 == 0 ? "liked" : "not")}\n");
        var table = _folder.Write("reviews.tsv", "review\tverdict\n" + string.Concat(rows));
        var output = _folder["judge"];
        var reports = new List<TrainingProgress>();

        var code = LabelJudge.Run(
            new(Body(body), table, null, new("review", "verdict"), new TextWindows(4, 6), 0, s_options),
            output,
            reports.Add,
            default
        );

        Assert.Equal(0, code);
        Assert.True(reports[^1].HeldOut > 0.8, $"{reports[^1]}");
        var scores = Scores(new TaskOptions { RewardModel = output, RewardLabel = "liked" }, "the", " good film was", " bad film was");
        Assert.True(scores[0] > 0.7 && scores[1] < 0.3, string.Join(' ', scores));
        var card = File.ReadAllText(Path.Combine(output, "README.md"));
        Assert.Contains("135 texts of `reviews.tsv`", card);
        Assert.Contains("on 15 of 15 texts", card);
        Assert.Contains("| random pieces of 48 tokens | 1.000 [0.796, 1.000] |", card);
        Assert.DoesNotContain(_folder.Path, card);
    }

    [Theory]
    [InlineData("bert")]
    [InlineData("gpt2")]
    public void A_reward_model_of_preferences_gives_its_score_as_a_reward(string body)
    {
        var rows = Enumerable
            .Range(0, 150)
            .Select(i => $"{{\"prompt\": \"the film\", \"chosen\": \" {Text(i, "good")}\", \"rejected\": \" {Text(i + 7, "bad")}\"}}\n");
        var table = _folder.Write("pairs.jsonl", string.Concat(rows));
        var output = _folder["judge"];
        var source = Body(body);

        Assert.Equal(0, PairJudge.Run(new(source, table, null, source, 0.01, 0, s_options), output, _ => { }, default));

        var task = new TaskOptions
        {
            RewardModel = output,
            RewardLabel = PairJudge.Label,
            Reward = new() { ClassifierOutput = ClassifierOutput.Score },
        };
        var scores = Scores(task, "the film", " was good a film", " was bad a film");
        Assert.True(scores[0] > scores[1] + 1, string.Join(' ', scores));
        var probabilities = Scores(task with { Reward = new() }, "the film", " was good a film", " was bad a film");
        Assert.Equal(scores.Select(score => 1 / (1 + MathF.Exp(-score))), probabilities, (a, b) => MathF.Abs(a - b) < 1e-5f);
        // What joining workers are told holds the choice.
        Assert.Equal(ClassifierOutput.Score, RewardLoading.Setup(task, "http://there").Reward!.ClassifierOutput);
        Assert.Contains("15 pairs that were not learnt from: accuracy **1.000**", File.ReadAllText(Path.Combine(output, "README.md")));
    }

    [Fact]
    public void Too_little_data_and_too_small_blocks_are_named()
    {
        var body = Body("bert");
        var few = _folder.Write("few.jsonl", "{\"chosen\": \"a\", \"rejected\": \"b\"}\n");
        void Refused(Action run, string code, string word)
        {
            var error = Assert.Throws<DfpoException>(run);
            Assert.Equal(code, error.Code);
            Assert.Contains(word, error.Message);
        }
        Refused(
            () => PairJudge.Run(new(body, few, null, body, 0, 0, s_options), _folder["o"], _ => { }, default),
            "train/data",
            "has 1 pairs but training needs at least 20"
        );
        Refused(
            () => PairJudge.Run(new(body, few, null, body, 0, 0, s_options with { BlockSize = 3 }), _folder["o"], _ => { }, default),
            "train/options",
            "must be above the 2 special tokens"
        );
        var messages = _folder.Write(
            "messages.jsonl",
            "{\"chosen\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"b\"}], \"rejected\": \"c\"}\n"
        );
        Refused(
            () => PairJudge.Run(new(body, messages, null, body, 0, 0, s_options), _folder["o"], _ => { }, default),
            "chat/missing",
            body
        );
    }

    private static string Text(int number, string word)
    {
        string Word(int at) => s_words[CounterRandom.UInt64(9, (ulong)((number * 5) + at)) % (ulong)s_words.Length];
        return $"{Word(0)} {word} {Word(1)} {Word(2)}";
    }

    private static float[] Scores(TaskOptions task, string prompt, params string[] continuations)
    {
        using var reward = RewardLoading.Local(task);
        return [.. reward.Score([.. continuations.Select(continuation => new PromptContinuation(prompt, continuation))])];
    }

    private string Body(string type)
    {
        if (type == "gpt2")
            return TinyModels.Policy(_folder["body"], 3);
        using var made = new TestFolder();
        EncoderFolders.Save(made, type);
        Directory.Move(made.Path, _folder["body"]);
        Directory.CreateDirectory(made.Path);
        return _folder["body"];
    }
}
