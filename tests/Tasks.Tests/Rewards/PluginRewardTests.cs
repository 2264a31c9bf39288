using System.Runtime.Loader;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Rewards;

namespace DfPO.Tasks.Tests.Rewards;

/// <summary>The test assembly itself is the plug-in: it is loaded a second time, in a context of its own.</summary>
public sealed class PluginRewardTests : IDisposable
{
    private static readonly string s_assembly = typeof(PluginRewardTests).Assembly.Location;
    private static readonly PromptContinuation[] s_texts = [new("p", "ab"), new("p", "abc")];

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void AClassOfTheUsersAssemblyScores()
    {
        using var reward = RewardFactory.Create(
            new RewardSpec
            {
                Kind = RewardKind.Plugin,
                PluginAssembly = s_assembly,
                PluginClass = typeof(LengthPlugin).FullName!,
                PluginArgument = "10",
            }
        );

        Assert.Equal([20f, 30f], reward.Score(s_texts));
    }

    [Fact]
    public void ThePluginLivesInALoadContextOfItsOwn()
    {
        using var reward = PluginReward.Load(s_assembly, typeof(ContextPlugin).FullName!);

        Assert.Equal([0f, 0f], reward.Score(s_texts));
        Assert.Equal([1f], new ContextPlugin().Score(s_texts[..1]));
    }

    [Fact]
    public void AFailureOfThePluginIsToldWithItsName()
    {
        using var reward = PluginReward.Load(s_assembly, typeof(FailingPlugin).FullName!);

        Assert.Equal("plugin/failed", CodeOf(() => reward.Score(s_texts), nameof(FailingPlugin), "out of luck"));
        Assert.Equal(
            "plugin/failed",
            CodeOf(() => PluginReward.Load(s_assembly, typeof(LengthPlugin).FullName!, "ten"), nameof(LengthPlugin), "ten")
        );
    }

    [Fact]
    public void WhatCannotBeLoadedIsNamed()
    {
        Assert.Equal("plugin/missing", CodeOf(() => PluginReward.Load(_folder["none.dll"]), "none.dll"));
        Assert.Equal("plugin/load", CodeOf(() => PluginReward.Load(_folder.Write("text.dll", "no assembly")), "text.dll"));
        Assert.Equal("plugin/class", CodeOf(() => PluginReward.Load(typeof(CsvHelper.CsvParser).Assembly.Location), "no public class"));
        Assert.Equal("plugin/class", CodeOf(() => PluginReward.Load(s_assembly), "several", typeof(LengthPlugin).FullName!));
        Assert.Equal("plugin/class", CodeOf(() => PluginReward.Load(s_assembly, "No.Such"), "No.Such", typeof(LengthPlugin).FullName!));
        Assert.Equal(
            "plugin/class",
            CodeOf(() => PluginReward.Load(s_assembly, typeof(ContextPlugin).FullName!, "argument"), "constructor")
        );
    }
}

public sealed class LengthPlugin(string factor) : IReward
{
    private readonly float _factor = float.Parse(factor, System.Globalization.CultureInfo.InvariantCulture);

    public IReadOnlyList<float> Score(IReadOnlyList<PromptContinuation> texts) =>
        [.. texts.Select(text => _factor * text.Continuation.Length)];

    public void Dispose() { }
}

public sealed class ContextPlugin : IReward
{
    public IReadOnlyList<float> Score(IReadOnlyList<PromptContinuation> texts) =>
        [.. texts.Select(_ => AssemblyLoadContext.GetLoadContext(typeof(ContextPlugin).Assembly) == AssemblyLoadContext.Default ? 1f : 0f)];

    public void Dispose() { }
}

public sealed class FailingPlugin : IReward
{
    public IReadOnlyList<float> Score(IReadOnlyList<PromptContinuation> texts) => throw new InvalidOperationException("out of luck");

    public void Dispose() { }
}
