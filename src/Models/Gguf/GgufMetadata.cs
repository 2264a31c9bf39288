namespace DfPO.Models.Gguf;

/// <summary>Typed reads from a GGUF file's metadata, each with an error that names file and field.</summary>
/// <param name="path">The file.</param>
/// <param name="values">Values by key: long, double, bool, string, or an array of these.</param>
public sealed class GgufMetadata(string path, IReadOnlyDictionary<string, object> values)
{
    /// <summary>All keys.</summary>
    public IEnumerable<string> Keys => values.Keys;

    /// <summary>Whether a key is there.</summary>
    public bool Has(string key) => values.ContainsKey(key);

    /// <summary>A whole number; null when absent.</summary>
    public long? Integer(string key) =>
        Find(key) switch
        {
            null => null,
            long number => number,
            _ => throw Wrong(key, "a whole number"),
        };

    /// <summary>A whole number from 1 to 2^31.</summary>
    public int Positive(string key) => OptionalPositive(key) ?? throw Wrong(key, "there");

    /// <summary>A whole number from 1 to 2^31; null when absent.</summary>
    public int? OptionalPositive(string key) =>
        Integer(key) is not { } number ? null
        : number is > 0 and <= int.MaxValue ? (int)number
        : throw Wrong(key, "a whole number of at least 1");

    /// <summary>A finite number; null when absent.</summary>
    public double? Number(string key) =>
        Find(key) switch
        {
            null => null,
            double number when double.IsFinite(number) => number,
            long number => number,
            _ => throw Wrong(key, "a number"),
        };

    /// <summary>A truth value; null when absent.</summary>
    public bool? Flag(string key) =>
        Find(key) switch
        {
            null => null,
            bool flag => flag,
            _ => throw Wrong(key, "true or false"),
        };

    /// <summary>A text; null when absent.</summary>
    public string? Text(string key) =>
        Find(key) switch
        {
            null => null,
            string text => text,
            _ => throw Wrong(key, "a text"),
        };

    /// <summary>A list of texts; null when absent.</summary>
    public string[]? Texts(string key) => Items<string>(key, "a list of texts");

    /// <summary>A list of whole numbers; null when absent.</summary>
    public long[]? Integers(string key) => Items<long>(key, "a list of whole numbers");

    /// <summary>A list of numbers; null when absent.</summary>
    public double[]? Numbers(string key) => Items<double>(key, "a list of numbers");

    internal DfpoException Wrong(string key, string expected) => new("gguf/field", $"'{path}': metadata field '{key}' must be {expected}.");

    private T[]? Items<T>(string key, string expected) =>
        Find(key) switch
        {
            null => null,
            object[] items when items.All(item => item is T) => [.. items.Cast<T>()],
            _ => throw Wrong(key, expected),
        };

    private object? Find(string key) => values.GetValueOrDefault(key);
}
