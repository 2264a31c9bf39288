using System.Text.Json.Nodes;
using DfPO.Models.Gpt2;
using DfPO.Models.Tokenizers;

namespace DfPO.Models.Tests;

/// <summary>Which token ids end a text, from everything that a folder says about it.</summary>
public sealed class EndOfTextTests : IDisposable
{
    private readonly TestFolder _folder = new();

    /// <summary>Cases whose configuration is a GPT-2's without weights: what ends its texts is all that they are about.</summary>
    public static TheoryData<string> Cases =>
        [
            .. Directory
                .GetDirectories(Repository.Cases, "0*-eos-*")
                .Where(folder => File.Exists(Path.Combine(folder, "model", "config.json")))
                .Select(folder => Path.GetFileName(folder)!)
                .Order(StringComparer.Ordinal),
        ];

    [Theory]
    [MemberData(nameof(Cases))]
    public void ACaseEndsAtAllThatItsConfigurationNamesOrItsClassTakes(string name)
    {
        var model = Path.Combine(Repository.Cases, name, "model");
        File.Copy(Path.Combine(model, "config.json"), _folder["config.json"]);
        var named = HfConfigReader.ReadFile(Path.Combine(model, "config.json"))["eos_token_id"];
        int[] expected = named is JsonArray all ? [.. all.Select(id => (int)id!)] : [(int?)named ?? 50256];

        var ends = EndOfText.Of(_folder.Path, TextTokenizer.Load(Repository.Gpt2Tokenizer));

        Assert.Equal(expected.Append(50256).Distinct().Order(), ends.Ids.Order());
        Assert.Equal(50256, ends.Last);
    }

    [Theory]
    [InlineData("50256", null, "50256")]
    [InlineData("[11, 13]", null, "11 13 50256")]
    [InlineData("[11, 50256]", null, "50256 11")]
    [InlineData("11", "{ \"eos_token_id\": [13, 50256] }", "50256 13 11")]
    [InlineData("11", "{ \"eos_token_id\": 13 }", "13 11 50256")]
    [InlineData("11", "{ \"temperature\": 1 }", "11 50256")]
    [InlineData("null", "{ \"eos_token_id\": null }", "50256")]
    [InlineData("60000", null, "50256")]
    public void EveryFileCountsAndTheTokenizersEndComesFirstWhereTheModelKnowsIt(string config, string? generation, string expected)
    {
        _folder.Write("config.json", Config(config));
        if (generation is not null)
            _folder.Write("generation_config.json", generation);

        var ends = EndOfText.Of(_folder.Path, TextTokenizer.Load(Repository.Gpt2Tokenizer));

        Assert.Equal(expected, string.Join(' ', ends.Ids));
    }

    [Theory]
    [InlineData("gpt2", 50256)]
    [InlineData("t5", 1)]
    public void WhatAClassTakesByDefaultIsNotWrittenAsNone(string type, int usual)
    {
        var json = new JsonObject { ["vocab_size"] = 7, ["anything"] = 1 };
        ModelConfig config = type switch
        {
            "gpt2" => new Gpt2Config
            {
                VocabSize = 7,
                NPositions = 8,
                NEmbd = 8,
                NLayer = 1,
                NHead = 2,
                Raw = json,
            },
            _ => new T5.T5Config
            {
                VocabSize = 7,
                DModel = 8,
                DKv = 4,
                DFf = 8,
                NumHeads = 2,
                NumLayers = 1,
                NumDecoderLayers = 1,
                Raw = json,
            },
        };

        Assert.Equal([usual], config.EosTokenIds);
        Assert.False(config.ToJson("Any", "float32").ContainsKey("eos_token_id"));
        json["eos_token_id"] = null;
        Assert.Empty(config.EosTokenIds);
        Assert.True(config.ToJson("Any", "float32").ContainsKey("eos_token_id"));
    }

    [Theory]
    [InlineData("[11, \"a\"]", null, "config.json")]
    [InlineData("[11, null]", null, "config.json")]
    [InlineData("11", "{ \"eos_token_id\": \"a\" }", "generation_config.json")]
    [InlineData("11", "{ \"eos_token_id\": [1.5] }", "generation_config.json")]
    public void WhatIsNoIdIsRefusedByFileAndField(string config, string? generation, string file)
    {
        _folder.Write("config.json", Config(config));
        if (generation is not null)
            _folder.Write("generation_config.json", generation);

        Assert.Equal(
            "config/field",
            DfpoAssert.CodeOf(() => EndOfText.Of(_folder.Path, TextTokenizer.Load(Repository.Gpt2Tokenizer)), file, "eos_token_id")
        );
    }

    [Fact]
    public void SetsAreComparedByTheirIds()
    {
        Assert.Equal(EndOfText.Of([3, 4]), EndOfText.Of([3, 4, 3]));
        Assert.NotEqual(EndOfText.Of([3, 4]), EndOfText.Of([4, 3]));
        Assert.True(EndOfText.None.IsNever);
        Assert.Null(EndOfText.None.Last);
        Assert.False(EndOfText.Of([3]).Contains(4));
    }

    public void Dispose() => _folder.Dispose();

    private static string Config(string eos) =>
        $$"""{ "model_type": "gpt2", "vocab_size": 50257, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 2, "eos_token_id": {{eos}} }""";
}
