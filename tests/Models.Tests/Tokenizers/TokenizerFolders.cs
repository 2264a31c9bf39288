using DfPO.Models.Tokenizers;

namespace DfPO.Models.Tests.Tokenizers;

/// <summary>The real tokenizers that the tests use.</summary>
internal static class TokenizerFolders
{
    private static readonly Lazy<TextTokenizer> s_roberta = new(LoadRoberta);
    private static readonly Lazy<TextTokenizer> s_cased = new(LoadCased);
    private static readonly Dictionary<string, Lazy<TextTokenizer>> s_loaded = new[]
    {
        "gpt2",
        "t5",
        "bert-base-uncased",
        "stories260K",
    }.ToDictionary(name => name, name => new Lazy<TextTokenizer>(() => TextTokenizer.Load(Folder(name))));

    public static TextTokenizer TheGpt2 => s_loaded["gpt2"].Value;
    public static TextTokenizer TheT5 => s_loaded["t5"].Value;
    public static TextTokenizer TheBert => s_loaded["bert-base-uncased"].Value;
    public static TextTokenizer TheBertCased => s_cased.Value;
    public static TextTokenizer TheRoberta => s_roberta.Value;
    public static TextTokenizer TheLlama => s_loaded["stories260K"].Value;

    public static string Folder(string name) => Path.Combine(Repository.Path("tests/tokenizers"), name);

    /// <summary>RoBERTa's merges are GPT-2's, so they are kept once.</summary>
    public static void WriteRoberta(string folder)
    {
        File.Copy(Path.Combine(Folder("roberta-base"), "vocab.json"), Path.Combine(folder, "vocab.json"));
        File.Copy(Path.Combine(Folder("gpt2"), "merges.txt"), Path.Combine(folder, "merges.txt"));
        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), "{\"tokenizer_class\": \"RobertaTokenizer\"}");
    }

    private static TextTokenizer LoadRoberta()
    {
        using var folder = new TestFolder();
        WriteRoberta(folder.Path);
        return TextTokenizer.Load(folder.Path);
    }

    private static TextTokenizer LoadCased()
    {
        using var folder = new TestFolder();
        File.Copy(Path.Combine(Folder("bert-base-uncased"), "vocab.txt"), folder["vocab.txt"]);
        folder.Write("tokenizer_config.json", "{\"do_lower_case\": false}");
        return TextTokenizer.Load(folder.Path);
    }
}
