using System.Net;
using System.Text.RegularExpressions;
using DfPO.Actors.Security;
using DfPO.Actors.Weights;
using DfPO.Models;
using DfPO.Models.Hub;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Rewards;
using DfPO.Tasks.Tables;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace DfPO.Security.Tests.Rogue;

/// <summary>What is left lying about, printed, sent on or unpacked.</summary>
public sealed class TraceTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Scratch_folders_are_their_owners_alone_and_go_also_after_a_crash()
    {
        using var living = ScratchFolder.Create();
        var crashed = Directory.CreateTempSubdirectory("dfpo-scratch-").FullName;
        File.WriteAllText(Path.Combine(crashed, ".alive"), "");
        File.WriteAllText(Path.Combine(crashed, "prompts"), "secret");
        if (!OperatingSystem.IsWindows())
            Assert.Equal(
                UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute,
                File.GetUnixFileMode(living.Path)
            );
        using (ScratchFolder.Create())
            Assert.False(Directory.Exists(crashed));
        Assert.True(Directory.Exists(living.Path));
    }

    [Fact]
    public void A_terminal_gets_no_control_characters_of_others() =>
        Assert.Equal("a\uFFFD[2Jb\n\tc\uFFFDd\uFFFD", PlainText.Of("a\u001b[2Jb\n\tc\u202Ed\u009b"));

    [Fact]
    public void A_token_is_not_printed_with_its_settings() =>
        Assert.DoesNotContain("hf_secret", $"{new HubSettings(new Uri("https://hub.example"), "/cache", "hf_secret")}");

    [Fact]
    public async Task An_endpoint_takes_no_key_elsewhere_and_its_answer_and_address_are_not_repeated()
    {
        var keys = new List<string?>();
        await using var thief = await Serve(context =>
        {
            keys.Add(context.Request.Headers.Authorization);
            return Results.Text("{}");
        });
        await using var endpoint = await Serve(context =>
            context.Request.Path == "/away" ? Results.Redirect(thief.Urls.First(), false, true)
            : context.Request.Path == "/flood" ? Results.Text(new string(' ', 20 << 20))
            : Results.Text("echo of the PROMPT and key", statusCode: 400)
        );
        Environment.SetEnvironmentVariable("DFPO_TEST_KEY", "key-value");
        string Error(string path)
        {
            using var reward = new HttpReward(
                new EndpointOptions
                {
                    Url = endpoint.Urls.First().Replace("http://", "http://user:pass@", StringComparison.Ordinal) + path,
                    KeyVariable = "DFPO_TEST_KEY",
                    Retries = 0,
                }
            );
            return Assert.Throws<DfpoException>(() => reward.Score([new PromptContinuation("PROMPT", "b")])).Message;
        }
        Assert.Contains("redirects are not followed", Error("/away?secret=1"));
        Assert.Contains("more than 16 MB", Error("/flood"));
        var told = Error("/no?secret=1");
        Assert.DoesNotMatch(new Regex("PROMPT|key-value|secret|pass"), told);
        Assert.Empty(keys);
    }

    [Fact]
    public async Task A_page_of_the_web_that_has_its_name_lead_to_loopback_gets_nothing()
    {
        _folder.Write("policy/config.json", "{}");
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenForBulk(IPAddress.Loopback, 0, null));
        builder.Logging.ClearProviders();
        await using var server = builder.Build();
        using var store = new WeightsStore();
        server.MapWeights(store, new Dictionary<string, string> { ["policy"] = _folder["policy"] });
        await server.StartAsync();
        using var http = new HttpClient();
        foreach (var (host, status) in new[] { ("evil.example", 421), ("localhost", 200), ("127.0.0.1", 200), ("localhost.evil.example", 421) })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, $"{server.Urls.First()}/models/policy");
            request.Headers.Host = host;
            Assert.Equal(status, (int)(await http.SendAsync(request)).StatusCode);
        }
    }

    [Fact]
    public void What_unpacks_without_end_is_not_unpacked()
    {
        var path = _folder["bomb.jsonl.gz"];
        using (var gzip = new System.IO.Compression.GZipStream(File.Create(path), System.IO.Compression.CompressionLevel.SmallestSize))
            for (var i = 0; i < 300; i++)
                gzip.Write(new byte[1 << 20]);
        Assert.Equal("archive/bomb", DfpoAssert.CodeOf(() => Table.Read(path, new MalformedRows(0)).ToArray(), "bomb.jsonl.gz"));
    }

    private static async Task<WebApplication> Serve(Func<HttpContext, IResult> answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var server = builder.Build();
        server.MapFallback(answer);
        await server.StartAsync();
        return server;
    }
}
