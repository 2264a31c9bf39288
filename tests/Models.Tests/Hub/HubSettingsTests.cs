using DfPO.Models.Hub;

namespace DfPO.Models.Tests.Hub;

public sealed class HubSettingsTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void TheEnvironmentIsReadAsHfsToolsReadIt()
    {
        var settings = From(("HF_ENDPOINT", "http://mirror.example/base/"), ("HF_HOME", _folder.Path), ("HF_TOKEN", " secret\n"));

        Assert.Equal(
            ("http://mirror.example/base", _folder["hub"], "secret"),
            (settings.Endpoint.AbsoluteUri, settings.Cache, settings.Token)
        );
        Assert.Equal(_folder["other"], From(("HF_HOME", _folder.Path), ("HF_HUB_CACHE", _folder["other"])).Cache);
    }

    [Fact]
    public void WithoutVariablesTheUsualPlacesAreTaken()
    {
        var settings = From(("XDG_CACHE_HOME", _folder.Path), ("HF_TOKEN", ""));

        Assert.Equal(("https", _folder["huggingface/hub"], null), (settings.Endpoint.Scheme, settings.Cache, settings.Token));
    }

    [Fact]
    public void ATokenLeftByALogInIsUsedUnlessTheEnvironmentHasOne()
    {
        _folder.Write("token", "from-file\n");

        Assert.Equal("from-file", From(("HF_HOME", _folder.Path)).Token);
        Assert.Equal("from-environment", From(("HF_HOME", _folder.Path), ("HF_TOKEN", "from-environment")).Token);
    }

    [Theory]
    [InlineData("hub")]
    [InlineData("ftp://hub")]
    [InlineData("http://")]
    public void AnEndpointThatIsNoAddressIsRefused(string endpoint) =>
        Assert.Equal("usage/hub", CodeOf(() => From(("HF_ENDPOINT", endpoint)), endpoint, "HF_ENDPOINT"));

    [Theory]
    [InlineData("gpt2")]
    [InlineData("openai-community/gpt2")]
    [InlineData("a/b.c-d_E1")]
    public void NamesOfModelsAreTaken(string id) => Assert.Equal("models--" + id.Replace("/", "--"), HubRepository.Parse(id).FolderName);

    [Theory]
    [InlineData("")]
    [InlineData("../x")]
    [InlineData("a/b/c")]
    [InlineData("a/..")]
    [InlineData("/a")]
    [InlineData("a b")]
    [InlineData("a--b/c")]
    [InlineData("https://hub/a/b")]
    [InlineData("a/b\n")]
    public void OtherNamesAreRefused(string id) => Assert.Equal("usage/hub", CodeOf(() => HubRepository.Parse(id), "organisation/name"));

    [Theory]
    [InlineData("")]
    [InlineData("../main")]
    [InlineData("a..b")]
    [InlineData("-x")]
    [InlineData("a b")]
    public void OtherRevisionsAreRefused(string revision) =>
        Assert.Equal("usage/hub", CodeOf(() => HubRepository.Parse("a/b", revision), "revision"));

    private static HubSettings From(params (string Name, string Value)[] variables) =>
        HubSettings.From(name => variables.FirstOrDefault(v => v.Name == name).Value);
}
