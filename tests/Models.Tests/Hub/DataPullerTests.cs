using DfPO.Models.Hub;
using DfPO.Tests.Hub;

namespace DfPO.Models.Tests.Hub;

public sealed class DataPullerTests : IAsyncLifetime
{
    private static readonly HubRepository s_data = HubRepository.Parse(FakeHub.Dataset, kind: HubKind.Dataset);
    private readonly TestFolder _folder = new();
    private readonly byte[] _large = [.. Enumerable.Range(0, 5000).Select(i => (byte)i)];
    private FakeHub _hub = null!;

    public async ValueTask InitializeAsync()
    {
        _hub = await FakeHub.Start();
        _hub.Files["data/train-00000-of-00001.parquet"] = _large;
        _hub.Files["data/test.jsonl"] = "{}"u8.ToArray();
        _hub.Files["notes.csv.gz"] = [1, 2, 3];
        _hub.Files["README.md"] = "about"u8.ToArray();
        _hub.Files["load.py"] = "print()"u8.ToArray();
    }

    public async ValueTask DisposeAsync()
    {
        await _hub.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task TablesArePulledUnderTheirNamesAndNothingElse()
    {
        _hub.MoreNames = ["../escape.csv", "/etc/x.csv", "data/.hidden.csv", "a\\b.csv"];

        var path = await Pull();

        Assert.Equal(_folder[$"datasets--some-org--tiny-data/snapshots/{FakeHub.Commit}"], path);
        Assert.Equal(
            ["data/test.jsonl", "data/train-00000-of-00001.parquet", "notes.csv.gz"],
            Directory.GetFiles(path, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(path, file)).Order()
        );
        Assert.Equal(_large, File.ReadAllBytes(Path.Combine(path, "data/train-00000-of-00001.parquet")));
        // Models alone are listed as models.
        Assert.Empty(new ModelCache(_folder.Path).List());
        var fetched = _hub.Gets(storage: true).Length;
        Assert.Equal(path, await Pull());
        Assert.Equal(fetched, _hub.Gets(storage: true).Length);
    }

    [Fact]
    public async Task TheHubsOwnTablesAreARevision()
    {
        var path = await Pull(s_data with { Revision = HubRepository.ParquetRevision }, "data/train");

        Assert.Single(Directory.GetFiles(path, "*", SearchOption.AllDirectories));
        Assert.Contains(_hub.Requests, seen => seen.Path.Contains("/resolve/refs%2Fconvert%2Fparquet/data/"));
        Assert.Equal(FakeHub.Commit, File.ReadAllText(_folder["datasets--some-org--tiny-data/refs/refs/convert/parquet"]));
    }

    [Fact]
    public async Task ATableThatIsCutOffGoesOnAndAWrongOneIsThrownAway()
    {
        _hub.CutAfter = 2000;
        var path = await Pull();
        Assert.Equal(_large, File.ReadAllBytes(Path.Combine(path, "data/train-00000-of-00001.parquet")));
        Assert.Contains(_hub.Requests, seen => seen.Storage && seen.Range == "bytes=2000-");

        Directory.Delete(_folder["datasets--some-org--tiny-data"], recursive: true);
        _hub.CutAfter = null;
        _hub.Change = bytes => [.. bytes.Select(value => (byte)~value)];
        Assert.Equal("hub/digest", await CodeOf(Pull(), "train-00000-of-00001.parquet"));
    }

    [Fact]
    public async Task WhatIsNotThereIsNamed()
    {
        Assert.Equal("hub/missing", await CodeOf(Pull(s_data, "no-such-split"), "begins so", "refs/convert/parquet"));
        Assert.Equal("hub/missing", await CodeOf(Pull(s_data with { Id = "some-org/other" }), "some-org/other"));
        _hub.RequiredToken = "secret";
        Assert.Equal("hub/denied", await CodeOf(Pull(), "HF_TOKEN"));
    }

    private Task<string> Pull(HubRepository? repository = null, params string[] include) =>
        new ModelPuller(new HubSettings(new Uri(_hub.Endpoint), _folder.Path), TimeSpan.FromMilliseconds(1)).PullData(
            repository ?? s_data,
            include,
            _ => { },
            default
        );

    private static async Task<string> CodeOf(Task task, params string[] words)
    {
        var error = await Assert.ThrowsAsync<DfpoException>(() => task);
        Assert.All(words, word => Assert.Contains(word, error.Message));
        return error.Code;
    }
}
