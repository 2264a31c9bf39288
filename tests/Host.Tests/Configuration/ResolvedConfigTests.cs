using System.Collections;
using System.ComponentModel.DataAnnotations;
using System.Reflection;
using DfPO.Actors.Configuration;
using DfPO.Host.Configuration;
using DfPO.Models.Options;

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
            property.SetValue(owner, Other(property, property.GetValue(owner)!, ++n));
            count++;
        });
        Assert.True(count > 50, $"{count} keys");
        var read = Read(ResolvedConfig.Write(config));
        List<object> expected = Values(config),
            actual = Values(read),
            defaults = Values(new ExperimentConfig());
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
    public void Any_text_survives(string text) => Assert.Equal(text, Read(ResolvedConfig.Write(With(text))).Task.Reward.PluginArgument);

    [Fact]
    public void The_digest_tells_configurations_apart() =>
        Assert.NotEqual(ResolvedConfig.Digest(new ExperimentConfig()), ResolvedConfig.Digest(new ExperimentConfig { Seed = 2 }));

    private ExperimentConfig Read(string text) =>
        ExperimentFile.Bind(_folder.Write("resolved.conf", text), [], new Hashtable(), path => path);

    private static ExperimentConfig With(string argument) => new() { Task = new() { Reward = new() { PluginArgument = argument } } };

    /// <summary>Another value than the default, which the key's range allows.</summary>
    private static object Other(PropertyInfo property, object value, int n)
    {
        object[] candidates = property.GetCustomAttribute<AllowedValuesAttribute>() is { } allowed
            ? [.. allowed.Values.Where(other => !Equals(other, value)).Select(other => other!)]
            : [Far(property.PropertyType, value, n), Near(value, n), value is IReadOnlyList<string> ? new[] { $"cuda:{n}" } : $"cuda:{n}"];
        return candidates.First(candidate =>
            property.PropertyType.IsInstanceOfType(candidate) && !Equals(candidate, value) && OptionRange.Allows(property, candidate)
        );
    }

    /// <summary>A list of an enum's last members, most of which no default holds.</summary>
    private static Array Members(Type item)
    {
        var all = Enum.GetValues(item);
        var last = Array.CreateInstance(item, Math.Min(2, all.Length - 1));
        Array.Copy(all, all.Length - last.Length, last, 0, last.Length);
        return last;
    }

    private static object Far(Type type, object value, int n) =>
        value switch
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
            // By the property's type: lists of different enums are the same to a type test.
            _ when type.IsGenericType && type.GenericTypeArguments[0] is { IsEnum: true } item => Members(item),
            IReadOnlyList<string> => new[] { $"a{n}", $"b:{n}" },
            _ => throw new NotSupportedException($"{type} has no test value yet."),
        };

    // For what must lie between 0 and 1, or between two whole numbers.
    private static object Near(object value, int n) =>
        value switch
        {
            float number => number > 0.5f ? number - (1 / (n + 2f)) : number + (1 / (n + 3f)),
            double number => number > 0.5 ? number - (1 / (n + 2.0)) : number + (1 / (n + 3.0)),
            int number => number + 1,
            _ => value,
        };

    private static List<object> Values(ExperimentConfig config)
    {
        List<object> values = [];
        Visit(config, (owner, property) => values.Add(property.GetValue(owner)!));
        return values;
    }

    private static void Visit(object record, Action<object, PropertyInfo> leaf)
    {
        foreach (
            var property in record
                .GetType()
                .GetProperties()
                .Where(property => property.CanWrite && !property.IsDefined(typeof(FollowsAttribute)))
        )
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
