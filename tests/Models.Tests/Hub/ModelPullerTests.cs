using System.Security.Cryptography;
using DfPO.Models.Hub;
using DfPO.Models.Tests.Support;
using DfPO.Tests.Hub;

namespace DfPO.Models.Tests.Hub;

public sealed class ModelPullerTests : IAsyncLifetime
{
    private static readonly HubRepository s_model = HubRepository.Parse(FakeHub.Model);
    private readonly TestFolder _folder = new();
    private FakeHub _hub = null!;

    public async ValueTask InitializeAsync()
    {
        _hub = await FakeHub.Start();
        _hub.Add(TestFiles.Checkpoint("tiny-gpt2-hf-save"));
    }

    public async ValueTask DisposeAsync()
    {
        await _hub.DisposeAsync();
        _folder.Dispose();
    }

    private string Weights => Convert.ToHexStringLower(SHA256.HashData(_hub.Files["model.safetensors"]));

    private string Blobs => _folder["hub/models--some-org--tiny-model/blobs"];

    [Fact]
    public async Task APulledModelIsOneThatLoadsAndIsListed()
    {
        _hub.Files["README.md"] = _hub.Files["tf_model.h5"] = _hub.Files["pytorch_model.bin"] = new byte[5000];

        var path = await Pull();

        Assert.Equal(_folder[$"hub/models--some-org--tiny-model/snapshots/{FakeHub.Commit}"], path);
        Assert.Equal(
            ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json"],
            Directory.GetFiles(path).Select(file => Path.GetFileName(file)).Order()
        );
        foreach (var file in Directory.GetFiles(path))
            Assert.Equal(_hub.Files[Path.GetFileName(file)], File.ReadAllBytes(file));
        Assert.Equal(FakeHub.Commit, File.ReadAllText(_folder["hub/models--some-org--tiny-model/refs/main"]));
        Assert.Equal(100, PretrainedModels.LoadCausalLM(path).VocabularySize);
        var listed = Assert.Single(new ModelCache(_folder["hub"]).List());
        Assert.Equal(
            new CachedModel(
                FakeHub.Model,
                FakeHub.Commit,
                path,
                Directory.GetFiles(path).Sum(file => _hub.Files[Path.GetFileName(file)].LongLength)
            ),
            listed
        );
    }

    [Fact]
    public async Task ChatTemplatesArePulledThoseOfTheFolderToo()
    {
        _hub.Files["chat_template.jinja"] = "{{ messages[0].content }}"u8.ToArray();
        _hub.Files["additional_chat_templates/tool use.jinja"] = "{{ messages | length }}"u8.ToArray();
        _hub.MoreNames =
        [
            "additional_chat_templates/../../../x.jinja",
            "additional_chat_templates/.x.jinja",
            "additional_chat_templates/a/b.jinja",
            "additional_chat_templates/notes.txt",
            "additional_chat_templates/",
        ];

        var path = await Pull();

        Assert.Equal(["default", "tool use"], DfPO.Models.Chat.ChatTemplateFiles.Find(path)!.Templates.Keys.Order());
        Assert.Equal(
            ["chat_template.jinja", "tool use.jinja"],
            Directory.GetFiles(path, "*.jinja", SearchOption.AllDirectories).Select(file => Path.GetFileName(file)).Order()
        );
    }

    [Fact]
    public async Task WhatIsThereIsNotFetchedAgain()
    {
        await Pull();
        _hub.Requests.Clear();

        await Pull();

        Assert.Empty(_hub.Gets(storage: true));
        Assert.Equal(["/api/models/" + FakeHub.Model], _hub.Gets(storage: false));
    }

    [Fact]
    public async Task TheTokenGoesToTheHubAndToNoOtherHost()
    {
        _hub.RequiredToken = "secret";

        Assert.Equal("hub/denied", await CodeOf(Pull(), "HF_TOKEN", FakeHub.Model));
        await Pull(token: "secret");

        Assert.Contains(_hub.Requests, seen => seen.Storage);
        Assert.All(_hub.Requests.Where(seen => seen.Storage), seen => Assert.Null(seen.Authorization));
        Assert.All(_hub.Requests.Where(seen => !seen.Storage).Skip(1), seen => Assert.Equal("Bearer secret", seen.Authorization));
    }

    [Fact]
    public async Task ACutConnectionGoesOnWhereItStopped()
    {
        _hub.CutAfter = 3000;

        var path = await Pull();

        Assert.Equal(_hub.Files["model.safetensors"], File.ReadAllBytes(Path.Combine(path, "model.safetensors")));
        string[] ranges =
        [
            .. _hub
                .Requests.Where(seen => seen.Storage && seen.Path.EndsWith(Weights, StringComparison.Ordinal))
                .Select(seen => seen.Range ?? ""),
        ];
        Assert.Equal(["", .. Enumerable.Range(1, 8).Select(part => $"bytes={3000 * part}-")], ranges);
    }

    [Fact]
    public async Task ALaterPullGoesOnWhereAnEarlierOneStopped()
    {
        (_hub.CutAfter, _hub.RefusesToGoOn) = (2000, true);
        Assert.Equal("hub/unreachable", await CodeOf(Pull(), "5 attempts", _hub.Endpoint));
        Assert.Empty(new ModelCache(_folder["hub"]).List());
        var have = new FileInfo(Path.Combine(Blobs, Weights + ".incomplete")).Length;
        Assert.Equal(2000, have);
        (_hub.CutAfter, _hub.RefusesToGoOn) = (null, false);
        _hub.Requests.Clear();

        var path = await Pull();

        Assert.Equal(
            $"bytes={have}-",
            _hub.Requests.First(seen => seen.Storage && seen.Path.EndsWith(Weights, StringComparison.Ordinal)).Range
        );
        Assert.Equal(_hub.Files["model.safetensors"], File.ReadAllBytes(Path.Combine(path, "model.safetensors")));
        Assert.DoesNotContain(Directory.GetFiles(Blobs), file => file.EndsWith(".incomplete", StringComparison.Ordinal));
    }

    [Fact]
    public async Task AServerWithoutRangesIsReadFromTheStart()
    {
        (_hub.CutAfter, _hub.RefusesToGoOn) = (2000, true);
        await CodeOf(Pull());
        (_hub.CutAfter, _hub.RefusesToGoOn, _hub.IgnoresRanges) = (null, false, true);

        var path = await Pull();

        Assert.Equal(_hub.Files["model.safetensors"], File.ReadAllBytes(Path.Combine(path, "model.safetensors")));
    }

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("config.json")]
    public async Task AContentWithAnotherDigestIsThrownAway(string name)
    {
        var good = _hub.Files[name];
        if (name == "config.json")
            _hub.ETag = new string('a', 40);
        _hub.Change = bytes => bytes.AsSpan().SequenceEqual(good) ? [.. bytes[..^1], (byte)(bytes[^1] ^ 1)] : bytes;

        Assert.Equal("hub/digest", await CodeOf(Pull(), "digest", "pull it again"));

        Assert.Empty(new ModelCache(_folder["hub"]).List());
        (_hub.Change, _hub.ETag) = (bytes => bytes, null);
        Assert.Equal(good, File.ReadAllBytes(Path.Combine(await Pull(), name)));
    }

    [Fact]
    public async Task MoreThanTheAnnouncedBytesAreNotTaken()
    {
        _hub.Change = bytes => [.. bytes, .. new byte[100_000]];

        var path = await Pull();

        Assert.Equal(_hub.Files["model.safetensors"], File.ReadAllBytes(Path.Combine(path, "model.safetensors")));
    }

    [Fact]
    public async Task ABusyHubIsAskedAgain()
    {
        _hub.Busy = 3;

        Assert.True(File.Exists(Path.Combine(await Pull(), "config.json")));
    }

    [Fact]
    public async Task NamesThatLeadOutOfTheFolderAreNotFollowed()
    {
        _hub.MoreNames = ["../vocab.json", "/etc/vocab.txt", "onnx/model.safetensors", "..", "", "a\\merges.txt", "C:vocab.json"];

        var path = await Pull();

        Assert.Equal(
            ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json"],
            Directory.GetFiles(path).Select(file => Path.GetFileName(file)).Order()
        );
    }

    [Theory]
    [InlineData("../../../evil")]
    [InlineData("a/b")]
    [InlineData(".")]
    [InlineData(" ")]
    public async Task AnETagThatIsNoNameIsRefused(string etag)
    {
        _hub.ETag = etag;

        Assert.Equal("hub/answer", await CodeOf(Pull(), "ETag"));
    }

    [Fact]
    public async Task ARedirectToAnotherKindOfAddressIsNotFollowed()
    {
        _hub.Location = "file:///etc/passwd";

        Assert.Equal("hub/answer", await CodeOf(Pull(), "file"));
    }

    [Fact]
    public async Task ARenamedModelIsFound()
    {
        var path = await Pull(HubRepository.Parse("old-org/old-name"));

        Assert.Equal(_hub.Files["config.json"], File.ReadAllBytes(Path.Combine(path, "config.json")));
    }

    [Fact]
    public async Task AnotherRevisionIsAskedForByName()
    {
        await Pull(HubRepository.Parse(FakeHub.Model, "v1.0"));

        Assert.Contains($"/{FakeHub.Model}/resolve/v1.0/config.json", _hub.Gets(storage: false));
        Assert.Equal("hub/missing", await CodeOf(Pull(HubRepository.Parse(FakeHub.Model, "v2.0")), "'v2.0'"));
    }

    [Fact]
    public async Task PyTorchsWeightsArePulledWhereThereAreNoOthers()
    {
        _hub.Files.Clear();
        _hub.Add(TestFiles.Checkpoint("gpt-nano-sort"));
        _hub.Files.Remove("model.safetensors");

        var path = await Pull();

        Assert.Equal(3, PretrainedModels.LoadCausalLM(path).VocabularySize);
    }

    [Fact]
    public async Task WhatIsWrongIsNamed()
    {
        Assert.Equal("hub/missing", await CodeOf(Pull(HubRepository.Parse("some-org/no-such-model")), "some-org/no-such-model"));
        _hub.CommitOfFiles = new string('f', 40);
        Assert.Equal("hub/moved", await CodeOf(Pull(), "changed"));
        _hub.Listing = "<html>";
        Assert.Equal("hub/answer", await CodeOf(Pull(), "HF_ENDPOINT"));
        _hub.Listing = """{"sha": "../../..", "siblings": []}""";
        Assert.Equal("hub/answer", await CodeOf(Pull(), "commit"));
        _hub.Listing = $$"""{"sha": "{{FakeHub.Commit}}", "siblings": []}""";
        Assert.Equal("hub/missing", await CodeOf(Pull(), "config.json"));
        var nobody = new ModelPuller(new HubSettings(new Uri("http://127.0.0.1:1"), _folder["hub"]), TimeSpan.FromMilliseconds(1));
        Assert.Equal("hub/unreachable", await CodeOf(nobody.Pull(s_model, _ => { }, default), "127.0.0.1:1"));
    }

    [Fact]
    public async Task ProgressRunsFromNothingToEveryFile()
    {
        var news = new List<PullProgress>();

        await new ModelPuller(Settings(null)).Pull(s_model, news.Add, default);

        Assert.Equal(4, news.Count(n => n.Done));
        var weights = news.Where(n => n.File.Name == "model.safetensors").ToArray();
        Assert.Equal((0L, 25200L, 25200L), (weights[0].FileBytes, weights[^1].FileBytes, weights[0].File.Size));
        Assert.Equal(weights.Select(n => n.FileBytes).Order(), weights.Select(n => n.FileBytes));
    }

    [Fact]
    public async Task ACancelledPullEnds()
    {
        using var cancellation = new CancellationTokenSource();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            new ModelPuller(Settings(null)).Pull(s_model, _ => cancellation.Cancel(), cancellation.Token)
        );
        Assert.Empty(new ModelCache(_folder["hub"]).List());
    }

    private Task<string> Pull(HubRepository? repository = null, string? token = null) =>
        new ModelPuller(Settings(token), TimeSpan.FromMilliseconds(1)).Pull(repository ?? s_model, _ => { }, default);

    private HubSettings Settings(string? token) => new(new Uri(_hub.Endpoint), _folder["hub"], token);

    private static async Task<string> CodeOf(Task task, params string[] words)
    {
        var error = await Assert.ThrowsAsync<DfpoException>(() => task);
        foreach (var word in words)
            Assert.Contains(word, error.Message);
        return error.Code;
    }
}
