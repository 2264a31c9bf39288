namespace DfPO.Host.Tests.EndToEnd;

/// <summary>
/// Tests that start several processes each: one after another, for failure detectors mistake a starved process for a dead one.
/// </summary>
[CollectionDefinition(Name)]
public sealed class WholeProcesses
{
    public const string Name = "whole processes";
}
