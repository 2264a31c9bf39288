namespace DfPO.Models.Lora;

/// <summary>The rows of a batch that adapters work on.</summary>
internal enum AdaptedRows
{
    /// <summary>All of them.</summary>
    All,

    /// <summary>
    /// The first half: a batch of a policy's rows followed by its reference's goes through each weight that the two share once.
    /// </summary>
    FirstHalf,
}
