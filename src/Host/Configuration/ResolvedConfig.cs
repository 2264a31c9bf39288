using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using DfPO.Actors.Configuration;

namespace DfPO.Host.Configuration;

/// <summary>
/// A configuration with every key spelt out, as HOCON that reads back as the same records (but for white space at the ends of a text, which
/// the parser drops).
/// </summary>
public static class ResolvedConfig
{
    /// <summary>The text.</summary>
    public static string Write(ExperimentConfig config)
    {
        var text = new StringBuilder();
        Write(text, config, "");
        return text.ToString();
    }

    /// <summary>SHA-256 of the text, in hex.</summary>
    public static string Digest(ExperimentConfig config) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Write(config))));

    private static void Write(StringBuilder text, object record, string indent)
    {
        foreach (var property in OptionSchema.Properties(record.GetType()).Where(property => !property.IsDefined(typeof(FollowsAttribute))))
        {
            var (name, value) = (Kebab.Of(property.Name), property.GetValue(record));
            if (value is null)
                continue; // A record that is absent: there is nothing to spell out.
            if (OptionValues.IsScalar(property.PropertyType))
                text.Append(indent).Append(name).Append(" = ").Append(OptionValues.Write(value)).Append('\n');
            else if (!OptionSchema.IsSection(property.PropertyType))
                text.Append(indent)
                    .Append(name)
                    .Append(" = [")
                    .AppendJoin(", ", ((System.Collections.IEnumerable)value).Cast<object>().Select(OptionValues.Write))
                    .Append("]\n");
            else
            {
                text.Append(indent).Append(name).Append(" {\n");
                Write(text, value, indent + "  ");
                text.Append(indent).Append("}\n");
            }
        }
    }
}
