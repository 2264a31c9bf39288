using System.Net;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using DfPO.Actors.Configuration;
using DfPO.Host.Dashboard;
using DfPO.Host.Reporting;

namespace DfPO.Host.Tests.Dashboard;

public sealed partial class DashboardServerTests : IAsyncLifetime
{
    private readonly TestFolder _folder = new();
    private readonly HttpClient _client = new();
    private DashboardServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await DashboardServer.Start(new RunShelf(_folder.Path, "http://traces/{trace}", _ => { }), 0);
        _client.BaseAddress = new Uri(_server.Address);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _client.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Only_the_machine_itself_is_answered_and_only_when_it_reads()
    {
        Assert.StartsWith("http://127.0.0.1:", _server.Address);
        Assert.Equal(HttpStatusCode.OK, (await _client.GetAsync("api/runs")).StatusCode);
        foreach (var host in new[] { "evil.example", $"evil.example:{new Uri(_server.Address).Port}", "127.0.0.1:1", "localhost" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "api/runs");
            request.Headers.Host = host;
            Assert.Equal(HttpStatusCode.MisdirectedRequest, (await _client.SendAsync(request)).StatusCode);
        }
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await _client.PostAsync("api/runs", null)).StatusCode);
    }

    [Fact]
    public async Task The_page_loads_nothing_and_its_policy_allows_its_own_scripts_by_their_hashes_alone()
    {
        var response = await _client.GetAsync("");
        var page = await response.Content.ReadAsStringAsync();
        var policy = response.Headers.GetValues("Content-Security-Policy").Single();
        Assert.Contains("default-src 'none'", policy);
        Assert.Contains("frame-ancestors 'none'", policy);
        Assert.DoesNotContain("unsafe", policy);
        var scripts = Script().Matches(page);
        Assert.True(scripts.Count > 5);
        Assert.All(scripts, script =>
            Assert.Contains($"'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(script.Groups[1].Value)))}'", policy)
        );
        Assert.Equal("nosniff", response.Headers.GetValues("X-Content-Type-Options").Single());
        Assert.DoesNotMatch(@"(<link|<img|<iframe|\ssrc\s*=\s*[""'])", page);
    }

    [Fact]
    public async Task What_is_asked_for_wrongly_is_told_with_its_code()
    {
        var unknown = await _client.GetAsync("api/run?id=nobody");
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
        Assert.Equal("runs/unknown", (string?)(await unknown.Content.ReadFromJsonAsync<JsonObject>())!["code"]);
        var run = WatchedRuns.Make(_folder.Path);
        var wrong = await _client.GetAsync($"api/rollouts?id={Path.GetFileName(run.Path)}&iteration=one");
        Assert.Equal(HttpStatusCode.BadRequest, wrong.StatusCode);
        Assert.Contains("iteration=one", (string?)(await wrong.Content.ReadFromJsonAsync<JsonObject>())!["error"]);
    }

    [Fact]
    public async Task A_run_is_followed_while_it_goes_on()
    {
        var run = WatchedRuns.Make(_folder.Path, finished: false);
        var id = Path.GetFileName(run.Path);
        var offset = (long)(await _client.GetFromJsonAsync<JsonObject>($"api/run?id={id}"))!["offset"]!;
        using var response = await _client.GetAsync($"api/events?from={offset}:{id}", HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        await using var stream = await response.Content.ReadAsStreamAsync();
        await using var events = SseParser.Create(stream).EnumerateAsync().GetAsyncEnumerator();
        Assert.True(await events.MoveNextAsync());
        var recorder = new RunRecorder(run);
        recorder.Started(new ExperimentConfig(), 3);
        recorder.IterationFinished(Reports.Iteration(4));
        while (events.Current.EventType != "lines")
            Assert.True(await events.MoveNextAsync());
        var told = JsonNode.Parse(events.Current.Data)!;
        Assert.Equal((id, 4), ((string)told["id"]!, (int)told["lines"]![0]!["iteration"]!));
        Assert.Equal(new FileInfo(run.Metrics).Length, (long)told["offset"]!);
        RunRecorder.Conclude(run, new EvaluationOptions(), Reports.Result());
        while (!events.Current.Data.Contains("\"result\"", StringComparison.Ordinal))
            Assert.True(await events.MoveNextAsync());
    }

    [Fact]
    public async Task A_port_that_is_taken_is_told() =>
        Assert.Equal(
            "dashboard/port",
            (
                await Assert.ThrowsAsync<DfPO.Models.DfpoException>(() =>
                    DashboardServer.Start(new RunShelf(_folder.Path, "", _ => { }), new Uri(_server.Address).Port)
                )
            ).Code
        );

    [GeneratedRegex("<script>(.*?)</script>", RegexOptions.Singleline)]
    private static partial Regex Script();
}
