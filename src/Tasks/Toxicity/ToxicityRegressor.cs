using System.Text.Json;
using DfPO.Models;

namespace DfPO.Tasks.Toxicity;

/// <summary>Toxicity of a text by logistic regression on hashed n-grams: small, fast, and with no need of a network. Thread-safe.</summary>
public sealed class ToxicityRegressor
{
    /// <summary>Name of the file in a model's folder.</summary>
    public const string FileName = "toxicity.bin";

    private const string Format = "dfpo-toxicity/1";

    private readonly sbyte[] _weights;
    private readonly float _scale;
    private readonly float _bias;

    private ToxicityRegressor(sbyte[] weights, float scale, float bias) => (_weights, _scale, _bias) = (weights, scale, bias);

    /// <summary>Toxicity in (0, 1): what Perspective's TOXICITY would be.</summary>
    public float Score(string text)
    {
        var (buckets, values) = HashedNgrams.Of(text, _weights.Length);
        var logit = 0f;
        for (var i = 0; i < buckets.Length; i++)
            logit += _weights[buckets[i]] * values[i];
        return 1 / (1 + MathF.Exp(-(_bias + _scale * logit)));
    }

    /// <summary>
    /// Writes the regressor: a line of JSON with format, size, scale and bias, then a signed byte a weight. The file appears whole or not
    /// at all.
    /// </summary>
    public void Save(string path)
    {
        var unfinished = path + ".tmp";
        using (var file = File.Create(unfinished))
        {
            JsonSerializer.Serialize(file, new Header(Format, _weights.Length, _scale, _bias), JsonSerializerOptions.Web);
            file.WriteByte((byte)'\n');
            file.Write(System.Runtime.InteropServices.MemoryMarshal.AsBytes<sbyte>(_weights));
        }
        File.Move(unfinished, path, overwrite: true);
    }

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <param name="path">The file, or its folder.</param>
    /// <exception cref="DfpoException"><c>toxicity/missing</c> or <c>toxicity/malformed</c>.</exception>
    public static ToxicityRegressor Load(string path)
    {
        var file = Directory.Exists(path) ? Path.Combine(path, FileName) : path;
        if (!File.Exists(file))
            throw new DfpoException(
                "toxicity/missing",
                $"Toxicity regressor '{file}' does not exist: name the file that its training wrote."
            );
        var bytes = File.ReadAllBytes(file);
        var end = Array.IndexOf(bytes, (byte)'\n');
        try
        {
            var header = end < 0 ? null : JsonSerializer.Deserialize<Header>(bytes.AsSpan(0, end), JsonSerializerOptions.Web);
            if (
                header is { Format: Format, Buckets: >= 2 }
                && int.IsPow2(header.Buckets)
                && bytes.Length - end - 1 == header.Buckets
                && float.IsFinite(header.Scale)
                && float.IsFinite(header.Bias)
            )
                return new ToxicityRegressor(
                    [.. System.Runtime.InteropServices.MemoryMarshal.Cast<byte, sbyte>(bytes.AsSpan(end + 1))],
                    header.Scale,
                    header.Bias
                );
        }
        catch (JsonException)
        {
            // Told below, with the name of the file.
        }
        throw new DfpoException(
            "toxicity/malformed",
            $"'{file}' is no toxicity regressor, or it is cut off: train it again, or fetch it again."
        );
    }

    internal static ToxicityRegressor FromWeights(float[] weights, float bias)
    {
        // One scale for all; the largest weights are few and matter most, so none is cut.
        var scale = Math.Max(weights.Max(MathF.Abs), float.Epsilon) / sbyte.MaxValue;
        return new ToxicityRegressor([.. weights.Select(weight => (sbyte)MathF.Round(weight / scale))], scale, bias);
    }

    private sealed record Header(string Format, int Buckets, float Scale, float Bias);
}
