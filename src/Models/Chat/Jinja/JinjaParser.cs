namespace DfPO.Models.Chat.Jinja;

/// <summary>Reads the statements of a template.</summary>
/// <remarks>
/// Source: the template documentation of Jinja 3.1 and, for break, continue and generation, transformers' chat templates.
/// </remarks>
internal sealed class JinjaParser
{
    private const int DeepestNesting = 100;
    private static readonly string[] s_unsupported =
    [
        "include",
        "import",
        "from",
        "extends",
        "block",
        "call",
        "autoescape",
        "trans",
        "do",
        "debug",
    ];
    private readonly JinjaExpressions _tokens;
    private int _loops;
    private int _depth;

    private JinjaParser(IReadOnlyList<Token> tokens) => _tokens = new JinjaExpressions(tokens);

    /// <summary>The statements of a whole template.</summary>
    /// <exception cref="JinjaException">What Jinja refuses, or what is not supported here.</exception>
    public static IReadOnlyList<Statement> Read(string template)
    {
        var parser = new JinjaParser(JinjaLexer.Read(template));
        try
        {
            var body = parser.Body();
            return parser._tokens.Current.Kind == TokenKind.End ? body : throw parser._tokens.Unexpected("a statement");
        }
        catch (JinjaException e) when (e.Line == 0)
        {
            e.Line = parser._tokens.Current.Line;
            throw;
        }
    }

    /// <summary>Statements up to a tag that ends them, whose name is the next token then; or to the template's end.</summary>
    private List<Statement> Body(params string[] ends)
    {
        if (++_depth > DeepestNesting)
            throw JinjaErrors.TooMuch($"statements nested {DeepestNesting} deep");
        var body = new List<Statement>();
        while (true)
        {
            var token = _tokens.Current;
            switch (token.Kind)
            {
                case TokenKind.Data:
                    _tokens.Take();
                    body.Add(new Literal(token.Line, token.Text));
                    break;
                case TokenKind.VariableBegin:
                    _tokens.Take();
                    body.Add(new Output(token.Line, _tokens.Tuple()));
                    Close(TokenKind.VariableEnd);
                    break;
                case TokenKind.BlockBegin:
                    _tokens.Take();
                    if (_tokens.Current.Kind == TokenKind.Name && ends.Contains(_tokens.Current.Text))
                    {
                        _depth--;
                        return body;
                    }
                    body.Add(Statement(token.Line));
                    Close(TokenKind.BlockEnd);
                    break;
                default:
                    if (ends.Length > 0)
                        throw JinjaErrors.Fail($"the template ends before '{ends[^1]}'");
                    return body;
            }
        }
    }

    private Statement Statement(int line) =>
        _tokens.ExpectName() switch
        {
            "if" => Branches(line),
            "for" => Loop(line),
            "set" => Set(line),
            "macro" => Macro(line),
            "with" => With(line),
            "filter" => Filtered(line),
            "generation" => new Scoped(line, [], Within("endgeneration")),
            "print" => new Output(line, _tokens.Expression()),
            "break" => _loops > 0 ? new Break(line) : throw JinjaErrors.Fail("'break' stands outside of a loop"),
            "continue" => _loops > 0 ? new Continue(line) : throw JinjaErrors.Fail("'continue' stands outside of a loop"),
            var name when s_unsupported.Contains(name) => throw JinjaErrors.NotSupported($"the tag '{name}'"),
            var name => throw JinjaErrors.Fail($"unknown tag '{name}'"),
        };

    private If Branches(int line)
    {
        var branches = new List<(Expression, IReadOnlyList<Statement>)>();
        while (true)
        {
            var condition = _tokens.Tuple(conditional: false);
            Close(TokenKind.BlockEnd);
            branches.Add((condition, Body("elif", "else", "endif")));
            if (_tokens.TakeName("elif"))
                continue;
            if (_tokens.TakeName("endif"))
                return new If(line, branches, []);
            _tokens.Take();
            Close(TokenKind.BlockEnd);
            var otherwise = Body("endif");
            _tokens.Take();
            return new If(line, branches, otherwise);
        }
    }

    private For Loop(int line)
    {
        var target = Assignable(_tokens.Tuple(bare: true), attributes: false);
        if (target is Name { Id: "loop" })
            throw JinjaErrors.Fail("a loop cannot assign to 'loop'");
        if (!_tokens.TakeName("in"))
            throw _tokens.Unexpected("'in'");
        var source = _tokens.Tuple(conditional: false);
        var condition = _tokens.TakeName("if") ? _tokens.Expression() : null;
        if (_tokens.Current.IsName("recursive"))
            throw JinjaErrors.NotSupported("a recursive loop");
        Close(TokenKind.BlockEnd);
        _loops++;
        var body = Body("else", "endfor");
        _loops--;
        if (_tokens.TakeName("endfor"))
            return new For(line, target, source, condition, body, []);
        _tokens.Take();
        return new For(line, target, source, condition, body, Within("endfor"));
    }

    private Statement Set(int line)
    {
        var target = Assignable(_tokens.Tuple(bare: true), attributes: true);
        if (_tokens.TakeOperator("="))
            return new Assignment(line, target, _tokens.Tuple());
        var filter = _tokens.TakeOperator("|") ? _tokens.Filters(null) : null;
        return new BlockAssignment(line, target, filter, Within("endset"));
    }

    private MacroDefinition Macro(int line)
    {
        var name = _tokens.ExpectName();
        var parameters = new List<(string, Expression?)>();
        _tokens.Expect("(");
        while (!_tokens.TakeOperator(")"))
        {
            if (parameters.Count > 0)
                _tokens.Expect(",");
            var parameter = _tokens.ExpectName();
            if (_tokens.TakeOperator("="))
                parameters.Add((parameter, _tokens.Expression()));
            else
                parameters.Add(
                    (
                        parameter,
                        parameters.Any(p => p.Item2 is not null)
                            ? throw JinjaErrors.Fail("a parameter without a default stands after one with")
                            : null
                    )
                );
        }
        var loops = _loops;
        _loops = 0;
        var body = Within("endmacro");
        _loops = loops;
        return new MacroDefinition(line, new Macro(name, parameters, body));
    }

    private Scoped With(int line)
    {
        var values = new List<(Expression, Expression)>();
        while (_tokens.Current.Kind != TokenKind.BlockEnd)
        {
            if (values.Count > 0)
                _tokens.Expect(",");
            var target = new Name(_tokens.ExpectName());
            _tokens.Expect("=");
            values.Add((target, _tokens.Expression()));
        }
        return new Scoped(line, values, Within("endwith"));
    }

    private FilterBlock Filtered(int line)
    {
        var filter = _tokens.Filters(null);
        return new FilterBlock(line, filter, Within("endfilter"));
    }

    /// <summary>The rest of a tag, a body and the name of the tag that ends it.</summary>
    private List<Statement> Within(string end)
    {
        Close(TokenKind.BlockEnd);
        var body = Body(end);
        _tokens.Take();
        return body;
    }

    private void Close(TokenKind kind)
    {
        if (_tokens.Take().Kind != kind)
            throw JinjaErrors.Fail(
                kind == TokenKind.BlockEnd ? "a tag holds more than Jinja allows there" : "an expression holds more than Jinja allows there"
            );
    }

    private static Expression Assignable(Expression target, bool attributes) =>
        target switch
        {
            Name => target,
            Attribute when attributes => target,
            TupleLiteral tuple when tuple.Items.All(item => item is Name || (attributes && item is Attribute)) => target,
            TupleLiteral tuple => new TupleLiteral([.. tuple.Items.Select(item => Assignable(item, attributes))]),
            _ => throw JinjaErrors.Fail("nothing can be assigned there"),
        };
}
