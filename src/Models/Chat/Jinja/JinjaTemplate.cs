namespace DfPO.Models.Chat.Jinja;

/// <summary>
/// A template in the part of Jinja that chats are written in, set up as transformers sets it up: blocks trimmed, nothing escaped, nothing
/// outside of it in reach.
/// </summary>
/// <remarks>
/// What is not understood is refused by name. Source: the template documentation of Jinja 3.1; checked against Jinja 3.1.6 and transformers
/// 5.24.
/// </remarks>
internal sealed class JinjaTemplate
{
    private const int Longest = 1 << 20;
    private readonly string _source;
    private readonly IReadOnlyList<Statement> _body;

    private JinjaTemplate(string source, IReadOnlyList<Statement> body) => (_source, _body) = (source, body);

    /// <summary>Reads a template.</summary>
    /// <param name="template">Its text.</param>
    /// <param name="source">Where it came from, for errors.</param>
    /// <exception cref="DfpoException"><c>chat/template</c>, <c>chat/unsupported</c> or <c>chat/limit</c>.</exception>
    public static JinjaTemplate Parse(string template, string source)
    {
        if (template.Length > Longest)
            throw new DfpoException(
                JinjaErrors.Limit,
                $"The chat template of '{source}' has {template.Length} characters: {Longest} are the most that are read."
            );
        try
        {
            return new JinjaTemplate(source, JinjaParser.Read(template));
        }
        catch (JinjaException e)
        {
            throw Located(e, source);
        }
    }

    /// <summary>The text that the template makes of variables.</summary>
    /// <exception cref="DfpoException"><c>chat/refused</c>: the template says so; <c>chat/template</c>: it fails; <c>chat/unsupported</c>
    /// or <c>chat/limit</c>.</exception>
    public string Render(IReadOnlyDictionary<string, object?> variables, TimeProvider clock)
    {
        var globals = new Scope(null);
        foreach (var (id, value) in Globals.Create(clock).Concat(variables))
            globals[id] = value;
        try
        {
            return JinjaEvaluator.Run(_body, new Scope(globals));
        }
        catch (JinjaException e)
        {
            throw Located(e, _source);
        }
    }

    private static DfpoException Located(JinjaException e, string source) =>
        e.Code == JinjaErrors.Refused
            ? new DfpoException(e.Code, $"The chat template of '{source}' refuses the messages: {e.Message}", e)
            : new DfpoException(e.Code, $"The chat template of '{source}', line {e.Line}: {e.Message}.", e);
}
