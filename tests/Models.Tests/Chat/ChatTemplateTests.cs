using System.Text.Json.Nodes;
using DfPO.Models.Chat;

namespace DfPO.Models.Tests.Chat;

/// <summary>Templates: where they are found, and what hostile ones are refused for.</summary>
public sealed class ChatTemplateTests
{
    [Theory]
    [InlineData("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}")]
    [InlineData("{% set ns = namespace(x='aaaaaaaaaa') %}{% for i in range(100) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}")]
    [InlineData("{% set ns = namespace(x='aaaaaaaaaa') %}{% for i in range(100) %}{% set ns.x = ns.x.replace('a', ns.x) %}{% endfor %}")]
    [InlineData("{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}")]
    [InlineData("{% set ns = namespace(x=[]) %}{% for i in range(90000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}")]
    [InlineData("{% set ns = namespace(x=[]) %}{% for i in range(90000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | tojson }}")]
    [InlineData("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}")]
    [InlineData("{{ 'a' * 1000000000 }}")]
    [InlineData("{{ 'a'.ljust(1000000000) }}")]
    [InlineData("{{ 9 ** 99 }}")]
    [InlineData(
        "{% for i in range(100000) %}{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' * 1000 }}{% endfor %}"
    )]
    public void WhatTakesTooMuchIsRefused(string template) =>
        Assert.Equal("chat/limit", DfpoAssert.CodeOf(() => Chats.Template(template).Render(Chats.Request())));

    [Theory]
    [InlineData("(", ")")]
    [InlineData("[", "]")]
    [InlineData("-", "")]
    [InlineData("not ", "")]
    [InlineData("1 if 1 else ", "")]
    public void DeepNestingIsRefusedOrRead(string open, string close)
    {
        var template = $"{{{{ {string.Concat(Enumerable.Repeat(open, 50_000))}1{string.Concat(Enumerable.Repeat(close, 50_000))} }}}}";
        Assert.Equal("chat/limit", DfpoAssert.CodeOf(() => Chats.Template(template).Render(Chats.Request())));
    }

    [Fact]
    public void NestedBlocksAndLongChainsAreRefused()
    {
        var blocks = string.Concat(Enumerable.Repeat("{% if 1 %}", 10_000)) + string.Concat(Enumerable.Repeat("{% endif %}", 10_000));
        Assert.Equal("chat/limit", DfpoAssert.CodeOf(() => Chats.Template(blocks).Render(Chats.Request())));
        var sum = "{{ 1" + string.Concat(Enumerable.Repeat(" + 1", 50_000)) + " }}";
        Assert.Equal("chat/limit", DfpoAssert.CodeOf(() => Chats.Template(sum).Render(Chats.Request())));
    }

    [Fact]
    public void ErrorsNameFileAndLine() =>
        DfpoAssert.CodeOf(
            () => Chats.Template("\n\n{{ messages[0].role.x.y }}").Render(Chats.Request()),
            "a test",
            "line 3",
            "'x' is undefined"
        );

    [Fact]
    public void TheFilesComeInTransformersOrder()
    {
        using var folder = new TestFolder();
        Assert.Equal("chat/missing", DfpoAssert.CodeOf(() => ChatTemplate.Load(folder.Path), folder.Path));
        File.WriteAllText(
            folder["tokenizer_config.json"],
            """{"chat_template": "config {{ eos_token }}", "eos_token": {"content": "</s>"}, "bos_token": null, "tokenizer_class": "LlamaTokenizer"}"""
        );
        Assert.Equal("config </s>", ChatTemplate.Load(folder.Path).Render(Chats.Request()));
        File.WriteAllText(folder["chat_template.jinja"], "file {{ bos_token }}{{ unk_token }}\n");
        Assert.Equal("file <unk>", ChatTemplate.Load(folder.Path).Render(Chats.Request()));
        Directory.CreateDirectory(folder["additional_chat_templates"]);
        File.WriteAllText(folder["additional_chat_templates/tool_use.jinja"], "tools");
        Assert.Equal("tools", ChatTemplate.Load(folder.Path).Render(Chats.Request() with { Tools = [] }));
        Assert.Equal("file <unk>", ChatTemplate.Load(folder.Path).Render(Chats.Request()));
    }

    [Fact]
    public void AListWithoutADefaultIsRefused()
    {
        using var folder = new TestFolder();
        File.WriteAllText(folder["tokenizer_config.json"], """{"chat_template": [{"name": "rag", "template": "x"}]}""");
        Assert.Equal("chat/missing", DfpoAssert.CodeOf(() => ChatTemplate.Load(folder.Path).Render(Chats.Request()), "rag"));
    }

    [Fact]
    public void MessagesMustBeObjects()
    {
        var template = Chats.Template("x");
        Assert.Equal("chat/messages", DfpoAssert.CodeOf(() => template.Render(new ChatRequest([]))));
        Assert.Equal("chat/messages", DfpoAssert.CodeOf(() => template.Render(new ChatRequest(new JsonArray(1)))));
        Assert.Equal(
            "chat/messages",
            DfpoAssert.CodeOf(() => template.Render(Chats.Request() with { AddGenerationPrompt = true, ContinueFinalMessage = true }))
        );
        Assert.Equal("chat/messages", DfpoAssert.CodeOf(() => template.Render(Chats.Request() with { ContinueFinalMessage = true })));
    }

    [Fact]
    public void TheDateIsTheClocks()
    {
        var template = new ChatTemplate(
            new Dictionary<string, string> { ["default"] = "{{ strftime_now('%d %b %Y %H:%M %p %%') }}" },
            new Dictionary<string, JsonNode?>(),
            "a test"
        )
        {
            Clock = new Afternoon(),
        };
        Assert.Equal("04 Mar 2026 15:06 PM %", template.Render(Chats.Request()));
    }

    private sealed class Afternoon : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => new(2026, 3, 4, 15, 6, 7, TimeSpan.Zero);
    }
}
