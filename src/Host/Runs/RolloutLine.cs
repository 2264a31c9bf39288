using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using DfPO.Actors.Experiments;
using DfPO.Learner;
using DfPO.Models.Policies;

namespace DfPO.Host.Runs;

/// <summary>
/// A training continuation as a JSON line: what lists show of it first, then its tokens, an array a figure. Numbers have four significant
/// digits; one that is not finite is null.
/// </summary>
internal static class RolloutLine
{
    private static readonly JsonWriterOptions s_format = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The lines of an iteration.</summary>
    /// <param name="samples">Its continuations.</param>
    /// <param name="terms">Names of a combined reward's terms.</param>
    /// <param name="pieces">Texts of tokens that are known by now.</param>
    public static byte[] Write(IReadOnlyList<TrainingSample> samples, IReadOnlyList<string> terms, Dictionary<int, string> pieces)
    {
        var buffer = new ArrayBufferWriter<byte>(samples.Count * 1024);
        foreach (var (index, sample) in samples.Index())
        {
            using (var json = new Utf8JsonWriter(buffer, s_format))
                Write(json, index, sample, terms, pieces);
            buffer.Write("\n"u8);
        }
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>The letter of a token's mask: <c>o</c>pen, <c>x</c> shut, <c>s</c>kipped, <c>.</c> untested.</summary>
    public static char Letter(TokenMask mask) =>
        mask switch
        {
            TokenMask.Open => 'o',
            TokenMask.Shut => 'x',
            TokenMask.Skipped => 's',
            _ => '.',
        };

    /// <summary>Share of the token pairs that were there before, in [0, 1].</summary>
    public static double Repetition(int[] tokens) =>
        tokens.Length < 3 ? 0 : 1 - tokens.Zip(tokens.Skip(1)).Distinct().Count() / (double)(tokens.Length - 1);

    private static void Write(
        Utf8JsonWriter json,
        int index,
        TrainingSample sample,
        IReadOnlyList<string> terms,
        Dictionary<int, string> pieces
    )
    {
        var trajectory = sample.Trajectory;
        float[] ratios = [.. trajectory.Logprobs.Zip(trajectory.ReferenceLogprobs, (policy, reference) => policy - reference)];
        var kl = trajectory.StateKl is { Length: > 0 } exact ? exact.Average() : ratios.DefaultIfEmpty(float.NaN).Average();
        json.WriteStartObject();
        json.WriteNumber("index", index);
        Number(json, "reward", trajectory.Reward);
        if (sample.RewardTerms.Count > 0)
        {
            json.WriteStartObject("parts");
            foreach (var (i, score) in sample.RewardTerms.Index())
                Number(json, i < terms.Count ? terms[i] : $"{i + 1}", score);
            json.WriteEndObject();
        }
        Number(json, "kl", kl);
        json.WriteNumber("length", trajectory.Tokens.Length);
        Number(json, "repetition", (float)Repetition(trajectory.Tokens));
        json.WriteString("behaviour", trajectory.Behaviour.Name());
        if (trajectory.WeightsVersion is { } version)
            json.WriteNumber("version", version);
        json.WriteBoolean("finished", !trajectory.Truncated);
        json.WriteString("unit", sample.Unit);
        if (sample.Span != default)
        {
            json.WriteString("trace", sample.Span.TraceId.ToHexString());
            json.WriteString("span", sample.Span.SpanId.ToHexString());
        }
        json.WriteString("id", sample.Prompt.Id);
        json.WriteString("prompt", sample.Prompt.Text);
        json.WriteString("continuation", sample.Continuation);
        json.WriteStartArray("tokens");
        foreach (var token in trajectory.Tokens)
            json.WriteNumberValue(token);
        json.WriteEndArray();
        json.WriteStartArray("pieces");
        foreach (var token in trajectory.Tokens)
            json.WriteStringValue(pieces.TryGetValue(token, out var known) ? known : pieces[token] = sample.Piece(token));
        json.WriteEndArray();
        Numbers(json, "log_ratio", ratios);
        Numbers(json, "state_kl", trajectory.StateKl);
        if (sample.Tokens is { } figures)
        {
            Numbers(json, "advantage", figures.Advantages);
            json.WriteString("mask", string.Create(figures.Masks.Count, figures.Masks, (text, masks) =>
            {
                for (var t = 0; t < text.Length; t++)
                    text[t] = Letter(masks[t]);
            }));
        }
        json.WriteEndObject();
    }

    private static void Number(Utf8JsonWriter json, string name, float value)
    {
        json.WritePropertyName(name);
        Number(json, value);
    }

    private static void Numbers(Utf8JsonWriter json, string name, IReadOnlyList<float> values)
    {
        json.WriteStartArray(name);
        foreach (var value in values)
            Number(json, value);
        json.WriteEndArray();
    }

    private static void Number(Utf8JsonWriter json, float value)
    {
        Span<byte> text = stackalloc byte[16];
        if (float.IsFinite(value) && value.TryFormat(text, out var length, "G4", CultureInfo.InvariantCulture))
            json.WriteRawValue(text[..length], skipInputValidation: true);
        else
            json.WriteNullValue();
    }
}
