using System.Text;

namespace DfPO.Models.Chat.Jinja;

/// <summary>Carries out a template's statements. Every step is counted: a template that takes more than any real one is refused.</summary>
internal sealed class JinjaEvaluator
{
    private const int MostSteps = 2_000_000;
    private const int LongestOutput = 1 << 24;
    private const int DeepestNesting = 400;
    private int _steps;
    private int _depth;

    private enum Flow
    {
        Next,
        Break,
        Continue,
    }

    /// <summary>The text of a template.</summary>
    public static string Run(IReadOnlyList<Statement> body, Scope scope)
    {
        var output = new StringBuilder();
        new JinjaEvaluator().Execute(body, scope, output);
        return output.ToString();
    }

    private Flow Execute(IReadOnlyList<Statement> body, Scope scope, StringBuilder output)
    {
        Enter();
        var flow = Run(body, scope, output);
        _depth--;
        return flow;
    }

    private Flow Run(IReadOnlyList<Statement> body, Scope scope, StringBuilder output)
    {
        foreach (var statement in body)
        {
            Step(1);
            try
            {
                if (Execute(statement, scope, output) is var flow && flow != Flow.Next)
                    return flow;
            }
            catch (JinjaException e) when (e.Line == 0)
            {
                e.Line = statement.Line;
                throw;
            }
        }
        return Flow.Next;
    }

    private Flow Execute(Statement statement, Scope scope, StringBuilder output)
    {
        switch (statement)
        {
            case Literal literal:
                Write(output, literal.Text);
                return Flow.Next;
            case Output written:
                Write(output, PythonFormat.Text(Evaluate(written.Value, scope)));
                return Flow.Next;
            case If choice:
                foreach (var (condition, body) in choice.Branches)
                    if (Operators.IsTrue(Evaluate(condition, scope)))
                        return Execute(body, scope, output);
                return Execute(choice.Otherwise, scope, output);
            case For loop:
                Loop(loop, scope, output);
                return Flow.Next;
            case Assignment assignment:
                Assign(assignment.Target, Evaluate(assignment.Value, scope), scope);
                return Flow.Next;
            case BlockAssignment block:
                var text = Captured(block.Body, new Scope(scope));
                Assign(block.Target, block.Filter is null ? text : Filtered(block.Filter, text, scope), scope);
                return Flow.Next;
            case MacroDefinition definition:
                scope[definition.Macro.Id] = new Callable(definition.Macro.Id, arguments => Expand(definition.Macro, scope, arguments));
                return Flow.Next;
            case Scoped scoped:
                var inner = new Scope(scope);
                foreach (var (target, value) in scoped.Values)
                    Assign(target, Evaluate(value, scope), inner);
                return Execute(scoped.Body, inner, output);
            case FilterBlock filtered:
                Write(output, PythonFormat.Text(Filtered(filtered.Filter, Captured(filtered.Body, new Scope(scope)), scope)));
                return Flow.Next;
            case Break:
                return Flow.Break;
            default:
                return Flow.Continue;
        }
    }

    private void Loop(For loop, Scope scope, StringBuilder output)
    {
        var items = Iteration.Over(Evaluate(loop.Source, scope));
        if (loop.Condition is not null)
            items = items.Where(item =>
            {
                Step(1);
                var tested = new Scope(scope);
                Assign(loop.Target, item, tested);
                return Operators.IsTrue(Evaluate(loop.Condition, tested));
            });
        using var state = new LoopState(items);
        var any = false;
        while (state.Next(out var item))
        {
            any = true;
            Step(1);
            var inner = new Scope(scope) { ["loop"] = state };
            Assign(loop.Target, item, inner);
            if (Execute(loop.Body, inner, output) == Flow.Break)
                break;
        }
        if (!any)
            Execute(loop.Otherwise, new Scope(scope), output);
    }

    private string Expand(Macro macro, Scope defined, CallArguments arguments)
    {
        var bound = arguments.Bind(macro.Id, 0, [.. macro.Parameters.Select(p => p.Id)]);
        var scope = new Scope(defined);
        for (var i = 0; i < macro.Parameters.Count; i++)
        {
            var (id, fallback) = macro.Parameters[i];
            scope[id] =
                bound.Has(i) ? bound.Get(i)
                : fallback is null ? new Undefined(id)
                : Evaluate(fallback, scope);
        }
        return Captured(macro.Body, scope);
    }

    private string Captured(IReadOnlyList<Statement> body, Scope scope)
    {
        var output = new StringBuilder();
        Execute(body, scope, output);
        return output.ToString();
    }

    private object? Filtered(Expression filter, string text, Scope scope)
    {
        var applied = (Filter)filter;
        var value = applied.Target is null ? text : Filtered(applied.Target, text, scope);
        return Filters.Apply(applied.Id, value, Arguments(applied.Arguments, scope));
    }

    private static void Assign(Expression target, object? value, Scope scope)
    {
        switch (target)
        {
            case Name name:
                scope[name.Id] = value;
                break;
            case Attribute { Target: Name owner } attribute:
                (
                    scope[owner.Id] as Namespace ?? throw JinjaErrors.Fail($"'{owner.Id}' is no namespace: its members cannot be set")
                ).Members[attribute.Member] = value;
                break;
            case TupleLiteral tuple:
                var items = Iteration.Over(value).Take(tuple.Items.Count + 1).ToArray();
                if (items.Length != tuple.Items.Count)
                    throw JinjaErrors.Fail($"{tuple.Items.Count} names stand for another number of values");
                for (var i = 0; i < items.Length; i++)
                    Assign(tuple.Items[i], items[i], scope);
                break;
            default:
                throw JinjaErrors.Fail("nothing can be assigned there");
        }
    }

    private object? Evaluate(Expression expression, Scope scope)
    {
        Enter();
        var value = Compute(expression, scope);
        // Whoever takes the value may walk over all of it.
        Step(
            1
                + value switch
                {
                    string text => text.Length / 64,
                    Sequence or NumberRange or PythonDict or DictView => (int)Iteration.Length(value)! / 16,
                    _ => 0,
                }
        );
        _depth--;
        return value;
    }

    private object? Compute(Expression expression, Scope scope)
    {
        switch (expression)
        {
            case Constant constant:
                return constant.Value;
            case Name name:
                return scope[name.Id];
            case ListLiteral list:
                return new PythonList([.. list.Items.Select(item => Evaluate(item, scope))]);
            case TupleLiteral tuple:
                return new PythonTuple([.. tuple.Items.Select(item => Evaluate(item, scope))]);
            case DictLiteral literal:
                var dict = new PythonDict();
                foreach (var (key, value) in literal.Pairs)
                    dict[Evaluate(key, scope) ?? throw JinjaErrors.NotSupported("None as a dictionary's key")] = Evaluate(value, scope);
                return dict;
            case Attribute attribute:
                return Members.Attribute(Evaluate(attribute.Target, scope), attribute.Member);
            case Subscript subscript:
                return Members.Subscript(Evaluate(subscript.Target, scope), Evaluate(subscript.Key, scope));
            case Slice slice:
                object? Bound(Expression? bound) => bound is null ? null : Evaluate(bound, scope);
                return Members.Slice(Evaluate(slice.Target, scope), Bound(slice.From), Bound(slice.To), Bound(slice.Step));
            case Call call:
                return Called(Evaluate(call.Target, scope), call.Arguments, scope);
            case Filter filter:
                return Filters.Apply(filter.Id, Evaluate(filter.Target!, scope), Arguments(filter.Arguments, scope));
            case Test test:
                return Tests.Holds(test.Id, Evaluate(test.Target, scope), Arguments(test.Arguments, scope));
            case Conditional conditional:
                return Operators.IsTrue(Evaluate(conditional.Condition, scope)) ? Evaluate(conditional.Then, scope)
                    : conditional.Otherwise is null ? new Undefined("an 'if' without 'else'")
                    : Evaluate(conditional.Otherwise, scope);
            case And and:
                return Evaluate(and.Left, scope) is var left && Operators.IsTrue(left) ? Evaluate(and.Right, scope) : left;
            case Or or:
                return Evaluate(or.Left, scope) is var first && Operators.IsTrue(first) ? first : Evaluate(or.Right, scope);
            case Not not:
                return !Operators.IsTrue(Evaluate(not.Operand, scope));
            case Signed signed:
                return Operators.Signed(Evaluate(signed.Operand, scope), signed.Negative);
            case Binary binary:
                return Operators.Binary(binary.Operator, Evaluate(binary.Left, scope), Evaluate(binary.Right, scope));
            case Concatenation concatenation:
                var parts = concatenation.Parts.Select(part => Evaluate(part, scope)).ToArray();
                return parts.Any(part => part is Markup)
                    ? throw JinjaErrors.NotSupported("'~' with a text marked as safe")
                    : TextMethods.Join("", parts.Select(PythonFormat.Text));
            default:
                return Compared((Comparison)expression, scope);
        }
    }

    private bool Compared(Comparison comparison, Scope scope)
    {
        var left = Evaluate(comparison.First, scope);
        foreach (var (op, operand) in comparison.Rest)
        {
            var right = Evaluate(operand, scope);
            Step((int)Math.Min(1 << 20, right is Sequence sequence ? sequence.Items.Count : 0));
            if (!Operators.Compare(op, left, right))
                return false;
            left = right;
        }
        return true;
    }

    private object? Called(object? target, CallSyntax syntax, Scope scope)
    {
        var arguments = Arguments(syntax, scope);
        return target switch
        {
            Callable callable => callable.Invoke(arguments),
            Undefined undefined => throw JinjaErrors.Fail($"'{undefined.What}' is undefined and cannot be called"),
            LoopState => throw JinjaErrors.NotSupported("a recursive loop"),
            _ => throw JinjaErrors.Fail($"{Operators.TypeName(target)} cannot be called"),
        };
    }

    private CallArguments Arguments(CallSyntax syntax, Scope scope)
    {
        if (syntax == CallSyntax.None)
            return new CallArguments([], new Dictionary<string, object?>());
        List<object?> positional = [.. syntax.Positional.Select(item => Evaluate(item, scope))];
        var keywords = new Dictionary<string, object?>();
        foreach (var (key, value) in syntax.Keywords)
            if (!keywords.TryAdd(key, Evaluate(value, scope)))
                throw JinjaErrors.Fail($"the argument '{key}' is given twice");
        if (syntax.Spread is not null)
            positional.AddRange(Iteration.Over(Evaluate(syntax.Spread, scope)));
        if (syntax.SpreadKeywords is not null)
            foreach (
                var (key, value) in (
                    Evaluate(syntax.SpreadKeywords, scope) as PythonDict ?? throw JinjaErrors.Fail("'**' needs a dictionary")
                ).Pairs
            )
                if (!keywords.TryAdd(Operators.ToText(key), value))
                    throw JinjaErrors.Fail($"the argument '{key}' is given twice");
        return new CallArguments(positional, keywords);
    }

    private void Write(StringBuilder output, string text)
    {
        Step(text.Length / 64);
        if (output.Length + text.Length > LongestOutput)
            throw JinjaErrors.TooMuch("a text of millions of characters");
        output.Append(text);
    }

    private void Enter()
    {
        if (++_depth > DeepestNesting)
            throw JinjaErrors.TooMuch($"statements, expressions and macros {DeepestNesting} deep");
    }

    private void Step(int count)
    {
        if ((_steps += count) > MostSteps)
            throw JinjaErrors.TooMuch($"{MostSteps} steps");
    }
}
