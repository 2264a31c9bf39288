using System.Text.Json.Nodes;
using DfPO.Models.Tokenizers;

namespace DfPO.Models.Tests.Tokenizers;

/// <summary>Tokenizer folders as they are found in the world.</summary>
public sealed class TokenizerCaseTests : IDisposable
{
    private readonly TestFolder _folder = new();

    /// <summary>Folders whose <c>tokenizer.json</c> lacks nothing but GPT-2's vocabulary.</summary>
    public static TheoryData<string> Skeletons => Folders("tokenizer.skeleton.json");

    /// <summary>Folders with tokens behind the vocabulary.</summary>
    public static TheoryData<string> WithAddedTokens => Folders("added_tokens.json");

    /// <summary>Folders of SentencePiece's model that say what stands around a text.</summary>
    public static TheoryData<string> WithPieces => Folders("tokenizer.model");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Skeletons))]
    public void TokenizerJsonCountsWhateverLiesBesideIt(string folder)
    {
        var json = JsonNode.Parse(File.ReadAllBytes(Path.Combine(Repository.Cases, folder, "tokenizer.skeleton.json")))!;
        var vocabulary = JsonNode.Parse(File.ReadAllBytes(Path.Combine(Repository.Gpt2Tokenizer, "vocab.json")))!;
        json["model"]!["vocab"] = vocabulary.DeepClone();
        json["model"]!["merges"] = new JsonArray([
            .. File.ReadLines(Path.Combine(Repository.Gpt2Tokenizer, "merges.txt"))
                .Where(line => line.Length > 0 && !line.StartsWith("#version", StringComparison.Ordinal))
                .Select(line => (JsonNode)line),
        ]);
        TokenizerFiles.Copy(Repository.Gpt2Tokenizer, _folder.Path);
        CopyAll(folder);
        _folder.Write("tokenizer.json", json.ToJsonString());

        // A token a digit, as the file's Digits step has it; GPT-2's own files have "12" and "34".
        Assert.Equal([16, 17, 18, 19], TextTokenizer.Load(_folder.Path).Encode("1234"));
        Assert.Equal([1065, 2682], TextTokenizer.Load(Repository.Gpt2Tokenizer).Encode("1234"));
    }

    [Theory]
    [MemberData(nameof(WithAddedTokens))]
    public void AddedTokensAreOneIdEach(string folder)
    {
        CopyAll(folder);
        if (!File.Exists(_folder["tokenizer.model"]))
            TokenizerFiles.Copy(Repository.Gpt2Tokenizer, _folder.Path);
        var tokenizer = TextTokenizer.Load(_folder.Path);
        var added = JsonNode.Parse(File.ReadAllBytes(_folder["added_tokens.json"]))!.AsObject();

        foreach (var (text, id) in added)
        {
            Assert.Equal([(int)id!], tokenizer.Encode(text));
            Assert.Contains((int)id!, tokenizer.Encode($"Once{text}upon"));
            Assert.Equal(text, tokenizer.Decode([(int)id!], skipSpecialTokens: false));
        }
        Assert.Equal(added.Max(token => (int)token.Value!) + 1, tokenizer.VocabularySize);
        var eos = (string)JsonNode.Parse(File.ReadAllBytes(_folder["tokenizer_config.json"]))!["eos_token"]!;
        Assert.Equal(eos, tokenizer.TokenOf(tokenizer.EosTokenId));

        tokenizer.Save(_folder["saved"]);
        var saved = TextTokenizer.Load(_folder["saved"]);
        Assert.Equal(tokenizer.EosTokenId, saved.EosTokenId);
        foreach (var text in new[] { "Once upon a time", $"a {string.Join(" b ", added.Select(token => token.Key))} c" })
            Assert.Equal(tokenizer.EncodeInput(text), saved.EncodeInput(text));
    }

    [Theory]
    [MemberData(nameof(WithPieces))]
    public void WhatStandsAroundATextIsWhatTheConfigurationSays(string folder)
    {
        CopyAll(folder);
        var config = JsonNode.Parse(File.ReadAllBytes(_folder["tokenizer_config.json"]))!;
        var tokenizer = TextTokenizer.Load(_folder.Path);
        int[] before = (bool?)config["add_bos_token"] ?? true ? [tokenizer.BosTokenId!.Value] : [];
        int[] behind = (bool?)config["add_eos_token"] ?? false ? [tokenizer.EosTokenId] : [];

        Assert.Equal([.. before, .. tokenizer.Encode("Once upon"), .. behind], tokenizer.EncodeInput("Once upon"));
    }

    [Fact]
    public void Gpt2sConfigurationIsHeededOrRefused()
    {
        Gpt2TokenizerFiles.Cut(Repository.Gpt2Tokenizer, _folder.Path, 1000);
        var plain = TextTokenizer.Load(_folder.Path);
        TextTokenizer With(string settings)
        {
            _folder.Write("tokenizer_config.json", $"{{\"tokenizer_class\": \"GPT2Tokenizer\", {settings}}}");
            return TextTokenizer.Load(_folder.Path);
        }

        Assert.Equal(plain.Encode(" Hello world"), With("\"add_prefix_space\": true").Encode("Hello world"));
        Assert.Equal([999, .. plain.Encode("Hello world")], With("\"add_bos_token\": true").EncodeInput("Hello world"));
        Assert.Equal("tokenizer/unsupported", CodeOf(() => With("\"add_eos_token\": true"), "add_eos_token", "tokenizer_config.json"));
    }

    [Fact]
    public void APointerInPlaceOfATokenizerIsCalledOne()
    {
        _folder.Write("tokenizer.json", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n");
        Assert.Equal("file/lfs-pointer", CodeOf(() => TextTokenizer.Load(_folder.Path), _folder["tokenizer.json"], "git lfs pull"));
    }

    private void CopyAll(string folder)
    {
        foreach (var file in Directory.GetFiles(Path.Combine(Repository.Cases, folder)))
            File.Copy(file, _folder[Path.GetFileName(file)], overwrite: true);
    }

    private static TheoryData<string> Folders(string holding) =>
        [
            .. Directory
                .GetFiles(Repository.Cases, holding, SearchOption.AllDirectories)
                .Select(path => Path.GetRelativePath(Repository.Cases, Path.GetDirectoryName(path)!))
                .Order(StringComparer.Ordinal),
        ];
}
