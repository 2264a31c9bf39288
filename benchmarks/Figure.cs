namespace DfPO.Benchmarks;

/// <summary>One measured figure.</summary>
/// <param name="Name">Model, dtype, batch and part, e.g. <c>gpt2-124m (random), bfloat16, batch 16, decode</c>.</param>
/// <param name="Value">The median.</param>
/// <param name="Unit">What it counts; a unit of seconds is better when smaller, every other one when larger.</param>
/// <param name="Spread">Distance between the quartiles, as a share of the median.</param>
/// <param name="ForeignLoad">Share of the processors that other programs took meanwhile; null where that is not known.</param>
internal sealed record Figure(string Name, double Value, string Unit, double Spread, double? ForeignLoad)
{
    /// <summary>How many times as good as another one of the same name: above 1 is better.</summary>
    public double Against(Figure other) => Unit == Seconds ? other.Value / Value : Value / other.Value;

    public const string Seconds = "s";
}
