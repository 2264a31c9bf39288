namespace DfPO.Models.Lora;

/// <summary>
/// While it is open, adapters work on the first half of every batch alone on its thread: a batch of a policy's rows followed by its
/// reference's then goes through each weight that the two share once.
/// </summary>
internal readonly struct PairedRows : IDisposable
{
    [ThreadStatic]
    private static bool t_areOn;

    /// <summary>Whether one is open on this thread.</summary>
    public static bool AreOn => t_areOn;

    public static PairedRows Open()
    {
        t_areOn = true;
        return default;
    }

    public void Dispose() => t_areOn = false;
}
