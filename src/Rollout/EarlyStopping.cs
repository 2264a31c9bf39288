namespace DfPO.Rollout;

/// <summary>When a beam search that has as many finished beams as asked for ends; HF's <c>early_stopping</c>.</summary>
public enum EarlyStopping
{
    /// <summary>When the best unfinished beam, at its present length, would not beat the worst finished one (HF's <c>False</c>).</summary>
    Heuristic,

    /// <summary>At once (HF's <c>True</c>).</summary>
    AtOnce,

    /// <summary>When no unfinished beam can beat the worst finished one at any length (HF's <c>"never"</c>).</summary>
    Never,
}
