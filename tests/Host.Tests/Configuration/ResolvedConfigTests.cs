using System.Collections;
using System.Reflection;
using DfPO.Actors.Experiments;
using DfPO.Host.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Tasks.Rewards;

namespace DfPO.Host.Tests.Configuration;

public sealed class ResolvedConfigTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Every_key_survives_being_written_and_read()
    {
        var config = new ExperimentConfig();
        var (count, n) = (0, 0);
        Visit(config, (owner, property) =>
        {
            property.SetValue(owner, Other(property.PropertyType, property.GetValue(owner)!, ++n));
            count++;
        });
        Assert.True(count > 50, $"{count} keys");
        var read = Read(ResolvedConfig.Write(config));
        List<object> expected = Values(config), actual = Values(read), defaults = Values(new ExperimentConfig());
        for (var i = 0; i < expected.Count; i++)
        {
            Assert.Equal(expected[i], actual[i]);
            Assert.NotEqual(defaults[i], actual[i]);
        }
        Assert.Equal(ResolvedConfig.Digest(config), ResolvedConfig.Digest(read));
    }

    [Theory]
    [InlineData("quotes \" and \\ back # slashes // and ${x}")]
    [InlineData("{ [ = : , ] }")]
    [InlineData("")]
    public void Any_text_survives(string text) => Assert.Equal(text, Read(ResolvedConfig.Write(new ExperimentConfig { Name = text })).Name);

    [Fact]
    public void The_digest_tells_configurations_apart() => Assert.NotEqual(ResolvedConfig.Digest(new ExperimentConfig()), ResolvedConfig.Digest(new ExperimentConfig { Seed = 2 }));

    private ExperimentConfig Read(string text) => ExperimentFile.Bind(_folder.Write("resolved.conf", text), [], new Hashtable(), path => path);

    private static object Other(Type type, object value, int n) => value switch
    {
        string text => $"{text}.{n}",
        bool flag => !flag,
        int number => number + n,
        ulong number => number + (ulong)n,
        float number => number + (n / 7f),
        double number => number + (n / 7.0),
        TimeSpan span => span + TimeSpan.FromMilliseconds(n),
        Enum => Enum.GetValues(type).Cast<object>().Last(member => !member.Equals(value)),
        IReadOnlyList<double> => new[] { n / 3.0, -n },
        IReadOnlyList<RewardKind> => new[] { RewardKind.RepeatPenalty, RewardKind.Http },
        IReadOnlyList<DpoLossType> => new[] { DpoLossType.ApoDown, DpoLossType.Sft },
        IReadOnlyList<string> => new[] { $"a{n}", $"b:{n}" },
        _ => throw new NotSupportedException($"{type} has no test value yet."),
    };

    private static List<object> Values(ExperimentConfig config)
    {
        List<object> values = [];
        Visit(config, (owner, property) => values.Add(property.GetValue(owner)!));
        return values;
    }

    private static void Visit(object record, Action<object, PropertyInfo> leaf)
    {
        foreach (var property in record.GetType().GetProperties().Where(property => property.CanWrite))
            if (property.PropertyType.Namespace!.StartsWith("DfPO", StringComparison.Ordinal) && !property.PropertyType.IsEnum)
            {
                if (property.GetValue(record) is null)
                    property.SetValue(record, Activator.CreateInstance(property.PropertyType));
                Visit(property.GetValue(record)!, leaf);
            }
            else
                leaf(record, property);
    }
}
