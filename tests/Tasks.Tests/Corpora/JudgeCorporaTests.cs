using System.Formats.Tar;
using DfPO.Models;
using DfPO.Models.Chat;
using DfPO.Tasks.Corpora;

namespace DfPO.Tasks.Tests.Corpora;

/// <summary>What judges are trained on: labelled texts in parts, random pieces of them, and preferences.</summary>
public sealed class JudgeCorporaTests : IDisposable
{
    private static readonly LabeledColumns s_columns = new();
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Imdbs_layout_has_its_own_test_part_as_folder_and_as_archive(bool archive)
    {
        foreach (var (name, text) in new[] { ("train/pos/1", "fine"), ("train/neg/2", "poor"), ("train/unsup/3", "?") })
            _folder.Write($"data/aclImdb/{name}.txt", text);
        foreach (var (name, text) in new[] { ("test/pos/4", "lovely"), ("test/neg/5", "dull <br /> slow"), ("test/.hidden/6", "?") })
            _folder.Write($"data/aclImdb/{name}.txt", text);
        _folder.Write("data/aclImdb/README.txt", "about");
        var path = _folder["data"];
        if (archive)
            TarFile.CreateFromDirectory(path, path = _folder["data.tar"], includeBaseDirectory: false);

        var (train, test) = LabeledCorpus.ReadBoth(path, null, s_columns, 1);

        Assert.Equal(["neg", "pos"], train.Labels);
        Assert.Equal([new LabeledText("poor", 0), new LabeledText("fine", 1)], train.Texts);
        Assert.Equal([new LabeledText("dull slow", 0), new LabeledText("lovely", 1)], test.Texts);
        Assert.Equal(train.Texts, LabeledCorpus.Read(path).Texts);
    }

    [Fact]
    public void A_table_without_a_test_is_parted_and_no_text_is_in_both()
    {
        var path = _folder.Write(
            "t.csv",
            "review,kind\n" + string.Concat(Enumerable.Range(0, 40).Select(i => $"text {i},{(i % 2 == 0 ? "a" : "b")}\n"))
        );
        var columns = new LabeledColumns("review", "kind");
        var (train, test) = LabeledCorpus.ReadBoth(path, null, columns, 7);
        Assert.Equal((36, 4), (train.Texts.Count, test.Texts.Count));
        Assert.Equal(40, train.Texts.Concat(test.Texts).Select(text => text.Text).Distinct().Count());
        Assert.Equal(test.Texts, LabeledCorpus.ReadBoth(path, null, columns, 7).Test.Texts);
        Assert.NotEqual(test.Texts, LabeledCorpus.ReadBoth(path, null, columns, 8).Test.Texts);

        var error = Assert.Throws<DfpoException>(() => LabeledCorpus.ReadBoth(path, null, s_columns, 7));
        Assert.Equal("dataset/columns", error.Code);
        var other = _folder.Write("other.csv", "review,kind\nx,a\ny,c\n");
        Assert.Equal("corpus/labels", Assert.Throws<DfpoException>(() => LabeledCorpus.ReadBoth(path, other, columns, 7)).Code);
    }

    [Fact]
    public void Windows_are_pieces_of_the_right_length_that_reach_both_ends()
    {
        var words = Enumerable.Range(0, 50).Select(i => $"w{i}").ToArray();
        var text = string.Join(' ', words);
        var windows = new TextWindows(5, 9, 0.25).Checked();
        string[] draws = [.. Enumerable.Range(0, 2000).Select(draw => windows.Of(text, 3, (ulong)draw))];
        Assert.InRange(draws.Count(draw => draw == text) / 2000.0, 0.2, 0.3);
        string[] pieces = [.. draws.Where(draw => draw != text)];
        Assert.All(pieces, piece => Assert.Contains($" {piece} ", $" {text} "));
        Assert.Equal([5, 6, 7, 8, 9], pieces.Select(piece => piece.Split(' ').Length).Distinct().Order());
        Assert.Contains(pieces, piece => piece.StartsWith("w0 ", StringComparison.Ordinal));
        Assert.Contains(pieces, piece => piece.EndsWith(" w49", StringComparison.Ordinal));
        Assert.Equal(draws[7], windows.Of(text, 3, 7));
        Assert.Equal("too short", windows.Of("too short", 3, 7));
        Assert.Equal("w0 w1", TextWindows.First(text, 2));
        foreach (var wrong in new[] { new TextWindows(0, 3), new TextWindows(4, 3), new TextWindows(1, 2, 1.5) })
            Assert.Equal("train/options", Assert.Throws<DfpoException>(wrong.Checked).Code);
    }

    [Theory]
    [InlineData("""{"prompt": "Q: a? A:", "chosen": " yes", "rejected": " no"}""", "Q: a? A: yes", "Q: a? A: no")]
    [InlineData("""{"prompt": "Q:", "chosen": "Q: yes", "rejected": " no"}""", "Q: yes", "Q: no")]
    [InlineData("""{"chosen": "[1] yes", "rejected": "Q: no"}""", "[1] yes", "Q: no")]
    [InlineData(
        """{"chosen": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "yes"}], "rejected": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "no"}]}""",
        "user:a?|assistant:yes",
        "user:a?|assistant:no"
    )]
    [InlineData(
        """{"prompt": [{"role": "user", "content": "a?"}], "chosen": [{"role": "assistant", "content": "yes"}], "rejected": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "no"}]}""",
        "user:a?|assistant:yes",
        "user:a?|assistant:no"
    )]
    public void Pairs_are_the_texts_that_a_reward_is_asked_about(string row, string chosen, string rejected)
    {
        var pair = Assert.Single(PairCorpus.Read(_folder.Write("p.jsonl", row + "\n"), Template));
        Assert.Equal(new PairText(chosen, rejected), pair);
    }

    [Theory]
    [InlineData("""{"prompt": "a", "chosen": "a", "rejected": "b"}""", "'chosen' is the prompt alone")]
    [InlineData("""{"chosen": "b", "rejected": "b"}""", "the same text")]
    [InlineData("""{"chosen": "b", "rejected": ""}""", "'rejected' is empty")]
    [InlineData("""{"chosen": "b", "rejected": [1]}""", "'rejected' must be a text or a list of messages")]
    [InlineData("""{"chosen": "b", "rejected": "c", "margin": null}""", "'margin' is empty")]
    [InlineData("""{"chosen": "b", "rejected": "c", "margin": "much"}""", "no number")]
    [InlineData("""{"prompt": [{"role": "user", "content": "a?"}], "chosen": "b", "rejected": "c"}""", "write both the same way")]
    [InlineData(
        """{"chosen": [{"role": "user", "content": "a?"}], "rejected": [{"role": "assistant", "content": "b"}]}""",
        "must end with an answer"
    )]
    public void A_pair_that_is_none_is_named_by_file_line_and_column(string row, string word)
    {
        var path = _folder.Write("p.jsonl", "{\"chosen\": \"x\", \"rejected\": \"y\"}\n" + row + "\n");
        var error = Assert.Throws<DfpoException>(() => PairCorpus.Read(path, Template));
        Assert.Equal("preferences/malformed", error.Code);
        Assert.Contains(word, error.Message);
        Assert.Contains($"'{path}', line 2", error.Message);
    }

    [Fact]
    public void Margins_are_read_of_all_rows_or_of_none()
    {
        var all = _folder.Write("all.csv", "chosen,rejected,margin\na,b,0.5\nc,d,2\n");
        Assert.Equal([0.5, 2.0], PairCorpus.Read(all, Template).Select(pair => pair.Margin!.Value));
        var some = _folder.Write(
            "some.jsonl",
            "{\"chosen\": \"a\", \"rejected\": \"b\", \"margin\": 1}\n{\"chosen\": \"a\", \"rejected\": \"b\"}\n"
        );
        Assert.Contains("some have none", Assert.Throws<DfpoException>(() => PairCorpus.Read(some, Template)).Message);
        Assert.Equal("preferences/missing", Assert.Throws<DfpoException>(() => PairCorpus.Read(_folder["no"], Template)).Code);
        Assert.Equal(
            "preferences/empty",
            Assert.Throws<DfpoException>(() => PairCorpus.Read(_folder.Write("none.jsonl", "\n"), Template)).Code
        );
    }

    private static ChatTemplate Template() =>
        new(
            new Dictionary<string, string>
            {
                ["default"] =
                    "{% for m in messages %}{{ m.role }}:{{ m.content }}|{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}",
            },
            new Dictionary<string, System.Text.Json.Nodes.JsonNode?>(),
            "a test"
        );
}
