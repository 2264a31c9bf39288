namespace DfPO.Rollout;

/// <summary>What the length in a finished beam's score counts.</summary>
public enum BeamLength
{
    /// <summary>
    /// All of the decoder's sequence, a decoder-only model's prompt and its padding included, the end-of-text token left out (transformers
    /// 4.28, and so RL4LMs).
    /// </summary>
    Text,

    /// <summary>The continuation, its end-of-text token included (transformers 5).</summary>
    Continuation,
}
