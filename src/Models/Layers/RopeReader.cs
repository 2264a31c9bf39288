namespace DfPO.Models.Layers;

/// <summary>
/// Reads the rotation of a <c>config.json</c> in the spelling of transformers 4 (<c>rope_theta</c>, <c>rope_scaling</c>) or 5
/// (<c>rope_parameters</c>).
/// </summary>
/// <param name="fields">The file's fields.</param>
/// <param name="headSize">Size of a head.</param>
/// <param name="positions">The file's <c>max_position_embeddings</c>.</param>
internal sealed class RopeReader(HfConfigReader fields, int headSize, int positions)
{
    private const string New = "rope_parameters";
    private const string Old = "rope_scaling";

    /// <summary>Base where the file has none.</summary>
    public double DefaultTheta { get; init; } = 10000;

    /// <summary>Share of a head's channels that turn, where the file has none.</summary>
    public double DefaultPartial { get; init; } = 1;

    /// <summary>Old name of the base.</summary>
    public string ThetaName { get; init; } = "rope_theta";

    /// <summary>Old name of the share; null where the architecture turns all.</summary>
    public string? PartialName { get; init; }

    /// <summary>
    /// Context of pre-training where the section has none; <see cref="OriginalWins"/> says whether it wins over the section's.
    /// </summary>
    public int? Original { get; init; }

    /// <summary>Whether <see cref="Original"/> wins over the one in the section (Phi-3).</summary>
    public bool OriginalWins { get; init; }

    /// <summary>Whether the names <c>su</c> and <c>yarn</c> stand for <c>longrope</c> (Phi-3).</summary>
    public bool NamesOfLongRope { get; init; }

    /// <summary>The rotation of a file with one for all layers.</summary>
    /// <exception cref="DfpoException"><c>config/field</c> or <c>config/unknown-field</c>.</exception>
    public RopeSpec Read()
    {
        // With both there, transformers 5 takes the old section, and then the old base, unless it is null.
        var old = fields.Section(Old);
        var section = fields.Has(New) && old is null ? fields.Section(New) : old;
        fields.Has(ThetaName);
        var theta = (old is null ? section?.OptionalNumber("rope_theta") : old.OptionalNumber("rope_theta"))
            ?? fields.PositiveNumber(ThetaName, DefaultTheta);
        var named = PartialName is null ? null : fields.OptionalNumber(PartialName);
        var partial = (PartialName is null ? null : section?.OptionalNumber("partial_rotary_factor")) ?? named ?? DefaultPartial;
        return Spec(section, old is null ? New : Old, theta, partial);
    }

    /// <summary>The rotation that one section describes.</summary>
    /// <param name="section">The section; null for a plain rotation.</param>
    /// <param name="name">Its name, for errors.</param>
    /// <param name="theta">Base.</param>
    /// <param name="partial">Share of the channels that turn.</param>
    public RopeSpec Spec(HfConfigReader? section, string name, double theta, double partial = 1)
    {
        var dimensions = (int)(headSize * partial);
        if (!(theta > 0) || !(partial is > 0 and <= 1) || dimensions < 2 || dimensions % 2 != 0)
            throw fields.Wrong(
                name,
                $"a rotation with a base above 0 of an even number of channels, of the {headSize} that a head has: theta is {theta}, and {dimensions} channels turn"
            );
        var scaling = section is null ? RopeScaling.None : Scaling(section, dimensions, name);
        // What this type does not use may stand there all the same: the base and the share have been read.
        section?.OptionalNumber("rope_theta");
        if (section?.OptionalNumber("partial_rotary_factor") is { } other && other != partial)
            throw section.Wrong("partial_rotary_factor", $"{partial}: every channel of this architecture's heads turns");
        section?.RefuseUnknown($"{name}.");
        return new RopeSpec(dimensions, theta, scaling);
    }

    private RopeScaling Scaling(HfConfigReader section, int dimensions, string name)
    {
        var (type, old) = (section.Text("rope_type", ""), section.Text("type", ""));
        type =
            type.Length > 0 ? type
            : old.Length > 0 ? old
            : "default";
        if (NamesOfLongRope && type is "su" or "yarn")
            type = "longrope";
        var original = section.OptionalPositive("original_max_position_embeddings");
        original = OriginalWins ? Original ?? original : original ?? Original;
        switch (type)
        {
            case "default":
                return RopeScaling.None;
            case "linear":
                return new LinearScaling(section.PositiveNumber("factor"), positions);
            case "dynamic" when dimensions > 2:
                return new DynamicScaling(section.PositiveNumber("factor"), positions);
            case "yarn":
                return Yarn(section, original ?? positions);
            case "llama3":
                var (low, high) = (section.PositiveNumber("low_freq_factor"), section.PositiveNumber("high_freq_factor"));
                return high > low
                    ? new Llama3Scaling(section.PositiveNumber("factor"), low, high, original ?? positions)
                    : throw section.Wrong("high_freq_factor", $"above low_freq_factor {low}");
            case "longrope":
                return LongRope(section, dimensions, original ?? positions);
            default:
                throw fields.Wrong(name, "of type default, linear, dynamic, yarn, llama3 or longrope");
        }
    }

    private YarnScaling Yarn(HfConfigReader section, int original)
    {
        var factor = section.OptionalNumber("factor") is null ? positions / (double)original : section.PositiveNumber("factor");
        var (scale, all) = (section.OptionalNumber("mscale"), section.OptionalNumber("mscale_all_dim"));
        var own =
            scale is > 0 and { } one && all is > 0 and { } other
                ? YarnScaling.Magnitude(factor, one) / YarnScaling.Magnitude(factor, other)
                : YarnScaling.Magnitude(factor);
        return new YarnScaling(
            factor,
            original,
            section.PositiveNumber("beta_fast", 32),
            section.PositiveNumber("beta_slow", 1),
            section.Flag("truncate", true),
            section.OptionalNumber("attention_factor") ?? own
        );
    }

    private LongRopeScaling LongRope(HfConfigReader section, int dimensions, int original)
    {
        float[] Factors(string field) =>
            section.PositiveNumbers(field) is var all && all.Length == dimensions / 2
                ? Array.ConvertAll(all, factor => (float)factor)
                : throw section.Wrong(field, $"an array of {dimensions / 2} numbers, one for each pair of channels");
        var factor = section.OptionalNumber("factor") ?? positions / (double)original;
        var own = factor <= 1 ? 1 : Math.Sqrt(1 + (Math.Log(factor) / Math.Log(original)));
        return new LongRopeScaling(
            Factors("short_factor"),
            Factors("long_factor"),
            original,
            section.OptionalNumber("attention_factor") ?? own
        );
    }
}
