using System.Text.Json.Nodes;
using DfPO.Models.Chat.Jinja;

namespace DfPO.Models.Chat;

/// <summary>Writes conversations as the texts that a model was trained on, by the template that came with it.</summary>
/// <remarks>Source: <c>apply_chat_template</c> of transformers 5.24, without tokenization.</remarks>
public sealed class ChatTemplate
{
    private const string DefaultName = "default";
    private const string ToolName = "tool_use";
    private readonly IReadOnlyDictionary<string, string> _templates;
    private readonly IReadOnlyDictionary<string, object?> _specialTokens;
    private readonly string _source;
    private readonly Dictionary<string, JinjaTemplate> _parsed = [];

    /// <summary>Makes a template of texts.</summary>
    /// <param name="templates">Templates by name; the usual one is called <c>default</c>.</param>
    /// <param name="specialTokens">The tokenizer's special tokens by their names, such as <c>bos_token</c>.</param>
    /// <param name="source">Where they came from, for errors.</param>
    public ChatTemplate(
        IReadOnlyDictionary<string, string> templates,
        IReadOnlyDictionary<string, JsonNode?> specialTokens,
        string source
    ) =>
        (_templates, _specialTokens, _source) = (
            templates,
            specialTokens.ToDictionary(pair => pair.Key, pair => JinjaJson.Value(pair.Value)),
            source
        );

    /// <summary>The clock that <c>strftime_now</c> looks at.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>The template of a checkpoint folder or GGUF file.</summary>
    /// <exception cref="DfpoException"><c>chat/missing</c>: there is none; or its files are broken.</exception>
    public static ChatTemplate Load(string folder) =>
        ChatTemplateFiles.Find(folder)
        ?? throw new DfpoException(
            "chat/missing",
            $"'{folder}' holds no chat template ({ChatTemplateFiles.FileName}, or chat_template in tokenizer_config.json): give prompts as texts, or a model that was trained on chats."
        );

    /// <summary>The templates' texts by name; the usual one is called <c>default</c>.</summary>
    public IReadOnlyDictionary<string, string> Templates => _templates;

    /// <summary>The text of a conversation.</summary>
    /// <exception cref="DfpoException">
    /// <c>chat/messages</c>: no messages, or none to continue; <c>chat/refused</c>: the template does not take them; <c>chat/template</c>,
    /// <c>chat/unsupported</c> or <c>chat/limit</c>: it cannot be rendered.
    /// </exception>
    public string Render(ChatRequest request)
    {
        if (request.Messages.Count == 0)
            throw Wrong("a conversation needs at least one message");
        if (request.Messages.FirstOrDefault(message => message is not JsonObject) is { } stray || request.Messages.Contains(null))
            throw Wrong("a message must be an object with role and content");
        if (request is { AddGenerationPrompt: true, ContinueFinalMessage: true })
            throw Wrong("a text cannot both begin a new message and continue the last one");
        var template = Template(request.Tools is not null);
        var messages = request.ContinueFinalMessage ? FinalMessage.Mark(request.Messages, Wrong) : request.Messages;
        var text = Converted(() => template.Render(Variables(request, messages), Clock));
        return request.ContinueFinalMessage ? FinalMessage.Cut(text, request.Messages, Wrong) : text;
    }

    /// <summary>What the template writes behind a prompt for an answer of the assistant: the content and the end of the turn.</summary>
    /// <param name="messages">The conversation before the answer.</param>
    /// <param name="answer">The answer's content.</param>
    /// <returns>
    /// What the whole conversation has beyond the text of its prompt; where it does not begin with that text (templates may write a prompt
    /// of their own), the content and what stands behind it.
    /// </returns>
    /// <exception cref="DfpoException">As <see cref="Render"/>.</exception>
    public string Turn(JsonArray messages, string answer)
    {
        var whole = (JsonArray)messages.DeepClone();
        whole.Add((JsonNode)new JsonObject { ["role"] = "assistant", ["content"] = answer });
        var prompt = Render(new ChatRequest(messages) { AddGenerationPrompt = true });
        var text = Render(new ChatRequest(whole));
        if (text.StartsWith(prompt, StringComparison.Ordinal))
            return text[prompt.Length..];
        var (ending, trims) = FinalMessage.Ending(Render(new ChatRequest(FinalMessage.Mark(whole, Wrong))), Wrong);
        return (trims ? PythonText.Strip(answer) : answer) + ending;
    }

    private JinjaTemplate Template(bool withTools)
    {
        var name = withTools && _templates.ContainsKey(ToolName) ? ToolName : DefaultName;
        if (!_templates.TryGetValue(name, out var text))
            throw new DfpoException(
                "chat/missing",
                $"'{_source}' names several chat templates ({string.Join(", ", _templates.Keys)}), but none is called '{DefaultName}'."
            );
        lock (_parsed)
        {
            if (!_parsed.TryGetValue(name, out var template))
                _parsed[name] = template = JinjaTemplate.Parse(text, _source);
            return template;
        }
    }

    private Dictionary<string, object?> Variables(ChatRequest request, JsonArray messages)
    {
        var variables = new Dictionary<string, object?>(_specialTokens);
        foreach (var (name, value) in request.Variables ?? [])
            variables[name] = JinjaJson.Value(value);
        variables["messages"] = new PythonList([.. messages.Select(message => JinjaJson.Value(WithoutNulls((JsonObject)message!)))]);
        variables["tools"] = JinjaJson.Value(request.Tools);
        variables["documents"] = null;
        variables["add_generation_prompt"] = request.AddGenerationPrompt;
        return variables;
    }

    private static JsonObject WithoutNulls(JsonObject message) =>
        new(message.Where(pair => pair.Value is not null).Select(pair => KeyValuePair.Create(pair.Key, pair.Value?.DeepClone())));

    /// <summary>Values of the request may be of a kind that templates cannot hold.</summary>
    private string Converted(Func<string> render)
    {
        try
        {
            return render();
        }
        catch (JinjaException e)
        {
            throw new DfpoException(e.Code, $"The messages for the chat template of '{_source}': {e.Message}.", e);
        }
    }

    private DfpoException Wrong(string why) => new("chat/messages", $"The chat template of '{_source}' cannot be used: {why}.");
}
