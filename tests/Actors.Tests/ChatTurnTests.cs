using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Models;
using DfPO.Models.Tokenizers;
using DfPO.Rollout;
using DfPO.Tasks.Prompts;

namespace DfPO.Actors.Tests;

/// <summary>A demonstration of a conversation ends as the checkpoint's chat template ends the assistant's turn.</summary>
public sealed class ChatTurnTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    // The tokenizer's own end, that of a turn.
    [InlineData("smollm", "chatml_default", null, "<|im_end|>")]
    // Another than the tokenizer's, which the model's files name.
    [InlineData("gemma", "gemma_like", "<end_of_turn>", "<end_of_turn>")]
    [InlineData("phi3", "phi3_like", "<|end|>", "<|end|>")]
    [InlineData("llama3", "llama3_like", "<|eot_id|>", "<|eot_id|>")]
    // No file names the turn's end: the template's is learnt, and the first end behind it, or the tokenizer's.
    [InlineData("gemma", "gemma_like", null, "<end_of_turn>\n<eos>")]
    [InlineData("phi3", "phi3_like", null, "<|end|><|endoftext|>")]
    public void EndsWithTheTurnsEndAndNothingBehindIt(string kind, string template, string? named, string ending)
    {
        var tokenizer = Load(kind, template, named);
        var ends = EndOfText.Of(_folder.Path, tokenizer);
        var config = new ExperimentConfig
        {
            Model = new ModelOptions { Policy = _folder.Path },
            Rollout = new RolloutOptions { Generation = new GenerationOptions { MaxNewTokens = 64 } },
        };
        TaskTexts Texts(int longest) =>
            new(tokenizer, config with { Task = new TaskOptions { MaxReferenceTokens = longest } }, ends, encoderDecoder: false);
        var prompt = ChatPrompts.Create("1", """[{"role": "user", "content": "How was it?"}]""", "here") with
        {
            References = ["It was good"],
        };
        prompt = ChatPrompts.Render([prompt], _folder.Path).Single();

        var target = Texts(64).Demonstration(prompt, 0);

        Assert.Equal($"It was good{ending}", tokenizer.Decode(target, skipSpecialTokens: false).TrimStart());
        Assert.Contains(target[^1], ends.Ids);
        Assert.DoesNotContain(target[..^1], ends.Contains);
        // One that is cut off has no end.
        Assert.Equal(target[..^1], Texts(target.Length - 1).Demonstration(prompt, 0));
        Assert.Equal(target, Texts(target.Length).Demonstration(prompt, 0));
    }

    [Fact]
    public void WhatATemplateRefusesIsToldWithThePrompt()
    {
        var tokenizer = Load("gemma", "gemma_like", null);
        var texts = new TaskTexts(
            tokenizer,
            new ExperimentConfig { Model = new ModelOptions { Policy = _folder.Path } },
            EndOfText.Of(_folder.Path, tokenizer),
            encoderDecoder: false
        );
        var prompt = ChatPrompts.Create("p-7", """[{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]""", "here") with
        {
            References = ["c"],
        };

        Assert.Equal("chat/refused", DfpoAssert.CodeOf(() => texts.Demonstration(prompt, 0), "p-7", "alternate"));
    }

    /// <summary>A tokenizer with a template, and a configuration that names the tokenizer's end or others as well.</summary>
    private TextTokenizer Load(string kind, string template, string? named)
    {
        foreach (var file in Directory.GetFiles(Repository.Path($"tests/tokenizers/hf/{kind}"), "*token*.json"))
            File.Copy(file, _folder[Path.GetFileName(file)]);
        File.Copy(Repository.Path($"tests/chat/{template}/chat_template.jinja"), _folder["chat_template.jinja"]);
        var tokenizer = TextTokenizer.Load(_folder.Path);
        _folder.Write(
            "config.json",
            $$"""{ "model_type": "gpt2", "vocab_size": {{tokenizer.VocabularySize}}, "n_positions": 64, "n_embd": 8, "n_layer": 1, "n_head": 2, "eos_token_id": {{tokenizer.EosTokenId}} }"""
        );
        if (named is not null)
            _folder.Write(
                "generation_config.json",
                $$"""{ "eos_token_id": [{{tokenizer.EosTokenId}}, {{tokenizer.Encode(named).Single()}}] }"""
            );
        return tokenizer;
    }
}
