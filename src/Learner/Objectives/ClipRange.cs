namespace DfPO.Learner.Objectives;

/// <summary>
/// How far a ratio may move before its gradient stops: <c>[1 - Low, 1 + High]</c>. With High above Low, unlikely tokens may rise further
/// ("clip-higher", DAPO, Yu et al. 2025).
/// </summary>
/// <param name="Low"><c>eps</c> below 1, greater than 0.</param>
/// <param name="High"><c>eps</c> above 1, greater than 0.</param>
public readonly record struct ClipRange(double Low, double High)
{
    /// <summary>The same on both sides.</summary>
    public static implicit operator ClipRange(double eps) => new(eps, eps);
}
