using DfPO.Models;

namespace DfPO.Rollout.Scoring;

/// <summary>Checks of token sequences before any work is done.</summary>
internal static class SequenceChecks
{
    /// <exception cref="DfpoException"><c>generation/empty-prompt</c>, <c>generation/token-id</c> or <c>model/too-long</c>.</exception>
    public static void Require(LanguageModel model, int index, int[] prompt, int[] continuation, int furtherTokens)
    {
        if (prompt.Length == 0)
            throw new DfpoException(
                "generation/empty-prompt",
                $"Prompt {index} has no tokens: give it at least one, for instance the end-of-text token."
            );
        foreach (var token in prompt.Concat(continuation))
        {
            if (token < 0 || token >= model.VocabularySize)
                throw new DfpoException(
                    "generation/token-id",
                    $"Sequence {index} holds token id {token}, but the model's vocabulary has {model.VocabularySize} tokens: encode it with the model's own tokenizer."
                );
        }
        var length = prompt.Length + continuation.Length + furtherTokens;
        if (length > model.MaxPositions)
            throw new DfpoException(
                "model/too-long",
                $"Sequence {index} reaches {length} tokens, the model has {model.MaxPositions} positions: shorten prompts or continuations."
            );
    }
}
