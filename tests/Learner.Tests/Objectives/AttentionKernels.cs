namespace DfPO.Learner.Tests.Objectives;

/// <summary>Tests that run TRPO: it switches the process's attention kernels for a moment, so that bits beside it would change.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class AttentionKernels
{
    public const string Name = "attention kernels";
}
