using System.Text.Json.Nodes;
using DfPO.Models;
using DfPO.Models.Tokenizers;

namespace DfPO.Models.Tests.Tokenizers;

/// <summary>
/// Folders in Hugging Face layout against what transformers 4.57 and 5.24 both make of them: every folder with a <c>vectors.json</c>, every
/// variant of it.
/// </summary>
[Trait("Category", "Vectors")]
public sealed class HfTokenizerVectorTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>Folder and variant.</summary>
    public static TheoryData<string, string> Cases
    {
        get
        {
            var cases = new TheoryData<string, string>();
            foreach (var file in Directory.GetFiles(Root, "vectors.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
                foreach (var variant in JsonNode.Parse(File.ReadAllBytes(file))!["variants"]!.AsArray())
                    cases.Add(Path.GetRelativePath(Root, Path.GetDirectoryName(file)!), (string)variant!["name"]!);
            return cases;
        }
    }

    private static string Root => Path.Combine(Repository.Tokenizers, "hf");

    [Theory]
    [MemberData(nameof(Cases))]
    public void IdsAndTextsAreThoseOfTransformers(string folder, string name)
    {
        var variant = JsonNode.Parse(File.ReadAllBytes(Path.Combine(Root, folder, "vectors.json")))!["variants"]!
            .AsArray()
            .Single(variant => (string?)variant!["name"] == name)!;
        Prepare(Path.Combine(Root, folder), variant);
        TextTokenizer tokenizer;
        try
        {
            tokenizer = TextTokenizer.Load(_folder.Path);
        }
        catch (DfpoException e) when (MayBeRefused(variant))
        {
            // One clear line, of a file and a field.
            Assert.Equal("tokenizer/unsupported", e.Code);
            Assert.Contains(_folder.Path, e.Message);
            Assert.DoesNotContain('\n', e.Message);
            return;
        }
        var wrong = Differences(tokenizer, variant).ToArray();
        Assert.True(wrong.Length == 0, $"{folder}, {name}: {wrong.Length} differ, such as\n{string.Join('\n', wrong.Take(5))}");

        // What we write is read as the same tokenizer.
        tokenizer.Save(_folder["saved"]);
        File.Copy(_folder["config.json"], _folder["saved/config.json"]);
        wrong = [.. Differences(TextTokenizer.Load(_folder["saved"]), variant)];
        Assert.True(wrong.Length == 0, $"{folder}, {name}, saved: {wrong.Length} differ, such as\n{string.Join('\n', wrong.Take(5))}");
    }

    /// <summary>
    /// The two versions make other ids of such a folder, or one of them does not load it: there is nothing that would be right.
    /// </summary>
    private static bool MayBeRefused(JsonNode variant) =>
        variant["dropped"] is JsonValue || (variant["dropped"]!["encode.ids"] is not null && (string?)variant["name"] != "base");

    private void Prepare(string source, JsonNode variant)
    {
        foreach (var file in Directory.GetFiles(source).Where(file => Path.GetFileName(file) != "vectors.json"))
            File.Copy(file, _folder[Path.GetFileName(file)]);
        foreach (var (key, file) in new[] { ("tokenizer_config", "tokenizer_config.json"), ("config", "config.json") })
        {
            if (variant[key] is not JsonObject { Count: > 0 } changes)
                continue;
            var config = File.Exists(_folder[file]) ? JsonNode.Parse(File.ReadAllBytes(_folder[file]))!.AsObject() : [];
            foreach (var (field, value) in changes)
                if (value is null)
                    config.Remove(field);
                else
                    config[field] = value.DeepClone();
            File.Delete(_folder[file]);
            File.WriteAllText(_folder[file], config.ToJsonString());
        }
        foreach (var file in variant["remove"]!.AsArray())
            File.Delete(_folder[(string)file!]);
    }

    private static IEnumerable<string> Differences(TextTokenizer tokenizer, JsonNode variant)
    {
        foreach (var item in Items(variant, "encode"))
        {
            var text = (string)item["text"]!;
            var special = (bool)item["add_special_tokens"]!;
            int[] ids = Ids(item);
            if (
                Different(
                    $"'{text}' ({(special ? "with" : "without")} special tokens)",
                    ids,
                    special ? tokenizer.EncodeInput(text) : tokenizer.Encode(text)
                ) is
                { } wrong
            )
                yield return wrong;
            foreach (var other in Texts(tokenizer, item, ids))
                yield return other;
        }
        foreach (var item in Items(variant, "decode"))
            foreach (var other in Texts(tokenizer, item, Ids(item)))
                yield return other;
        foreach (var item in Items(variant, "pairs"))
        {
            var (ids, segments) = tokenizer.EncodePair((string)item["text"]!, (string)item["pair"]!);
            if (Different($"pair '{item["text"]}', '{item["pair"]}'", Ids(item), ids) is { } wrong)
                yield return wrong;
            if (
                item["token_type_ids"] is not null
                && Different($"segments of '{item["text"]}', '{item["pair"]}'", Ids(item, "token_type_ids"), segments) is { } other
            )
                yield return other;
        }
    }

    private static IEnumerable<string> Texts(TextTokenizer tokenizer, JsonNode item, int[] ids)
    {
        foreach (var (field, skip) in new[] { ("decoded", false), ("decoded_skip_special", true) })
            if (item[field] is { } expected && tokenizer.Decode(ids, skip) is { } text && text != (string)expected!)
                yield return $"{field} of [{string.Join(", ", ids)}]: '{text}' instead of '{expected}'";
    }

    private static string? Different(string what, int[] expected, int[] ids) =>
        ids.SequenceEqual(expected) ? null : $"{what}: [{string.Join(", ", ids)}] instead of [{string.Join(", ", expected)}]";

    private static IEnumerable<JsonNode> Items(JsonNode variant, string list) => (variant[list]?.AsArray() ?? []).Select(item => item!);

    private static int[] Ids(JsonNode item, string field = "ids") => [.. item[field]!.AsArray().Select(id => (int)id!)];
}
