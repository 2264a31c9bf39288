using System.Net;
using System.Security.Cryptography;
using Akka.Actor;
using DfPO.Actors;
using DfPO.Actors.Security;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Models;
using DfPO.Security.Tests.Nodes;
using DfPO.Tasks.Rewards;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using static DfPO.Actors.Work.WorkProtocol;

namespace DfPO.Security.Tests.Rogue;

/// <summary>One that poses as the learner, and what it can have a worker do.</summary>
public sealed class CoordinatorTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_worker_loads_sends_and_calls_nothing_that_its_own_user_did_not_allow()
    {
        var plugin = _folder.Write("plugin.dll", "code");
        var digest = Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(plugin)));
        RewardSpec code = new() { Kind = RewardKind.Plugin, PluginAssembly = plugin },
            hidden = new() { Kind = RewardKind.Combination, Terms = [RewardKind.Bleu, RewardKind.Plugin], PluginAssembly = plugin },
            secret = Http("https://evil.example/score", "HF_TOKEN"),
            perspective = new() { Kind = RewardKind.Perspective, Endpoint = new EndpointOptions { Url = "https://evil.example/" } };
        static RewardSpec Http(string url, string key = "") =>
            new() { Kind = RewardKind.Http, Endpoint = new EndpointOptions { Url = url, KeyVariable = key } };
        void Refused(RewardAllowance allowance, RewardSpec spec, string word) =>
            Assert.Equal("worker/not-allowed", DfpoAssert.CodeOf(() => allowance.Checked(spec), word));
        RewardAllowance none = new(),
            host = new() { EndpointHosts = ["evil.example"] },
            wrong = new() { Plugins = [new(plugin, new string('0', 64))] };
        Refused(none, code, "--allow-plugin");
        Refused(none, hidden, "--allow-plugin");
        Refused(none, secret, "--allow-endpoint evil.example");
        Refused(none, perspective, "--allow-endpoint evil.example");
        Refused(host, secret, "--allow-key HF_TOKEN");
        Refused(host, perspective, "--allow-key PERSPECTIVE_API_KEY");
        Refused(host, Http("https://evil.example.org/"), "--allow-endpoint evil.example.org");
        Refused(new() { EndpointHosts = ["evil.example:1234"] }, secret, "--allow-endpoint");
        Refused(wrong, code, digest.ToLowerInvariant());
        foreach (var text in new[] { plugin, $"{plugin}#{digest}" })
            new RewardAllowance { Plugins = [AllowedPlugin.Parse(text)!] }.Checked(hidden);
        (host with { KeyVariables = ["HF_TOKEN"] }).Checked(secret);
        Assert.Null(AllowedPlugin.Parse("a.dll#12"));
    }

    [Theory]
    [InlineData("..")]
    [InlineData(".")]
    [InlineData("a:b")]
    [InlineData("..%2f")]
    public async Task A_worker_writes_nothing_outside_its_own_folder(string name)
    {
        await using var server = await Serve(null, _ => [new("config.json", 2)]);
        using var client = new WeightsClient(_folder["scratch/own"]);
        // An address that ends with anything but a name is not asked; the file of such a name is not taken.
        var error = await Record.ExceptionAsync(() => client.FetchFolder($"{server.Urls.First()}/models/{name}", default));
        Assert.Equal("weights/fetch", Assert.IsType<DfpoException>(error).Code);
        await using var liar = await Serve(null, _ => [new(name.Replace("%2f", "/x", StringComparison.Ordinal), 2)]);
        using var second = new WeightsClient(_folder["scratch/other"]);
        error = await Record.ExceptionAsync(() => second.FetchFolder($"{liar.Urls.First()}/models/policy", default));
        Assert.Equal("weights/fetch", Assert.IsType<DfpoException>(error).Code);
        Assert.Equal(["scratch"], Directory.GetFileSystemEntries(_folder[""]).Select(Path.GetFileName));
        Assert.All(Directory.GetFiles(_folder["scratch"], "*", SearchOption.AllDirectories), _ => Assert.Fail("a file was written"));
    }

    [Theory]
    [InlineData("""[{"name":"a","length":-1}]""")]
    [InlineData("""[{"length":1}]""")]
    [InlineData("""[null]""")]
    [InlineData("""{"name":1}""")]
    [InlineData("""[""")]
    [InlineData("""nonsense""")]
    public async Task A_list_of_files_that_cannot_be_is_refused_in_one_line(string list)
    {
        await using var server = await Serve(null, _ => [], list);
        using var client = new WeightsClient(_folder["scratch"]);
        var error = await Record.ExceptionAsync(() => client.FetchFolder($"{server.Urls.First()}/models/policy", default));
        Assert.Equal("weights/fetch", Assert.IsType<DfpoException>(error).Code);
    }

    [Fact]
    public async Task A_list_of_files_without_end_is_not_read_to_the_end()
    {
        await using var server = await Serve(null, _ =>
            Enumerable.Range(0, 200_000).Select(i => new WeightsEndpoints.ModelFile($"file-{i:D30}", 1))
        );
        using var client = new WeightsClient(_folder["scratch"]);
        var error = await Record.ExceptionAsync(() => client.FetchFolder($"{server.Urls.First()}/models/policy", default));
        Assert.Equal("weights/fetch", Assert.IsType<DfpoException>(error).Code);
    }

    [Fact]
    public async Task A_node_with_certificates_fetches_nothing_in_the_clear_and_one_without_follows_no_other_scheme()
    {
        using (var client = new WeightsClient(_folder["scratch"], new WeightsClientOptions { Identity = Identity("node", "rollout") }))
        {
            Assert.Equal("weights/address", await CodeOf(() => client.FetchFolder("http://127.0.0.1:1/models/policy", default)));
            Assert.Equal("weights/address", await CodeOf(() => client.Fetch(new WeightsRef(1, "d", 1, "http://127.0.0.1:1/x"), default, default)));
        }
        using var plain = new WeightsClient(_folder["scratch"]);
        foreach (var url in new[] { "https://127.0.0.1:1/models/policy", "file:///etc/passwd", "ftp://127.0.0.1/models/policy", "models/policy" })
            Assert.Equal("weights/address", await CodeOf(() => plain.FetchFolder(url, default)));
        foreach (var length in new[] { 0, -1, long.MaxValue })
        {
            var weights = new WeightsRef(1, "d", length, "http://127.0.0.1:1/x");
            Assert.Equal("weights/fetch", await CodeOf(() => plain.Fetch(weights, default, default)));
        }
    }

    [Theory]
    [InlineData("learner", null)]
    [InlineData("rollout", "learner")]
    [InlineData("reward", "learner")]
    public async Task Models_are_taken_from_a_certificate_that_says_learner_alone(string role, string? missing)
    {
        await using var server = await Serve(Identity("server", role), name => [new("config.json", 2)]);
        using var client = new WeightsClient(_folder["scratch"], new WeightsClientOptions { Identity = Identity("client", "reward") });
        var error = await Record.ExceptionAsync(() => client.FetchFolder($"{server.Urls.First()}/models/policy", default));
        if (missing is null)
            Assert.Null(error);
        else
            Assert.Contains($"may be a {missing}", Assert.IsType<DfpoException>(error).Message);
    }

    [Theory]
    [InlineData("rollout", HttpStatusCode.NotFound)]
    [InlineData("learner", HttpStatusCode.NotFound)]
    [InlineData("reward", HttpStatusCode.Forbidden)]
    public async Task Weights_are_given_to_a_certificate_that_says_rollout_or_learner_alone(string role, HttpStatusCode status)
    {
        await using var server = await Serve(Identity("server", "learner"), _ => []);
        using var http = new HttpClient(BulkChannel.CreateHandler(Identity("client", role), TimeSpan.FromSeconds(10), ClusterRoles.Learner));
        foreach (var path in new[] { "", "/manifest", "/delta/other" })
            Assert.Equal(status, (await http.GetAsync($"{server.Urls.First()}/weights/unknown{path}")).StatusCode);
    }

    [Fact]
    public async Task A_queue_takes_workers_of_its_role_and_a_worker_obeys_learners_by_their_certificates()
    {
        await using var learner = await ClusterNode.Start(ClusterRoles.Learner, identity: Identity("learner", "learner"));
        learner.System.ActorOf(
            Props.Create(() => new QueueParent(ClusterRoles.Rollout, 2)),
            DfPO.Actors.Experiments.ExperimentProtocol.ManagerName
        );
        var queue = DfPO.Actors.Experiments.ExperimentProtocol.QueuePath(ClusterRoles.Rollout);
        async Task<object> Register(ClusterNode node)
        {
            var inbox = Inbox.Create(node.System);
            node.System.ActorSelection(new RootActorPath(learner.Address) + queue)
                .Tell(new RegisterWorker(WorkerId.New("ann"), "cpu", ProductVersion.Text, ""), inbox.Receiver);
            return await inbox.ReceiveAsync(TimeSpan.FromSeconds(20));
        }
        await using (var rollout = await ClusterNode.Start(ClusterRoles.Rollout, learner.Address, Identity("a", "rollout")))
        {
            await learner.Members(2);
            Assert.IsType<WorkerAccepted>(await Register(rollout));
        }
        await learner.Members(1);
        await using (var reward = await ClusterNode.Start(ClusterRoles.Reward, learner.Address, Identity("b", "reward")))
        {
            await learner.Members(2);
            Assert.Contains("--role rollout", Assert.IsType<WorkerRefused>(await Register(reward)).Reason);
        }
        await learner.Members(1);

        // A worker's certificate lets nobody in as a learner.
        await using var rogue = await ClusterNode.Start(ClusterRoles.Learner, learner.Address, Identity("c", "rollout", "reward"));
        await ClusterNode.Eventually(() => learner.Log.Contains("wish to join as learner", StringComparison.Ordinal), "it is refused");
        await Task.Delay(500);
        await learner.Members(1);
    }

    private static async Task<string> CodeOf(Func<Task> action) => (await Assert.ThrowsAsync<DfpoException>(action)).Code;

    private NodeIdentity Identity(string name, params string[] roles) =>
        NodeIdentity.Load(CertificateAuthority.Open(_folder["certs"]).Issue(name, ["127.0.0.1"], roles, 1), "127.0.0.1");

    private static async Task<WebApplication> Serve(
        NodeIdentity? identity,
        Func<string, IEnumerable<WeightsEndpoints.ModelFile>> files,
        string? list = null
    )
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenForBulk(IPAddress.Loopback, 0, identity));
        builder.Logging.ClearProviders();
        var server = builder.Build();
        server.MapWeights(new WeightsStore());
        server.MapGet("/models/{name}", (string name) =>
            list is null ? Results.Json(files(name)) : Results.Text(list, "application/json")
        );
        server.MapGet("/models/{name}/{file}", () => Results.Bytes("{}"u8.ToArray(), enableRangeProcessing: true));
        await server.StartAsync();
        return server;
    }
}
