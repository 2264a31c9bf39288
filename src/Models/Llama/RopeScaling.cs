using System.Text.Json.Nodes;

namespace DfPO.Models.Llama;

/// <summary>Llama 3's stretching of rotary frequencies: slow ones are divided by a factor, fast ones stay, those between are blended.</summary>
/// <param name="Factor">Divisor of slow frequencies, greater than 0.</param>
/// <param name="LowFrequencyFactor">Periods a context, below which a frequency is slow.</param>
/// <param name="HighFrequencyFactor">Periods a context, above which a frequency is fast.</param>
/// <param name="OriginalPositions">Context of pre-training, in tokens.</param>
/// <remarks>Rule as in HF's <c>rope_type</c> <c>llama3</c>.</remarks>
public sealed record RopeScaling(double Factor, double LowFrequencyFactor, double HighFrequencyFactor, int OriginalPositions)
{
    private const string Type = "llama3";

    /// <summary>Parses the section; null when it asks for no scaling.</summary>
    /// <exception cref="DfpoException"><c>config/field</c>.</exception>
    public static RopeScaling? Parse(HfConfigReader fields, string path)
    {
        var type = fields.Text("rope_type", fields.Text("type", "default"));
        return type switch
        {
            "default" => null,
            Type => new RopeScaling(fields.Number("factor", 8), fields.Number("low_freq_factor", 1), fields.Number("high_freq_factor", 4), fields.Positive("original_max_position_embeddings")),
            _ => throw new DfpoException("config/field", $"'{path}': rope_type '{type}' is not supported; 'default' and '{Type}' are."),
        };
    }

    /// <summary>The frequencies stretched.</summary>
    public float[] Apply(float[] frequencies) => Array.ConvertAll(frequencies, frequency =>
    {
        var periods = OriginalPositions * (double)frequency / (2 * Math.PI);
        var fast = Math.Clamp((periods - LowFrequencyFactor) / (HighFrequencyFactor - LowFrequencyFactor), 0, 1);
        return (float)((1 - fast) * frequency / Factor + fast * frequency);
    });

    internal JsonObject ToJson() => new()
    {
        ["rope_type"] = Type,
        ["factor"] = Factor,
        ["low_freq_factor"] = LowFrequencyFactor,
        ["high_freq_factor"] = HighFrequencyFactor,
        ["original_max_position_embeddings"] = OriginalPositions,
    };
}
