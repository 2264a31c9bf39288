using System.Text.Json;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Rewards;

namespace DfPO.Tasks.Tests.Rewards;

public sealed class EndpointRewardTests
{
    private static readonly PromptContinuation[] s_texts =
    [
        .. Enumerable.Range(1, 5).Select(i => new PromptContinuation("p", new string('x', i))),
    ];

    [Fact]
    public void ScoresComeInBatchesAndInOrder()
    {
        using var server = new FakeEndpoint((_, body) => (200, Lengths(body)));
        using var reward = RewardFactory.Create(
            new RewardSpec { Kind = RewardKind.Http, Endpoint = Options(server) with { BatchSize = 2 } }
        );

        Assert.Equal([1f, 2f, 3f, 4f, 5f], reward.Score(s_texts));
        Assert.Equal([2, 2, 1], server.Requests.Select(request => request.Body.GetProperty("texts").GetArrayLength()));
    }

    [Fact]
    public void ARequestCarriesEverythingKnownAboutAText()
    {
        using var server = new FakeEndpoint((_, _) => (200, "{\"scores\": [0.5]}"));
        using var reward = new HttpReward(Options(server));

        Assert.Equal([0.5f], reward.Score([new PromptContinuation("Ünï", "b") { References = ["r"], Concepts = ["c", "d"] }]));
        var text = server.Requests.Single().Body.GetProperty("texts")[0];
        Assert.Equal(
            """{"prompt":"Ünï","continuation":"b","references":["r"],"concepts":["c","d"]}""",
            System.Text.RegularExpressions.Regex.Unescape(text.GetRawText())
        );
    }

    [Theory]
    [InlineData(429)]
    [InlineData(500)]
    [InlineData(503)]
    [InlineData(408)]
    public void AFailureThatMayPassIsTriedAgain(int status)
    {
        using var server = new FakeEndpoint((number, body) => number < 2 ? (status, "busy") : (200, Lengths(body)));
        using var reward = new HttpReward(Options(server) with { Retries = 2 });

        Assert.Equal([1f], reward.Score(s_texts[..1]));
        Assert.Equal(3, server.Requests.Count);
    }

    [Fact]
    public void AnAttemptThatTakesTooLongIsTriedAgain()
    {
        using var server = new FakeEndpoint((number, body) => number == 0 ? (0, "") : (200, Lengths(body)));
        using var reward = new HttpReward(Options(server) with { Retries = 1, Timeout = TimeSpan.FromSeconds(2) });

        Assert.Equal([1f], reward.Score(s_texts[..1]));
        Assert.Equal(2, server.Requests.Count);
    }

    [Fact]
    public void AFailureThatStaysIsToldAfterTheLastAttempt()
    {
        using var server = new FakeEndpoint((_, _) => (500, "broken"));
        using var reward = new HttpReward(Options(server) with { Retries = 2 });

        Assert.Equal("reward/endpoint", CodeOf(() => reward.Score(s_texts), server.Url, "500"));
        Assert.Equal(3, server.Requests.Count);
    }

    [Fact]
    public void ARefusalIsNotTriedAgain()
    {
        using var server = new FakeEndpoint((_, _) => (400, "texts are too long"));
        using var reward = new HttpReward(Options(server) with { Retries = 3 });

        // What it answers may repeat the texts, or the key.
        var error = Assert.Throws<DfPO.Models.DfpoException>(() => reward.Score(s_texts));
        Assert.Equal("reward/endpoint", error.Code);
        Assert.Contains("400", error.Message);
        Assert.DoesNotContain("too long", error.Message);
        Assert.Single(server.Requests);
    }

    [Fact]
    public void AfterManyFailuresInARowNothingIsSentForAWhile()
    {
        using var server = new FakeEndpoint((_, _) => (500, ""));
        using var reward = new HttpReward(Options(server) with { Retries = 0, BreakAfter = 3, BreakFor = TimeSpan.FromMinutes(10) });

        for (var i = 0; i < 3; i++)
            Assert.Equal("reward/endpoint", CodeOf(() => reward.Score(s_texts)));
        Assert.Equal("reward/endpoint-open", CodeOf(() => reward.Score(s_texts), server.Url));
        Assert.Equal(3, server.Requests.Count);
    }

    [Fact]
    public void AnEndpointThatIsNotThereIsNamed()
    {
        string url;
        using (var server = new FakeEndpoint((_, _) => (200, "")))
            url = server.Url;
        using var reward = new HttpReward(new EndpointOptions { Url = url, Retries = 0 });

        Assert.Equal("reward/endpoint", CodeOf(() => reward.Score(s_texts), url));
    }

    [Theory]
    [InlineData("oops", "reward/endpoint", "not JSON")]
    [InlineData("[1, 2, 3, 4, 5]", "reward/endpoint", "scores")]
    [InlineData("{\"scores\": [1, 2]}", "reward/count", "2 scores for 5 texts")]
    [InlineData("{\"scores\": [1, 2, 3, 4, null]}", "reward/endpoint", "score 5")]
    [InlineData("{\"scores\": [1, 2, 3, 4, 1e999]}", "reward/not-finite", "text 5")]
    public void AnAnswerOfAnotherFormIsRefused(string body, string code, string word)
    {
        using var server = new FakeEndpoint((_, _) => (200, body));
        using var reward = RewardFactory.Create(new RewardSpec { Kind = RewardKind.Http, Endpoint = Options(server) });

        Assert.Equal(code, CodeOf(() => reward.Score(s_texts), word));
    }

    [Fact]
    public void TheKeyIsSentAsABearerTokenAndTakenFromTheEnvironmentOnly()
    {
        var variable = $"DFPO_TEST_{Guid.NewGuid():N}";
        using var server = new FakeEndpoint((_, body) => (200, Lengths(body)));
        Assert.Equal("reward/key", CodeOf(() => new HttpReward(Options(server) with { KeyVariable = variable }), variable));
        Environment.SetEnvironmentVariable(variable, "secret");
        using var reward = new HttpReward(Options(server) with { KeyVariable = variable });

        reward.Score(s_texts[..1]);

        Assert.Equal("Bearer secret", server.Requests.Single().Authorization);
        Environment.SetEnvironmentVariable(variable, null);
    }

    [Theory]
    [InlineData("not a url")]
    [InlineData("ftp://x/")]
    public void AnAddressThatIsNoneIsRefused(string url) =>
        Assert.Equal("reward/spec", CodeOf(() => new HttpReward(new EndpointOptions { Url = url }), url));

    [Fact]
    public void OptionsThatMakeNoSenseAreRefused()
    {
        var options = new EndpointOptions { Url = "http://127.0.0.1/" };

        Assert.Equal("reward/spec", CodeOf(() => new HttpReward(options with { Timeout = TimeSpan.Zero }), "timeout"));
        Assert.Equal("reward/spec", CodeOf(() => new HttpReward(options with { RetryDelay = TimeSpan.FromSeconds(-1) }), "retry-delay"));
        Assert.Equal("reward/spec", CodeOf(() => new HttpReward(options with { BreakFor = TimeSpan.Zero }), "break-for"));
        Assert.Equal("reward/spec", CodeOf(() => new HttpReward(options with { BreakAfter = 1 }), "break-after"));
        Assert.Equal("reward/spec", CodeOf(() => new HttpReward(options with { BatchSize = 0 }), "batch-size"));
        Assert.Equal("reward/spec", CodeOf(() => new HttpReward(options with { RequestsPerSecond = double.NaN }), "requests-per-second"));
    }

    [Fact]
    public void PerspectiveIsAskedForEachTextThatIsNotEmptyWithoutShowingItsKey()
    {
        var variable = $"DFPO_TEST_{Guid.NewGuid():N}";
        Environment.SetEnvironmentVariable(variable, "secret");
        using var server = new FakeEndpoint((number, body) => number == 2 ? (400, "no such language") : (200, Answer(body)));
        using var reward = RewardFactory.Create(
            new RewardSpec
            {
                Kind = RewardKind.Perspective,
                Endpoint = Options(server) with { KeyVariable = variable, RequestsPerSecond = 1000 },
            }
        );

        Assert.Equal([0.25f, 1f, 0.75f], reward.Score([new("p", " vile"), new("p", " "), new("p", " kind")]));

        var request = server.Requests.First();
        Assert.Equal("secret", request.Key);
        Assert.Equal(
            """{"comment":{"text":" vile"},"languages":["en"],"requestedAttributes":{"TOXICITY":{}},"doNotStore":true}""",
            request.Body.GetRawText()
        );
        Assert.Equal("reward/endpoint", CodeOf(() => reward.Score([new("p", "x")]), "status 4"));
        Assert.DoesNotContain(
            "secret",
            Assert
                .Throws<DfPO.Models.DfpoException>(() => new PerspectiveReward(Options(server) with { Url = "x", KeyVariable = variable }))
                .Message
        );
        Environment.SetEnvironmentVariable(variable, null);
        Assert.Equal("reward/key", CodeOf(() => new PerspectiveReward(new EndpointOptions { KeyVariable = variable }), variable));
    }

    [Fact]
    public void RequestsAreSpacedByTheRate()
    {
        using var server = new FakeEndpoint((_, body) => (200, Lengths(body)));
        var time = new SteppingTime();
        using var reward = new HttpReward(Options(server) with { BatchSize = 1, RequestsPerSecond = 4 }, time);

        reward.Score(s_texts);

        // The first goes at once, each other one 250 ms after the one before.
        Assert.Equal([250, 250, 250, 250], time.Waits.Select(wait => (int)wait.TotalMilliseconds));
    }

    [Fact]
    public void AnEndpointMaySayHowLongToWait()
    {
        using var server = new FakeEndpoint((number, body) => number == 0 ? (429, "") : (200, Lengths(body))) { RetryAfter = "7" };
        var time = new SteppingTime();
        using var reward = new HttpReward(Options(server), time);

        Assert.Equal([1f], reward.Score(s_texts[..1]));
        Assert.Equal([TimeSpan.FromSeconds(7)], time.Waits);
    }

    private static EndpointOptions Options(FakeEndpoint server) => new() { Url = server.Url, RetryDelay = TimeSpan.FromMilliseconds(10) };

    private static string Answer(JsonElement request)
    {
        var toxicity = request.GetProperty("comment").GetProperty("text").GetString() == " vile" ? 0.75 : 0.25;
        return JsonSerializer.Serialize(
            new { attributeScores = new { TOXICITY = new { summaryScore = new { value = toxicity, type = "PROBABILITY" } } } }
        );
    }

    private static string Lengths(JsonElement body) =>
        JsonSerializer.Serialize(
            new { scores = body.GetProperty("texts").EnumerateArray().Select(text => text.GetProperty("continuation").GetString()!.Length) }
        );

    /// <summary>A clock that stands still but for delays, which it passes at once and notes.</summary>
    private sealed class SteppingTime : TimeProvider
    {
        private DateTimeOffset _now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

        public List<TimeSpan> Waits { get; } = [];

        public override DateTimeOffset GetUtcNow() => _now;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            // The timeout of an attempt is not a wait.
            if (dueTime > TimeSpan.Zero && dueTime != new EndpointOptions().Timeout)
            {
                Waits.Add(dueTime);
                _now += dueTime;
                ThreadPool.QueueUserWorkItem(_ => callback(state));
            }
            return TimeProvider.System.CreateTimer(_ => { }, null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }
}
