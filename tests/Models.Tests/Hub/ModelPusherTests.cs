using DfPO.Models.Hub;
using DfPO.Models.Tests.Support;
using DfPO.Tests.Hub;

namespace DfPO.Models.Tests.Hub;

public sealed class ModelPusherTests : IAsyncLifetime
{
    private static readonly HubRepository s_model = HubRepository.Parse(FakeHub.Model);
    private readonly TestFolder _folder = new();
    private FakeHub _hub = null!;

    public async ValueTask InitializeAsync()
    {
        _hub = await FakeHub.Start();
        _hub.RequiredToken = "secret";
        Directory.CreateDirectory(_folder["model"]);
        foreach (var file in Directory.GetFiles(TestFiles.Checkpoint("tiny-gpt2-hf-save")))
            File.Copy(file, Path.Combine(_folder["model"], Path.GetFileName(file)));
        _folder.Write("model/README.md", "# A card");
        _folder.Write("model/notes.txt", "not of the model");
    }

    public async ValueTask DisposeAsync()
    {
        await _hub.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task WhatIsPushedIsWhatIsPulledAndTheTokenGoesToTheHubAlone()
    {
        var arrived = new List<string>();
        Assert.Equal(FakeHub.Commit, await Push(arrived.Add));

        Assert.Equal(_hub.Files.Keys.Order(StringComparer.Ordinal), arrived.Order(StringComparer.Ordinal));
        Assert.Contains("README.md", arrived);
        Assert.DoesNotContain("notes.txt", arrived);
        foreach (var (name, bytes) in _hub.Files)
            Assert.Equal(File.ReadAllBytes(Path.Combine(_folder["model"], name)), bytes);
        Assert.All(_hub.Requests, seen => Assert.Equal(seen.Storage ? null : "Bearer secret", seen.Authorization));
        var pulled = await new ModelPuller(Settings("secret")).Pull(s_model, _ => { }, default);
        Assert.Equal(100, PretrainedModels.LoadCausalLM(pulled).VocabularySize);
    }

    [Fact]
    public async Task WhatTheStorageHasIsNotSentAgainAndABusyOneIsAskedAgain()
    {
        _hub.BusyStorage = 2;
        await Push();
        int Sent() => _hub.Requests.Count(seen => seen.Storage && seen.Method == "PUT");
        var sent = Sent();
        Assert.True(sent > 2);
        await Push();
        Assert.Equal(sent, Sent());
    }

    [Fact]
    public async Task NothingIsCommittedWhenAFileDoesNotArrive()
    {
        _hub.BusyStorage = 1000;
        Assert.Equal("hub/unreachable", await CodeOf(Push(), "push again"));
        Assert.Empty(_hub.Files);
    }

    [Fact]
    public async Task AFileThatIsThereWithAnotherDigestIsTold()
    {
        _hub.ETag = new string('a', 64);
        Assert.Equal("hub/digest", await CodeOf(Push(), "push it again"));
    }

    [Fact]
    public async Task WhatCannotBePushedIsNamed()
    {
        Assert.Equal("hub/token", await CodeOf(Push(token: null), "HF_TOKEN"));
        Assert.Equal("hub/denied", await CodeOf(Push(token: "another"), "may write"));
        Assert.Equal("hub/missing", await CodeOf(Push(repository: s_model with { Revision = "other" }), "'other'"));
        File.Delete(_folder["model/README.md"]);
        Assert.Equal("hub/card", await CodeOf(Push(), "README.md"));
        File.Delete(_folder["model/config.json"]);
        Assert.Equal("hub/missing", await CodeOf(Push(), "config.json"));
    }

    private Task<string> Push(Action<string>? progress = null, string? token = "secret", HubRepository? repository = null) =>
        new ModelPusher(Settings(token), TimeSpan.FromMilliseconds(1)).Push(
            _folder["model"],
            repository ?? s_model,
            isPrivate: true,
            progress ?? (_ => { }),
            default
        );

    private HubSettings Settings(string? token) => new(new Uri(_hub.Endpoint), _folder["hub"], token);

    private static async Task<string> CodeOf(Task task, params string[] words)
    {
        var error = await Assert.ThrowsAsync<DfpoException>(() => task);
        Assert.All(words, word => Assert.Contains(word, error.Message));
        return error.Code;
    }
}
