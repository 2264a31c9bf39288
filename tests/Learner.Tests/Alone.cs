namespace DfPO.Learner.Tests;

/// <summary>Tests that load the whole process, so that nothing else should run beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}
