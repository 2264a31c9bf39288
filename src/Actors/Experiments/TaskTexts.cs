using DfPO.Actors.Configuration;
using DfPO.Models;
using DfPO.Models.Chat;
using DfPO.Models.Tokenizers;
using DfPO.Tasks.Prompts;

namespace DfPO.Actors.Experiments;

/// <summary>Token ids of a task's texts: prompts, and continuations that were given rather than drawn.</summary>
/// <param name="tokenizer">The policy's.</param>
/// <param name="config">The experiment.</param>
/// <param name="endOfText">Tokens that end its texts.</param>
/// <param name="encoderDecoder">Whether a continuation is a text of its own, rather than the end of its prompt's.</param>
public sealed class TaskTexts(TextTokenizer tokenizer, ExperimentConfig config, EndOfText endOfText, bool encoderDecoder)
{
    private const ulong Choices = 0x72656673;
    private readonly Lazy<ChatTemplate> _chat = new(() => ChatTemplate.Load(config.Model.Policy));

    /// <summary>Tokens that end the texts: drawn ones at any, given ones with the first.</summary>
    public EndOfText EndOfText { get; } = endOfText;

    /// <summary>
    /// A prompt; one longer than <see cref="TaskOptions.MaxPromptTokens"/> is cut on the side that <see cref="TaskOptions.TruncationSide"/>
    /// says.
    /// </summary>
    public int[] Prompt(string text) => tokenizer.EncodeInput(text, config.Task.MaxPromptTokens, config.Task.TruncationSide);

    /// <summary>A prompt that may be a conversation, rendered already; cut in the same way.</summary>
    public int[] Prompt(Prompt prompt) => ChatPrompts.Encode(tokenizer, prompt, config.Task.MaxPromptTokens, config.Task.TruncationSide);

    /// <summary>
    /// A given continuation, as a rollout would have made it: at most <see cref="Rollout.GenerationOptions.MaxNewTokens"/> tokens, the last
    /// one the end of the text where that fits. A text that repeats its prompt counts from there on; a word that would run into the
    /// prompt's last one is parted from it.
    /// </summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="text">What continues it, or the whole.</param>
    /// <returns>Token ids; empty when nothing is left of the text.</returns>
    public int[] Continuation(string prompt, string text) => Continuation(prompt, text, config.Rollout.Generation.MaxNewTokens);

    private int[] Continuation(string prompt, string text, int longest)
    {
        var rest = text.StartsWith(prompt, StringComparison.Ordinal) ? text[prompt.Length..] : text;
        if (string.IsNullOrWhiteSpace(rest))
            return [];
        // A word that would run into the prompt's last one is parted from it.
        var joined = !encoderDecoder && char.IsLetterOrDigit(rest[0]) && !char.IsWhiteSpace(prompt[^1]) ? " " + rest : rest;
        return Ended(After(prompt, joined), longest);
    }

    /// <summary>An assistant's answer as the chat template writes it, up to the first token that ends a text.</summary>
    private int[] Answer(Prompt prompt, string text, int longest)
    {
        if (string.IsNullOrWhiteSpace(text))
            return [];
        var ids = After(prompt.Text, ChatPrompts.Turn(prompt, text, _chat.Value));
        var end = Array.FindIndex(ids, EndOfText.Contains);
        return end < 0 ? Ended(ids, longest) : ids[..Math.Min(end + 1, longest)];
    }

    private int[] Ended(int[] ids, int longest) => ids.Length < longest ? [.. ids, .. EndOfText.Ids.Take(1)] : ids[..longest];

    /// <summary>
    /// One of a prompt's references, picked by the draw's number, of at most <see cref="TaskOptions.MaxReferenceTokens"/> tokens. That of a
    /// conversation ends as the chat template ends the assistant's turn, with the first token there that ends a text.
    /// </summary>
    /// <param name="prompt">A prompt that <see cref="RequireReferences"/> let pass.</param>
    /// <param name="draw">Number of the draw.</param>
    public int[] Demonstration(Prompt prompt, long draw)
    {
        var pick = CounterRandom.UInt64(CounterRandom.UInt64(config.Seed, Choices), (ulong)draw) % (ulong)prompt.References.Count;
        var longest = config.Task.MaxReferenceTokens > 0 ? config.Task.MaxReferenceTokens : config.Rollout.Generation.MaxNewTokens;
        var reference = prompt.References[(int)pick];
        return prompt.Messages is null ? Continuation(prompt.Text, reference, longest) : Answer(prompt, reference, longest);
    }

    /// <summary>Checks that every prompt has a reference.</summary>
    /// <param name="prompts">The prompts.</param>
    /// <param name="path">Where they are from.</param>
    /// <param name="why">What needs references.</param>
    /// <exception cref="DfpoException"><c>prompts/references</c>.</exception>
    public static void RequireReferences(IEnumerable<Prompt> prompts, string path, string why)
    {
        foreach (var prompt in prompts)
            if (prompt.References.Count == 0 || prompt.References.Any(text => string.IsNullOrWhiteSpace(text) || text == prompt.Text))
                throw new DfpoException(
                    "prompts/references",
                    $"Prompt '{prompt.Id}' in '{path}' has no reference text, or an empty one, but {why}: give it a field \"references\", a list of continuations."
                );
    }

    /// <summary>Checks that every prompt and its continuation fit the model, before any is drawn.</summary>
    /// <param name="prompts">The prompts.</param>
    /// <param name="path">Where they are from.</param>
    /// <param name="newTokens">Most tokens of a continuation.</param>
    /// <param name="positions">Positions of the model.</param>
    /// <exception cref="DfpoException"><c>prompts/too-long</c>.</exception>
    public void RequireFits(IEnumerable<Prompt> prompts, string path, int newTokens, int positions)
    {
        // As a rule no prompt can be too long, and none need be looked at.
        if ((long)config.Task.MaxPromptTokens + newTokens <= positions)
            return;
        foreach (var prompt in prompts)
            if (Prompt(prompt).Length is var tokens && tokens > positions - newTokens)
                throw new DfpoException(
                    "prompts/too-long",
                    $"Prompt '{prompt.Id}' in '{path}' has {tokens} tokens, and with {newTokens} new ones does not fit the model's {positions} positions: set 'task.max-prompt-tokens' to at most {Math.Max(positions - newTokens, 0)}, or 'max-new-tokens' lower."
                );
    }

    private int[] After(string prompt, string rest)
    {
        if (encoderDecoder)
            return tokenizer.Encode(rest);
        // Together where the prompt keeps its tokens: a tokenizer may mark the beginning of a text.
        var (whole, first) = (tokenizer.Encode(prompt + rest), tokenizer.Encode(prompt));
        return whole.AsSpan().StartsWith(first) ? whole[first.Length..] : tokenizer.Encode(rest);
    }
}
