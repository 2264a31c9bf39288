using DfPO.Models;
using DfPO.Models.Devices;
using DfPO.Models.Tokenizers;
using DfPO.Rollout;
using DfPO.Tasks.Prompts;

namespace DfPO.Host.Generation;

/// <summary>A continuation of a prompt: its text, and what the engine knows of its tokens.</summary>
internal sealed record Continuation(Prompt Prompt, string Text, GeneratedSequence Sequence);

/// <summary>Checkpoints ready to continue texts, outside of any experiment.</summary>
internal sealed class TextGenerator : IDisposable
{
    private readonly LanguageModel _policy;
    private readonly LanguageModel? _reference;
    private readonly TextTokenizer _tokenizer;
    private readonly GenerationEngine _engine;

    private TextGenerator(LanguageModel policy, LanguageModel? reference, TextTokenizer tokenizer) =>
        (_policy, _reference, _tokenizer, _engine) = (policy, reference, tokenizer, new GenerationEngine(policy, reference, tokenizer.EosTokenId));

    /// <summary>Loads a policy with its tokenizer and, if wanted, the reference model.</summary>
    public static TextGenerator Load(string checkpoint, string? reference, string device, string dtype)
    {
        var (where, type) = (TorchDevices.Parse(device), TorchDevices.ParseDtype(dtype));
        var tokenizer = TextTokenizer.Load(checkpoint);
        var policy = PretrainedModels.LoadLanguageModel(checkpoint, where, type);
        try
        {
            tokenizer.CheckFits(policy.VocabularySize);
            return new(policy, reference is null ? null : PretrainedModels.LoadLanguageModel(reference, where, type), tokenizer);
        }
        catch
        {
            policy.Dispose();
            throw;
        }
    }

    /// <summary>Continues prompts batch by batch, each with a seed of its own.</summary>
    /// <param name="prompts">The prompts; of one with more than <paramref name="maxPromptTokens"/> tokens the last ones count.</param>
    /// <param name="options">How.</param>
    /// <param name="seed">Seed of all.</param>
    /// <param name="batchSize">Prompts a batch.</param>
    /// <param name="maxPromptTokens">Longest prompt; null takes what the model has room for.</param>
    /// <param name="cancellation">Looked at between two tokens.</param>
    public IEnumerable<Continuation> Generate(IReadOnlyList<Prompt> prompts, GenerationOptions options, ulong seed, int batchSize, int? maxPromptTokens, CancellationToken cancellation)
    {
        var most = maxPromptTokens ?? Math.Max(1, _policy.MaxPositions - options.MaxNewTokens);
        foreach (var batch in prompts.Select((prompt, index) => (Prompt: prompt, Seed: CounterRandom.UInt64(seed, (ulong)index))).Chunk(batchSize))
        {
            var sequences = _engine.Generate([.. batch.Select(item => new GenerationRequest(_tokenizer.EncodeInput(item.Prompt.Text, most), item.Seed))], options, cancellation);
            foreach (var (item, sequence) in batch.Zip(sequences))
                yield return new(item.Prompt, _tokenizer.DecodeContinuation(sequence.Tokens), sequence);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _policy.Dispose();
        _reference?.Dispose();
    }
}
