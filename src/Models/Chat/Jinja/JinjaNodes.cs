namespace DfPO.Models.Chat.Jinja;

/// <summary>An expression of a template.</summary>
internal abstract record Expression;

internal sealed record Constant(object? Value) : Expression;

internal sealed record Name(string Id) : Expression;

internal sealed record ListLiteral(IReadOnlyList<Expression> Items) : Expression;

internal sealed record TupleLiteral(IReadOnlyList<Expression> Items) : Expression;

internal sealed record DictLiteral(IReadOnlyList<(Expression Key, Expression Value)> Pairs) : Expression;

/// <summary><c>value.name</c>.</summary>
internal sealed record Attribute(Expression Target, string Member) : Expression;

/// <summary><c>value[key]</c>.</summary>
internal sealed record Subscript(Expression Target, Expression Key) : Expression;

/// <summary><c>value[from:to:step]</c>.</summary>
internal sealed record Slice(Expression Target, Expression? From, Expression? To, Expression? Step) : Expression;

internal sealed record Call(Expression Target, CallSyntax Arguments) : Expression;

/// <summary><c>value | name(...)</c>; the value is null where a block's text is meant.</summary>
internal sealed record Filter(Expression? Target, string Id, CallSyntax Arguments) : Expression;

/// <summary><c>value is name(...)</c>.</summary>
internal sealed record Test(Expression Target, string Id, CallSyntax Arguments) : Expression;

/// <summary><c>then if condition else otherwise</c>.</summary>
internal sealed record Conditional(Expression Condition, Expression Then, Expression? Otherwise) : Expression;

internal sealed record And(Expression Left, Expression Right) : Expression;

internal sealed record Or(Expression Left, Expression Right) : Expression;

internal sealed record Not(Expression Operand) : Expression;

/// <summary>A minus or plus in front.</summary>
internal sealed record Signed(Expression Operand, bool Negative) : Expression;

internal sealed record Binary(string Operator, Expression Left, Expression Right) : Expression;

/// <summary>Texts joined by <c>~</c>.</summary>
internal sealed record Concatenation(IReadOnlyList<Expression> Parts) : Expression;

/// <summary>A chain of comparisons, each between neighbours.</summary>
internal sealed record Comparison(Expression First, IReadOnlyList<(string Operator, Expression Operand)> Rest) : Expression;

/// <summary>Arguments as they are written.</summary>
internal sealed record CallSyntax(
    IReadOnlyList<Expression> Positional,
    IReadOnlyList<(string Key, Expression Value)> Keywords,
    Expression? Spread = null,
    Expression? SpreadKeywords = null
)
{
    public static CallSyntax None { get; } = new([], []);
}

/// <summary>A statement of a template.</summary>
/// <param name="Line">Line it begins in.</param>
internal abstract record Statement(int Line);

/// <summary>Text outside of tags.</summary>
internal sealed record Literal(int Line, string Text) : Statement(Line);

/// <summary><c>{{ value }}</c>.</summary>
internal sealed record Output(int Line, Expression Value) : Statement(Line);

internal sealed record If(
    int Line,
    IReadOnlyList<(Expression Condition, IReadOnlyList<Statement> Body)> Branches,
    IReadOnlyList<Statement> Otherwise
) : Statement(Line);

internal sealed record For(
    int Line,
    Expression Target,
    Expression Source,
    Expression? Condition,
    IReadOnlyList<Statement> Body,
    IReadOnlyList<Statement> Otherwise
) : Statement(Line);

/// <summary><c>{% set target = value %}</c>.</summary>
internal sealed record Assignment(int Line, Expression Target, Expression Value) : Statement(Line);

/// <summary><c>{% set target | filter %}...{% endset %}</c>.</summary>
internal sealed record BlockAssignment(int Line, Expression Target, Expression? Filter, IReadOnlyList<Statement> Body) : Statement(Line);

internal sealed record MacroDefinition(int Line, Macro Macro) : Statement(Line);

/// <summary><c>{% with %}</c>, and <c>{% generation %}</c>, which marks what an assistant says: a scope of its own.</summary>
internal sealed record Scoped(int Line, IReadOnlyList<(Expression Target, Expression Value)> Values, IReadOnlyList<Statement> Body)
    : Statement(Line);

/// <summary><c>{% filter name %}...{% endfilter %}</c>.</summary>
internal sealed record FilterBlock(int Line, Expression Filter, IReadOnlyList<Statement> Body) : Statement(Line);

internal sealed record Break(int Line) : Statement(Line);

internal sealed record Continue(int Line) : Statement(Line);

/// <summary>What a macro is, apart from the scope that it stands in.</summary>
internal sealed record Macro(string Id, IReadOnlyList<(string Id, Expression? Default)> Parameters, IReadOnlyList<Statement> Body);
