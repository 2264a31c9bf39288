using System.Collections.Immutable;
using DfPO.Models.Lora;
using DfPO.Models.Tokenizers;

namespace DfPO.Models;

/// <summary>
/// The token ids that end a text: decoding stops at any of them, and a text that is learnt ends with the first. One set for everything that
/// generates or learns from texts, gathered once.
/// </summary>
public sealed record EndOfText
{
    private const string GenerationName = "generation_config.json";

    private EndOfText(IEnumerable<int> ids) => Ids = [.. ids.Distinct()];

    /// <summary>No token ends a text.</summary>
    public static EndOfText None { get; } = new([]);

    /// <summary>The ids, each once; the one that a learnt text ends with comes first.</summary>
    public ImmutableArray<int> Ids { get; }

    /// <summary>Whether no token ends a text.</summary>
    public bool IsNever => Ids.IsEmpty;

    /// <summary>The token that a learnt text ends with; null when <see cref="IsNever"/>.</summary>
    public int? Last => IsNever ? null : Ids[0];

    /// <summary>One token, or none.</summary>
    public static implicit operator EndOfText(int? id) => id is { } one ? new([one]) : None;

    /// <summary>The given ids.</summary>
    /// <param name="ids">The one that a learnt text ends with first.</param>
    public static EndOfText Of(IEnumerable<int> ids) => new(ids);

    /// <summary>
    /// Gathers what a checkpoint's files say: <c>generation_config.json</c>, <c>config.json</c> and the tokenizer's configuration.
    /// </summary>
    /// <remarks>
    /// A learnt text ends with the tokenizer's end where the model's files know it (that of a turn in a chat model, for such a model's
    /// tokenizer names it), else with the first that they name. Ids beyond the vocabulary can never be drawn and are left out.
    /// </remarks>
    /// <param name="checkpoint">A checkpoint folder, or an adapter's.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <exception cref="DfpoException"><c>config/...</c>: a file is broken, or names something else than ids.</exception>
    public static EndOfText Of(string checkpoint, TextTokenizer tokenizer)
    {
        var config = PretrainedModels.ReadConfig(checkpoint);
        return Of(GenerationIds(checkpoint).Concat(config.EosTokenIds), config, tokenizer);
    }

    /// <summary>The same where there is a configuration alone.</summary>
    public static EndOfText Of(ModelConfig config, TextTokenizer tokenizer) => Of(config.EosTokenIds, config, tokenizer);

    /// <summary>Whether a token ends a text.</summary>
    public bool Contains(int token) => Ids.Contains(token);

    /// <inheritdoc/>
    public bool Equals(EndOfText? other) => other is not null && Ids.SequenceEqual(other.Ids);

    /// <inheritdoc/>
    public override int GetHashCode() => Ids.Aggregate(0, HashCode.Combine);

    private static EndOfText Of(IEnumerable<int> named, ModelConfig config, TextTokenizer tokenizer)
    {
        int[] model = [.. named.Where(id => id >= 0 && id < config.VocabSize)];
        return tokenizer.EosTokenIds is not [var own, ..]
            ? new(model)
            : new(model.Length == 0 || model.Contains(own) ? model.Prepend(own) : model.Append(own));
    }

    /// <summary>
    /// The ids in <c>generation_config.json</c>, of an adapter's folder without one in its base's; none where there is no such file.
    /// </summary>
    private static IReadOnlyList<int> GenerationIds(string checkpoint)
    {
        var path = Path.Combine(checkpoint, GenerationName);
        if (File.Exists(path))
            return new HfConfigReader(HfConfigReader.ReadFile(path), path).Ints("eos_token_id");
        return AdapterFolder.IsOne(checkpoint) ? GenerationIds(AdapterFolder.Base(checkpoint)) : [];
    }
}
