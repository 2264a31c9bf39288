using DfPO.Actors.Evaluation;
using DfPO.Models;
using DfPO.Models.Devices;
using DfPO.Models.Tokenizers;
using DfPO.Rollout;
using DfPO.Rollout.Generation;
using DfPO.Tasks.Prompts;

namespace DfPO.Host.Generation;

/// <summary>Checkpoints ready to continue texts, outside of any experiment.</summary>
internal sealed class TextGenerator : IDisposable
{
    private readonly LanguageModel _policy;
    private readonly LanguageModel? _reference;
    private readonly LanguageModel? _mask;
    private readonly TextTokenizer _tokenizer;
    private readonly EndOfText _endOfText;
    private readonly GenerationEngine _engine;
    private readonly TruncationSide _side;

    private TextGenerator(
        LanguageModel policy,
        LanguageModel? reference,
        LanguageModel? mask,
        TextTokenizer tokenizer,
        EndOfText endOfText,
        TruncationSide side
    ) =>
        (_policy, _reference, _mask, _tokenizer, _endOfText, _engine, _side) = (
            policy,
            reference,
            mask,
            tokenizer,
            endOfText,
            new GenerationEngine(policy, reference, endOfText, mask),
            side
        );

    /// <summary>
    /// Loads a policy with its tokenizer and, if wanted, the reference model and the policy whose likely tokens are all that may be drawn.
    /// </summary>
    /// <param name="checkpoint">The policy's folder.</param>
    /// <param name="reference">The reference model's folder.</param>
    /// <param name="device">Device of all of them.</param>
    /// <param name="dtype">Precision of all of them.</param>
    /// <param name="mask">The mask policy's folder.</param>
    /// <param name="side">The end that a prompt loses which is too long.</param>
    public static TextGenerator Load(
        string checkpoint,
        string? reference,
        string device,
        string dtype,
        string? mask = null,
        TruncationSide side = TruncationSide.Left
    )
    {
        var (where, type) = (TorchDevices.Parse(device), TorchDevices.ParseDtype(dtype));
        var tokenizer = TextTokenizer.Load(checkpoint);
        List<LanguageModel> loaded = [];
        LanguageModel? Model(string? folder)
        {
            if (folder is not null)
                loaded.Add(PretrainedModels.LoadLanguageModel(folder, where, type));
            return folder is null ? null : loaded[^1];
        }
        try
        {
            var policy = Model(checkpoint)!;
            tokenizer.CheckFits(policy.VocabularySize);
            return new(policy, Model(reference), Model(mask), tokenizer, EndOfText.Of(checkpoint, tokenizer), side);
        }
        catch
        {
            loaded.ForEach(model => model.Dispose());
            throw;
        }
    }

    /// <summary>Continues prompts batch by batch, each with a seed of its own.</summary>
    /// <param name="prompts">The prompts; one with more than <paramref name="maxPromptTokens"/> tokens is cut.</param>
    /// <param name="options">How.</param>
    /// <param name="seed">Seed of all.</param>
    /// <param name="batchSize">Prompts a batch.</param>
    /// <param name="maxPromptTokens">Longest prompt; null takes what the model has room for.</param>
    /// <param name="cancellation">Looked at between two tokens.</param>
    public IEnumerable<Continuation> Generate(
        IReadOnlyList<Prompt> prompts,
        GenerationOptions options,
        ulong seed,
        int batchSize,
        int? maxPromptTokens,
        CancellationToken cancellation
    )
    {
        var most = maxPromptTokens ?? Math.Max(1, _policy.MaxPositions - options.MaxNewTokens);
        foreach (
            var batch in ChatPrompts
                .Render(prompts, _tokenizer.Folder)
                .Select((prompt, index) => (Prompt: prompt, Seed: CounterRandom.UInt64(seed, (ulong)index)))
                .Chunk(batchSize)
        )
        {
            var sequences = _engine.Generate(
                [.. batch.Select(item => new GenerationRequest(ChatPrompts.Encode(_tokenizer, item.Prompt, most, _side), item.Seed))],
                options,
                cancellation
            );
            foreach (var (item, sequence) in batch.Zip(sequences))
                yield return new(
                    item.Prompt,
                    _policy.Config.IsEncoderDecoder ? _tokenizer.Decode(sequence.Tokens) : _tokenizer.DecodeContinuation(sequence.Tokens),
                    sequence
                );
        }
    }

    /// <summary>Perplexity of the prompts' references under the policy: <see cref="ModelPerplexity.OfReferences"/>.</summary>
    public double ReferencePerplexity(IReadOnlyList<Prompt> prompts) =>
        ModelPerplexity.OfReferences(_policy, _tokenizer, _endOfText, prompts);

    /// <inheritdoc/>
    public void Dispose()
    {
        _policy.Dispose();
        _reference?.Dispose();
        _mask?.Dispose();
    }
}
