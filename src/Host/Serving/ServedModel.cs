using System.Text.Json.Nodes;
using DfPO.Host.Generation;
using DfPO.Models;
using DfPO.Models.Chat;
using DfPO.Models.Devices;
using DfPO.Models.Policies;
using DfPO.Models.Tokenizers;
using DfPO.Rollout;
using DfPO.Rollout.Serving;

namespace DfPO.Host.Serving;

/// <summary>The model that is served, with what its requests need.</summary>
internal sealed class ServedModel : IDisposable
{
    private readonly LanguageModel _policy;
    private readonly LanguageModel? _reference;
    private readonly EndOfText _endOfText;
    private readonly ContinuousBatch _checks;
    private readonly Lazy<ChatTemplate> _template;

    private ServedModel(
        string id,
        TrainedPolicy trained,
        LanguageModel policy,
        LanguageModel? reference,
        TextTokenizer tokenizer
    )
    {
        (Id, _policy, _reference, Tokenizer) = (id, policy, reference, tokenizer);
        _endOfText = EndOfText.Of(trained.Checkpoint, tokenizer);
        _template = new(() => ChatTemplate.Load(trained.Checkpoint));
        _checks = NewBatch();
        var usual = trained.Decoding(trained.Evaluated, DecodingPolicy.Policy);
        Defaults = new GenerationOptions
        {
            Temperature = usual.Temperature,
            TopK = usual.TopK,
            TopP = usual.TopP,
            MaskRule = usual.MaskRule,
            Tolerance = usual.Tolerance,
            MassFloor = usual.MassFloor,
        };
    }

    /// <summary>Its name in requests.</summary>
    public string Id { get; }

    public TextTokenizer Tokenizer { get; }

    /// <summary>How a request that says nothing is drawn: as its run evaluates.</summary>
    public GenerationOptions Defaults { get; }

    /// <summary>Tokens of a prompt and its continuation that there is room for.</summary>
    public int MaxPositions => _policy.MaxPositions;

    public DateTimeOffset Loaded { get; } = DateTimeOffset.UtcNow;

    /// <summary>Loads a policy, and its reference where one is known.</summary>
    /// <exception cref="DfpoException"><c>serve/mask</c>: a policy that is drawn under NLPO's mask; or what loading gives.</exception>
    public static ServedModel Load(TrainedPolicy trained, string id, string device, string dtype)
    {
        if (trained.IsMasked)
            throw new DfpoException(
                "serve/mask",
                $"'{trained.Checkpoint}' was trained by NLPO and is drawn under a second model, which is not served: make one model of both with 'dfpo distill', or write it without its mask with 'dfpo export'."
            );
        var (where, type) = (TorchDevices.Parse(device), TorchDevices.ParseDtype(dtype));
        var tokenizer = TextTokenizer.Load(trained.Checkpoint);
        var policy = PretrainedModels.LoadLanguageModel(trained.Checkpoint, where, type);
        LanguageModel? reference = null;
        try
        {
            tokenizer.CheckFits(policy.VocabularySize);
            reference = trained.Reference is { } folder ? PretrainedModels.LoadLanguageModel(folder, where, type) : null;
            return new(id, trained, policy, reference, tokenizer);
        }
        catch
        {
            policy.Dispose();
            reference?.Dispose();
            throw;
        }
    }

    /// <summary>What is said of another name.</summary>
    public ApiError NotFound(string id) =>
        new(404, $"The model '{id}' does not exist; this server has '{Id}'.", param: "model", code: "model_not_found");

    public ContinuousBatch NewBatch() => new(_policy, _reference, _endOfText);

    /// <summary>Refuses what the model cannot continue, as a client is told.</summary>
    /// <exception cref="ApiError"></exception>
    public void Check(LiveSequence sequence)
    {
        try
        {
            _checks.Check(sequence);
        }
        catch (DfpoException e)
        {
            throw new ApiError(400, e.Message, code: e.Code == "model/too-long" ? "context_length_exceeded" : e.Code);
        }
    }

    /// <summary>Token ids of a conversation, up to where the answer begins.</summary>
    /// <exception cref="ApiError">The model has no template, or it does not take the messages.</exception>
    public int[] Encode(JsonArray messages)
    {
        try
        {
            return Tokenizer.Encode(_template.Value.Render(new ChatRequest(messages) { AddGenerationPrompt = true }));
        }
        catch (DfpoException e)
        {
            throw new ApiError(400, e.Message, param: "messages", code: e.Code);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _checks.Dispose();
        _policy.Dispose();
        _reference?.Dispose();
    }
}
