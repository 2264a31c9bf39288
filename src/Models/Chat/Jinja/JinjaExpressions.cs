using System.Globalization;

namespace DfPO.Models.Chat.Jinja;

/// <summary>Reads expressions from tokens, with the precedence that Jinja's grammar gives them.</summary>
/// <remarks>One class, because the rules of a grammar call each other.</remarks>
/// <param name="tokens">A template's tokens.</param>
internal sealed class JinjaExpressions(IReadOnlyList<Token> tokens)
{
    private const int DeepestNesting = 100;
    private static readonly string[] s_comparisons = ["==", "!=", "<", "<=", ">", ">="];
    private int _next;
    private int _depth;

    public Token Current => tokens[_next];

    private Token Following => tokens[Math.Min(_next + 1, tokens.Count - 1)];

    public Token Take() => tokens[_next < tokens.Count - 1 ? _next++ : _next];

    public bool TakeName(string name) => Current.IsName(name) && Take() is { };

    public bool TakeOperator(string text) => Current.IsOperator(text) && Take() is { };

    public void Expect(string op)
    {
        if (!TakeOperator(op))
            throw Unexpected($"'{op}'");
    }

    public string ExpectName() => Current.Kind == TokenKind.Name ? Take().Text : throw Unexpected("a name");

    public JinjaException Unexpected(string expected) =>
        JinjaErrors.Fail(
            $"{expected} is expected, not {(Current.Kind is TokenKind.Name or TokenKind.Operator ? $"'{Current.Text}'" : Current.Kind.ToString())}"
        );

    /// <summary>An expression, or a tuple of them without parentheses.</summary>
    /// <param name="bare">Only names and literals are items, as in the targets of assignments.</param>
    /// <param name="parenthesised">The tuple stands in parentheses and may be empty.</param>
    /// <param name="conditional">Whether an item may be of the form <c>a if b else c</c>.</param>
    public Expression Tuple(bool bare = false, bool parenthesised = false, bool conditional = true)
    {
        var items = new List<Expression>();
        var isTuple = false;
        while (!(Current.Kind is TokenKind.VariableEnd or TokenKind.BlockEnd || Current.IsOperator(")") || (bare && Current.IsName("in"))))
        {
            items.Add(
                bare ? Target()
                : conditional ? Expression()
                : Or()
            );
            if (!TakeOperator(","))
                break;
            isTuple = true;
        }
        if (!isTuple && items.Count == 1)
            return items[0];
        return items.Count > 0 || parenthesised ? new TupleLiteral(items) : throw Unexpected("an expression");
    }

    public Expression Expression()
    {
        if (++_depth > DeepestNesting)
            throw JinjaErrors.TooMuch($"expressions nested {DeepestNesting} deep");
        var value = Or();
        while (TakeName("if"))
        {
            var condition = Or();
            value = new Conditional(condition, value, TakeName("else") ? Expression() : null);
        }
        _depth--;
        return value;
    }

    private Expression Or()
    {
        var left = Conjunction();
        while (TakeName("or"))
            left = new Or(left, Conjunction());
        return left;
    }

    public CallSyntax Arguments()
    {
        Expect("(");
        var positional = new List<Expression>();
        var keywords = new List<(string, Expression)>();
        Expression? spread = null,
            spreadKeywords = null;
        while (!TakeOperator(")"))
        {
            if (positional.Count + keywords.Count > 0 || spread is not null || spreadKeywords is not null)
            {
                Expect(",");
                if (TakeOperator(")"))
                    break;
            }
            if (spreadKeywords is not null)
                throw JinjaErrors.Fail("an argument stands after '**'");
            if (TakeOperator("**"))
                spreadKeywords = Expression();
            else if (TakeOperator("*"))
                spread = spread is null ? Expression() : throw JinjaErrors.Fail("two arguments with '*'");
            else if (Current.Kind == TokenKind.Name && Following.IsOperator("="))
            {
                var key = Take().Text;
                Take();
                keywords.Add((key, Expression()));
            }
            else
                positional.Add(
                    keywords.Count == 0 && spread is null
                        ? Expression()
                        : throw JinjaErrors.Fail("a plain argument stands after a named one")
                );
        }
        return new CallSyntax(positional, keywords, spread, spreadKeywords);
    }

    /// <summary>Filters one after the other, over <paramref name="value"/>.</summary>
    public Expression Filters(Expression? value)
    {
        do value = new Filter(value, DottedName(), Current.IsOperator("(") ? Arguments() : CallSyntax.None);
        while (TakeOperator("|"));
        return value;
    }

    private Expression Target()
    {
        if (Current.Kind == TokenKind.Name && Following.IsOperator("."))
        {
            var owner = Take().Text;
            Take();
            return new Attribute(new Name(owner), ExpectName());
        }
        return Primary();
    }

    private Expression Conjunction()
    {
        var left = Negation();
        while (TakeName("and"))
            left = new And(left, Negation());
        return left;
    }

    private Expression Negation()
    {
        var negations = 0;
        while (TakeName("not"))
            negations++;
        var value = Compared();
        for (; negations > 0; negations--)
            value = new Not(value);
        return value;
    }

    private Expression Compared()
    {
        var first = Sum();
        var rest = new List<(string, Expression)>();
        while (true)
        {
            if (Current.Kind == TokenKind.Operator && s_comparisons.Contains(Current.Text))
                rest.Add((Take().Text, Sum()));
            else if (TakeName("in"))
                rest.Add(("in", Sum()));
            else if (Current.IsName("not") && Following.IsName("in"))
            {
                Take();
                Take();
                rest.Add(("not in", Sum()));
            }
            else
                return rest.Count == 0 ? first : new Comparison(first, rest);
        }
    }

    private Expression Sum()
    {
        var left = Joined();
        while (Current.IsOperator("+") || Current.IsOperator("-"))
            left = new Binary(Take().Text, left, Joined());
        return left;
    }

    private Expression Joined()
    {
        var parts = new List<Expression> { Product() };
        while (TakeOperator("~"))
            parts.Add(Product());
        return parts.Count == 1 ? parts[0] : new Concatenation(parts);
    }

    private Expression Product()
    {
        var left = Power();
        while (Current.Kind == TokenKind.Operator && Current.Text is "*" or "/" or "//" or "%")
            left = new Binary(Take().Text, left, Power());
        return left;
    }

    private Expression Power()
    {
        var left = Unary(withFilters: true);
        while (TakeOperator("**"))
            left = new Binary("**", left, Unary(withFilters: true));
        return left;
    }

    private Expression Unary(bool withFilters)
    {
        if (++_depth > DeepestNesting)
            throw JinjaErrors.TooMuch($"expressions nested {DeepestNesting} deep");
        Expression value;
        if (TakeOperator("-"))
            value = new Signed(Unary(withFilters: false), Negative: true);
        else if (TakeOperator("+"))
            value = new Signed(Unary(withFilters: false), Negative: false);
        else
            value = Primary();
        _depth--;
        value = Postfix(value);
        return withFilters ? FiltersAndTests(value) : value;
    }

    private Expression Primary()
    {
        switch (Current.Kind)
        {
            case TokenKind.Name:
                return Take().Text switch
                {
                    "true" or "True" => new Constant(true),
                    "false" or "False" => new Constant(false),
                    "none" or "None" => new Constant(null),
                    var id => new Name(id),
                };
            case TokenKind.Text:
                var text = "";
                while (Current.Kind == TokenKind.Text)
                    text += Take().Text;
                return new Constant(text);
            case TokenKind.Integer:
                return new Constant(long.Parse(Take().Text, CultureInfo.InvariantCulture));
            case TokenKind.Float:
                return new Constant(double.Parse(Take().Text, NumberStyles.Float, CultureInfo.InvariantCulture));
            default:
                if (TakeOperator("("))
                {
                    var value = Tuple(parenthesised: true);
                    Expect(")");
                    return value;
                }
                return TakeOperator("[") ? new ListLiteral(Until("]", Expression))
                    : TakeOperator("{") ? new DictLiteral(Until("}", Pair))
                    : throw Unexpected("an expression");
        }
    }

    private (Expression, Expression) Pair()
    {
        var key = Expression();
        Expect(":");
        return (key, Expression());
    }

    private List<T> Until<T>(string end, Func<T> item)
    {
        var items = new List<T>();
        while (!TakeOperator(end))
        {
            if (items.Count > 0)
            {
                Expect(",");
                if (TakeOperator(end))
                    break;
            }
            items.Add(item());
        }
        return items;
    }

    private Expression Postfix(Expression value)
    {
        while (true)
        {
            if (TakeOperator("."))
                value =
                    Current.Kind == TokenKind.Integer
                        ? new Subscript(value, new Constant(long.Parse(Take().Text, CultureInfo.InvariantCulture)))
                        : new Attribute(value, ExpectName());
            else if (TakeOperator("["))
                value = Subscripted(value);
            else if (Current.IsOperator("("))
                value = new Call(value, Arguments());
            else
                return value;
        }
    }

    private Expression FiltersAndTests(Expression value)
    {
        while (true)
        {
            if (TakeOperator("|"))
                value = Filters(value);
            else if (TakeName("is"))
                value = Tested(value);
            else if (Current.IsOperator("("))
                value = new Call(value, Arguments());
            else
                return value;
        }
    }

    private Expression Tested(Expression value)
    {
        var negated = TakeName("not");
        var name = DottedName();
        var arguments = CallSyntax.None;
        if (Current.IsOperator("("))
            arguments = Arguments();
        else if (Current.IsName("is"))
            throw JinjaErrors.Fail("tests cannot be chained with 'is'");
        else if (
            Current.Kind is TokenKind.Text or TokenKind.Integer or TokenKind.Float
            || Current.IsOperator("[")
            || Current.IsOperator("{")
            || (Current.Kind == TokenKind.Name && Current.Text is not ("else" or "or" or "and"))
        )
            arguments = new CallSyntax([Postfix(Primary())], []);
        var test = new Test(value, name, arguments);
        return negated ? new Not(test) : test;
    }

    private string DottedName()
    {
        var name = ExpectName();
        while (TakeOperator("."))
            name += "." + ExpectName();
        return name;
    }

    private Expression Subscripted(Expression value)
    {
        var keys = new List<Expression>();
        while (!TakeOperator("]"))
        {
            if (keys.Count > 0)
                Expect(",");
            var from = Current.IsOperator(":") ? null : Expression();
            if (!TakeOperator(":"))
            {
                keys.Add(from!);
                continue;
            }
            Expression? Part() => Current.IsOperator(":") || Current.IsOperator("]") || Current.IsOperator(",") ? null : Expression();
            var to = Part();
            var step = TakeOperator(":") ? Part() : null;
            if (keys.Count > 0 || Current.IsOperator(","))
                throw JinjaErrors.NotSupported("a slice of several dimensions");
            Expect("]");
            return new Slice(value, from, to, step);
        }
        return new Subscript(value, keys.Count == 1 ? keys[0] : new TupleLiteral(keys));
    }
}
