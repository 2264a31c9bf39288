using DfPO.Host.Serving;
using DfPO.Models.Tokenizers;

namespace DfPO.Host.Tests.Serving;

public sealed class TextStreamTests
{
    private static readonly TextTokenizer s_tokenizer = TextTokenizer.Load(Repository.Gpt2Tokenizer);

    [Theory]
    [InlineData("One, two. Three", "never", "One, two. Three", false)]
    [InlineData("One, two. Three", ".", "One, two", true)]
    [InlineData("One, two. Three", "two. Th", "One, ", true)]
    [InlineData("na\u00efve \U0001F600 end", "\U0001F600 e", "na\u00efve ", true)]
    [InlineData("na\u00efve \U0001F600 end", "\U0001F600!", "na\u00efve \U0001F600 end", false)]
    [InlineData("aab", "aab", "", true)]
    public void Text_comes_whole_and_no_stop_sequence_is_seen(string text, string stop, string expected, bool stopped)
    {
        var stream = new TextStream(s_tokenizer, [stop, "also never"]);
        var sent = "";
        foreach (var token in s_tokenizer.Encode(text))
        {
            var piece = stream.Add(token);
            Assert.DoesNotContain('\uFFFD', piece);
            sent += piece;
            Assert.StartsWith(sent, expected, StringComparison.Ordinal);
            if (stream.IsStopped)
                break;
        }
        Assert.Equal(stopped, stream.IsStopped);
        Assert.Equal(expected, sent + stream.Finish());
    }
}
