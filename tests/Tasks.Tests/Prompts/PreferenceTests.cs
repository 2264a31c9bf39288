using DfPO.Models;
using DfPO.Tasks.Prompts;

namespace DfPO.Tasks.Tests.Prompts;

public sealed class PreferenceTests : IDisposable
{
    private readonly string _file = Path.GetTempFileName();

    public void Dispose() => File.Delete(_file);

    [Fact]
    public void Pairs_are_read_in_the_file_s_order()
    {
        File.WriteAllText(
            _file,
            """
            {"prompt": "a film", "chosen": " good", "rejected": " bad"}

            {"prompt": "b", "chosen": "b c", "rejected": "d", "more": 1}
            """
        );
        Assert.Equal([new Preference("a film", " good", " bad"), new Preference("b", "b c", "d")], Preference.Read(_file));
    }

    [Theory]
    [InlineData("", "preferences/empty", "holds no pair")]
    [InlineData("{\"prompt\": \"a\", \"chosen\": \"b\"}", "preferences/malformed", "line 1: field 'rejected' is absent")]
    [InlineData("{\"prompt\": \"a\", \"chosen\": \" \", \"rejected\": \"c\"}", "preferences/malformed", "field 'chosen' is absent, empty")]
    [InlineData(
        "{\"prompt\": \"a\", \"chosen\": \"a\", \"rejected\": \"c\"}",
        "preferences/malformed",
        "field 'chosen' is the prompt alone"
    )]
    [InlineData("[1]", "preferences/malformed", "field 'prompt'")]
    [InlineData("{\"prompt\": \"\\ud800\", \"chosen\": \"b\", \"rejected\": \"c\"}", "preferences/malformed", "line 1")]
    [InlineData("nonsense", "preferences/malformed", "line 1: not valid JSON")]
    public void A_mistake_is_told_with_file_and_line(string text, string code, string message)
    {
        File.WriteAllText(_file, text);
        var error = Assert.Throws<DfpoException>(() => Preference.Read(_file));
        Assert.Equal(code, error.Code);
        Assert.Contains(message, error.Message);
    }

    [Fact]
    public void A_file_that_is_not_there_is_told() =>
        Assert.Equal("preferences/missing", Assert.Throws<DfpoException>(() => Preference.Read(_file + ".none")).Code);
}
