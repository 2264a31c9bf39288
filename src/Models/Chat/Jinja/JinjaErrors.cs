namespace DfPO.Models.Chat.Jinja;

/// <summary>The ways in which a template ends without a text.</summary>
internal static class JinjaErrors
{
    /// <summary>What fails in Jinja too: a syntax error, an undefined name's attribute, a value of the wrong type.</summary>
    public const string Failed = "chat/template";

    /// <summary>The template itself refuses its input, by <c>raise_exception</c>.</summary>
    public const string Refused = "chat/refused";

    /// <summary>A part of Jinja that is not understood here.</summary>
    public const string Unsupported = "chat/unsupported";

    /// <summary>A template that takes more steps or memory than any real one.</summary>
    public const string Limit = "chat/limit";

    /// <summary>See <see cref="Failed"/>.</summary>
    public static JinjaException Fail(string why) => new(Failed, why);

    /// <summary>See <see cref="Unsupported"/>.</summary>
    public static JinjaException NotSupported(string what) => new(Unsupported, $"{what} is not supported");

    /// <summary>See <see cref="Limit"/>.</summary>
    public static JinjaException TooMuch(string what) => new(Limit, $"{what}: a template for chats needs less");
}

/// <summary>A failure inside a template, before file and line are known.</summary>
/// <param name="code">One of <see cref="JinjaErrors"/>.</param>
/// <param name="why">What is wrong, without a full stop.</param>
internal sealed class JinjaException(string code, string why) : Exception(why)
{
    public string Code { get; } = code;

    /// <summary>Line of the template, once a statement or token has claimed it; 0 before.</summary>
    public int Line { get; set; }
}
