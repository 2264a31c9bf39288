using System.Text.Json.Nodes;
using DfPO.Actors.Configuration;
using DfPO.Host.Configuration.Reference;
using DfPO.Models.Options;

namespace DfPO.Host.Tests.Configuration;

public sealed class KeyReferenceTests
{
    public static TheoryData<string> Keys => [.. OptionSchema.Of(typeof(ExperimentConfig)).Select(key => key.Key)];

    [Theory]
    [MemberData(nameof(Keys))]
    public void A_key_has_a_meaning_and_a_default_that_its_range_allows(string name)
    {
        var key = OptionSchema.Of(typeof(ExperimentConfig)).Single(key => key.Key == name);
        Assert.NotEmpty(key.Meaning);
        Assert.DoesNotContain("\n", key.Meaning);
        Assert.True(OptionRange.Allows(key.Property, key.Default), $"{name} = {key.Default} is not {key.Range}");
        Assert.All(KeyReference.Choices(key), choice => Assert.NotEmpty(choice.Meaning));
    }

    [Theory]
    [MemberData(nameof(Keys))]
    public void A_number_of_an_experiment_has_a_range(string name)
    {
        var key = OptionSchema.Of(typeof(ExperimentConfig)).Single(key => key.Key == name);
        var type = OptionSchema.ItemType(key.Property.PropertyType) ?? key.Property.PropertyType;
        if (Type.GetTypeCode(type) is >= TypeCode.Int32 and <= TypeCode.Double && !type.IsEnum && type != typeof(ulong))
            Assert.True(key.Range is not null || s_anyNumber.Contains(name), $"{name} has no range");
    }

    [Fact]
    public void The_page_of_keys_is_in_step_with_the_code() =>
        Assert.Equal(KeyReference.Page(), File.ReadAllText(Repository.Path("docs/configuration.md")));

    [Fact]
    public void The_schema_of_keys_is_in_step_with_the_code() =>
        Assert.Equal(KeySchema.Write(), File.ReadAllText(Repository.Path("docs/experiment.schema.json")));

    [Fact]
    public void The_schema_has_every_key_and_no_other()
    {
        var schema = JsonNode.Parse(KeySchema.Write())!;
        string[] expected =
        [
            .. OptionSchema
                .Of(typeof(ExperimentConfig))
                .Where(key => key.Follows is null)
                .Select(key => key.Key)
                .Append("learner.preset")
                .Order(),
        ];
        Assert.Equal(expected, Names(schema, "").Order());
    }

    [Fact]
    public void A_key_is_explained_by_its_whole_name_or_its_last_part()
    {
        var text = KeyReference.Explain("rollout.unit-timeout");
        Assert.Contains("rollout.unit-timeout: duration", text);
        Assert.Contains("must be: longer than 0", text);
        Assert.Contains("default: 5m", text);
        Assert.Equal(text, KeyReference.Explain("unit-timeout"));
        Assert.Contains("learner.dfpo.tolerance = ", KeyReference.Explain("learner.dfpo"));
        Assert.Equal("config/unknown-key", DfpoAssert.CodeOf(() => KeyReference.Explain("learner.learning-rat"), "learner.learning-rate"));
        Assert.Equal("config/unknown-key", DfpoAssert.CodeOf(() => KeyReference.Explain("every"), "evaluation.every", "checkpoint.every"));
    }

    // Any number will do for a weight of a sum.
    private static readonly string[] s_anyNumber =
    [
        "task.reward.weights",
        "learner.grpo.off-policy-mask-threshold",
        "learner.dpo.loss-weights",
        "learner.dpo.f-alpha-divergence-coef",
        "learner.rloo.reward-clip-range",
        "rollout.generation.length-penalty",
        "evaluation.generation.length-penalty",
    ];

    private static IEnumerable<string> Names(JsonNode node, string prefix) =>
        node["properties"]!
            .AsObject()
            .SelectMany(property =>
                (IEnumerable<string>)
                    [
                        prefix + property.Key,
                        .. property.Value!["properties"] is null ? [] : Names(property.Value, $"{prefix}{property.Key}."),
                    ]
            );
}
