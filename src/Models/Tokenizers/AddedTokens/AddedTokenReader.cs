using DfPO.Models.Tokenizers.Segmentation;

namespace DfPO.Models.Tokenizers.AddedTokens;

/// <summary>Reads <c>added_tokens</c> of <c>tokenizer.json</c>, and what <c>tokenizer_config.json</c> adds to them.</summary>
internal static class AddedTokenReader
{
    /// <exception cref="DfpoException"><c>tokenizer/corrupt</c>, or <c>tokenizer/unsupported</c> with the field.</exception>
    public static List<AddedToken> Read(JsonField field, Vocabulary vocabulary, TokenizerSettings settings)
    {
        var tokens = new List<AddedToken>();
        var ids = new Dictionary<string, int>();
        int NewId(string content) =>
            vocabulary.Id(content)
            ?? (tokens.Count == 0 ? vocabulary.Count : Math.Max(vocabulary.Count, tokens.Max(token => token.Id) + 1));

        foreach (var item in field.Items())
        {
            var token = Token(item, item["id"].Integer());
            if (token.Content.Length == 0)
                throw item["content"].Refused("a text that is not empty");
            // HF's tokenizers gives out the ids itself, whatever stands in the file.
            item["id"].Require(token.Id == NewId(token.Content), $"{NewId(token.Content)}, which is what HF's tokenizers takes for it");
            if (!ids.TryAdd(token.Content, token.Id))
                throw TokenizerFiles.Corrupt(field.File, $"field '{item.Name}' has the token '{token.Content}' a second time");
            tokens.Add(token);
        }
        foreach (var token in settings.AddedTokens)
        {
            if (tokens.FirstOrDefault(known => known.Id == token.Id) is { } known)
            {
                if (known != token)
                    throw settings.Refused(
                        "added_tokens_decoder",
                        $"has another token than {TokenizerJson.FileName} for the id {token.Id}: make them alike"
                    );
                continue;
            }
            if (NewId(token.Content) != token.Id || !ids.TryAdd(token.Content, token.Id))
                throw settings.Refused(
                    "added_tokens_decoder",
                    $"gives '{token.Content}' the id {token.Id} but {TokenizerJson.FileName} makes it {NewId(token.Content)}"
                );
            tokens.Add(token);
        }
        foreach (var token in settings.SpecialTokens)
            if (!ids.ContainsKey(token.Content))
            {
                var id = NewId(token.Content);
                ids.Add(token.Content, id);
                tokens.Add(token with { Id = id });
            }
        return tokens;
    }

    /// <summary>A token of an object such as <c>{"content": "&lt;s&gt;", "lstrip": false, ...}</c>.</summary>
    public static AddedToken Token(JsonField item, int id)
    {
        item.Only("id", "__type", "content", "special", "single_word", "lstrip", "rstrip", "normalized");
        var special = item["special"].Flag(false);
        return new AddedToken(id, item["content"].Text())
        {
            Special = special,
            SingleWord = item["single_word"].Flag(false),
            LeftStrip = item["lstrip"].Flag(false),
            RightStrip = item["rstrip"].Flag(false),
            Normalized = item["normalized"].Flag(!special),
        };
    }
}
