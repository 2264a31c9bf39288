namespace DfPO.Benchmarks;

/// <summary>What to measure.</summary>
internal sealed record BenchmarkOptions(
    string[] Only,
    int[] Batches,
    string[] Dtypes,
    string? Checkpoint,
    int Trials,
    int Rounds,
    int Seed,
    string? Json,
    string? Vs
)
{
    public const int PromptTokens = 64;

    public const int NewTokens = 48;

    public bool Wants(string part) => Only.Length == 0 || Only.Contains(part);
}
