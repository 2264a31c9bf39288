using System.Text.Json.Nodes;
using DfPO.Models.Chat.Jinja;

namespace DfPO.Models.Chat;

/// <summary>Ends a text with the content of its last message, whatever the template writes after it.</summary>
/// <remarks>As transformers 5.24 does it: the content is marked before rendering, and the text is cut at the mark.</remarks>
internal static class FinalMessage
{
    private const string Tag = "CONTINUE_FINAL_MESSAGE_TAG ";

    /// <summary>The messages, with a mark after the last text of the last one.</summary>
    public static JsonArray Mark(JsonArray messages, Func<string, DfpoException> wrong)
    {
        var marked = (JsonArray)messages.DeepClone();
        var (holder, key) = LastText(marked, wrong);
        holder[key] = holder[key]!.GetValue<string>() + Tag;
        return marked;
    }

    /// <summary>The text up to the mark; without blanks at its end where the template trims contents.</summary>
    public static string Cut(string text, JsonArray messages, Func<string, DfpoException> wrong)
    {
        var (holder, key) = LastText(messages, wrong);
        var content = PythonText.Strip(holder[key]!.GetValue<string>());
        var at = text.LastIndexOf(Tag.TrimEnd(), StringComparison.Ordinal);
        if (at < 0 || !text.Contains(content, StringComparison.Ordinal))
            throw wrong("the template does not write the last message as it is, so it cannot be continued");
        return text.AsSpan(at).StartsWith(Tag, StringComparison.Ordinal) ? text[..at] : PythonText.StripEnd(text[..at]);
    }

    /// <summary>
    /// What a text has from the end of the last message's content on, and whether blanks around the content were taken away.
    /// </summary>
    public static (string Text, bool Trims) Ending(string text, Func<string, DfpoException> wrong)
    {
        var at = text.LastIndexOf(Tag.TrimEnd(), StringComparison.Ordinal);
        if (at < 0)
            throw wrong("the template does not write the assistant's last message, so the end of its turn is not known");
        var trims = !text.AsSpan(at).StartsWith(Tag, StringComparison.Ordinal);
        return (text[(at + (trims ? Tag.TrimEnd() : Tag).Length)..], trims);
    }

    private static (JsonObject Holder, string Key) LastText(JsonArray messages, Func<string, DfpoException> wrong)
    {
        var last = (JsonObject)messages[^1]!;
        if (last["content"] is JsonValue value && value.TryGetValue<string>(out _))
            return (last, "content");
        return
            last["content"] is JsonArray parts
            && parts.LastOrDefault(part => part is JsonObject item && item["text"] is JsonValue) is JsonObject text
            ? (text, "text")
            : throw wrong("the last message has no text to continue");
    }
}
