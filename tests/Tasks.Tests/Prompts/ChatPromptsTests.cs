using DfPO.Models.Tokenizers;
using DfPO.Tasks.Datasets;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Tables;

namespace DfPO.Tasks.Tests.Prompts;

public sealed class ChatPromptsTests : IDisposable
{
    private const string Two = """[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}]""";
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ConversationsAreReadWrittenAndRenderedUpToTheAnswer()
    {
        var file = _folder.Write(
            "p.jsonl",
            $$"""
            {"id": "a", "messages": {{Two}}, "references": ["Hello."]}
            {"id": "b", "text": "plain"}
            """
        );
        var prompts = PromptSet.Read(file);
        prompts.Write(_folder["again.jsonl"]);
        Assert.Equal(prompts.Prompts, PromptSet.Read(_folder["again.jsonl"]).Prompts);
        _folder.Write(
            "chat_template.jinja",
            "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
        );

        var rendered = ChatPrompts.Render(prompts.Prompts, _folder.Path);

        Assert.Equal(["<system>Be brief.<user>Hi<assistant>", "plain"], rendered.Select(prompt => prompt.Text));
        Assert.Equal(["Hello."], rendered[0].References);
    }

    [Theory]
    [InlineData("""{"id": "a", "messages": [], "x": 1}""", "at least one")]
    [InlineData("""{"id": "a", "messages": "Hi"}""", "list")]
    [InlineData("""{"id": "a", "messages": [{"role": "user"}]}""", "content")]
    [InlineData("""{"id": "a", "messages": [{"role": "user", "content": "x"}], "text": "y"}""", "both")]
    [InlineData("""{"id": "a", "messages": [{"role": "assistant", "content": "x"}]}""", "assistant")]
    public void OtherFormsAreRefused(string line, string word) =>
        Assert.Equal("prompts/malformed", DfpoAssert.CodeOf(() => PromptSet.Read(_folder.Write("p.jsonl", line)), "line 1", word));

    [Fact]
    public void ATemplateMustBeThereAndTakeTheMessages()
    {
        IReadOnlyList<Prompt> prompts = [ChatPrompts.Create("a", Two, "here")];
        Assert.Equal("chat/missing", DfpoAssert.CodeOf(() => ChatPrompts.Render(prompts, _folder.Path)));
        _folder.Write("chat_template.jinja", "{{ raise_exception('no system') }}");
        Assert.Equal("chat/refused", DfpoAssert.CodeOf(() => ChatPrompts.Render(prompts, _folder.Path), "'a'", "no system"));
    }

    [Fact]
    public void ATableMayHaveAColumnOfMessages()
    {
        var file = _folder.Write("t.jsonl", $$"""{"conversation": {{Two}}}""");
        var prompts = PromptDataset
            .Load(
                new DatasetSpec
                {
                    Format = DatasetFormat.Table,
                    Path = file,
                    PartTable = false,
                    MessagesColumn = "conversation",
                }
            )
            .Prompts.Prompts;
        Assert.Equal(Two, prompts[0].Messages);
    }

    [Fact]
    public void TheBeginningOfATextIsNotDoubled()
    {
        var folder = Repository.Path("tests/tokenizers/hf/llama2");
        foreach (var file in Directory.GetFiles(folder))
            File.Copy(file, _folder[Path.GetFileName(file)]);
        _folder.Write("chat_template.jinja", "{{ bos_token }}[INST] {{ messages[-1].content }} [/INST]");
        var tokenizer = TextTokenizer.Load(_folder.Path);
        var prompt = ChatPrompts.Render([ChatPrompts.Ask("a", "Hi")], _folder.Path)[0];

        var ids = ChatPrompts.Encode(tokenizer, prompt);

        Assert.Equal(tokenizer.BosTokenId, ids[0]);
        Assert.DoesNotContain(tokenizer.BosTokenId!.Value, ids[1..]);
        Assert.Equal(ids[^3..], ChatPrompts.Encode(tokenizer, prompt, 3));
    }
}
