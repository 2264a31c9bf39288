namespace DfPO.Learner.Tests.Trl;

/// <summary>Losses of the fixtures that no objective has: each case is listed, and skipped with the reason.</summary>
[Trait("Category", "Fixtures")]
public sealed class NotOfferedTests
{
    public static TheoryData<string> Gkd => TrlFixtures.Cases("model_level.json", "gkd_generalized_jsd", "cases");

    [Theory]
    [MemberData(nameof(Gkd))]
    public void Gkd_is_not_offered(string name) =>
        Assert.Skip($"{name}: distillation here learns samples (dfpo distill), not a teacher's distribution");
}
