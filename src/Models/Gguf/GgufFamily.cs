using System.Text.Json.Nodes;

namespace DfPO.Models.Gguf;

/// <summary>A number of a model's configuration under its two names.</summary>
/// <param name="Key">Key in the file's metadata, without the architecture in front.</param>
/// <param name="Field">Field of <c>config.json</c>.</param>
/// <param name="IsCount">Whether it is a whole number of at least 1.</param>
/// <param name="Default">What it is where the file does not say; null where the file must.</param>
internal sealed record GgufField(string Key, string Field, bool IsCount = true, double? Default = null);

/// <summary>How one family of models stands in GGUF files.</summary>
/// <remarks>Source: the conversion of llama.cpp (tensor names, order of rows), and the specification of GGUF for metadata.</remarks>
/// <param name="Architecture"><c>general.architecture</c>.</param>
/// <param name="ModelType">HF's <c>model_type</c>.</param>
/// <param name="Fields">Numbers of the configuration.</param>
/// <param name="Names">Tensor names in the file and in HF's state dict, without <c>.weight</c> and <c>.bias</c>; <c>{0}</c> is the block's
/// number.</param>
internal sealed record GgufFamily(
    string Architecture,
    string ModelType,
    IReadOnlyList<GgufField> Fields,
    IReadOnlyList<(string File, string Model)> Names
)
{
    /// <summary>Fields of <c>config.json</c> that the architecture implies.</summary>
    public JsonObject Implied { get; init; } = [];

    /// <summary>
    /// Whether rows of queries and keys stand in the order of llama.cpp's rotation, pairs beside each other, instead of HF's.
    /// </summary>
    public bool Interleaves { get; init; }

    /// <summary>Whether queries, keys and values of a fused projection stand one after the other instead of head by head.</summary>
    public bool SeparatesFused { get; init; }

    /// <summary>Names in the file of weights that HF stores transposed.</summary>
    public IReadOnlyList<string> Transposed { get; init; } = [];

    /// <summary>Share of a head that is rotated, where it may be less than all of it; the field of <c>config.json</c>.</summary>
    public string? RotatedShare { get; init; }

    /// <summary>Whether heads may have a size of their own (<c>head_dim</c>).</summary>
    public bool HasHeadSize { get; init; }

    /// <summary>
    /// Whether a tensor may say by how much the frequency of each pair of channels is divided, as llama.cpp writes the scaling of Llama
    /// 3.1.
    /// </summary>
    public bool HasFrequencyFactors { get; init; }

    /// <summary>
    /// Whether the perceptron stands beside attention where it has no norm of its own (<c>use_parallel_residual</c>); the file's flag of
    /// this name may say otherwise, and llama.cpp does not read it.
    /// </summary>
    public bool IsParallelWithoutNorm { get; init; }

    /// <summary>
    /// Field of <c>config.json</c> for biases of attention's projections, set where the file has such tensors; null where the architecture
    /// implies them.
    /// </summary>
    public string? AttentionBias { get; init; }

    /// <summary>The same for the perceptron's projections.</summary>
    public string? PerceptronBias { get; init; }

    /// <summary>Flags of the configuration under their two names, with what they are where the file does not say.</summary>
    public IReadOnlyList<(string Key, string Field, bool Default)> Flags { get; init; } = [];

    /// <summary>Whether a weight in the file is the transpose of HF's.</summary>
    public bool IsTransposed(string file) => Transposed.Any(part => file.EndsWith($".{part}.weight", StringComparison.Ordinal));

    /// <summary>Name in the state dict of a tensor in the file; null when the family has none of this name.</summary>
    public string? ModelName(string file) => Translate(file, names => names.File, names => names.Model);

    /// <summary>Name in the file of a tensor in the state dict; null when the family has none of this name.</summary>
    public string? FileName(string model) => Translate(model, names => names.Model, names => names.File);

    private string? Translate(string name, Func<(string File, string Model), string> from, Func<(string File, string Model), string> to)
    {
        var dot = name.LastIndexOf('.');
        if (dot < 0 || name[dot..] is not (".weight" or ".bias"))
            return null;
        var parts = name[..dot].Split('.');
        foreach (var names in Names)
        {
            var pattern = from(names).Split('.');
            if (
                pattern.Length != parts.Length
                || !pattern.Zip(parts).All(pair => pair.First == pair.Second || (pair.First == "{0}" && IsNumber(pair.Second)))
            )
                continue;
            var block = Array.IndexOf(pattern, "{0}");
            return (block < 0 ? to(names) : to(names).Replace("{0}", parts[block], StringComparison.Ordinal)) + name[dot..];
        }
        return null;
    }

    private static bool IsNumber(string text) =>
        text.Length is > 0 and < 6 && text.All(char.IsAsciiDigit) && (text == "0" || text[0] != '0');
}
