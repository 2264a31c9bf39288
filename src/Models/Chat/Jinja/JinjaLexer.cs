using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace DfPO.Models.Chat.Jinja;

/// <summary>
/// Cuts a template into tokens, with blocks trimmed as transformers sets Jinja up: <c>trim_blocks</c>, <c>lstrip_blocks</c>, and one
/// newline at the end dropped.
/// </summary>
/// <remarks>Source: the template documentation of Jinja 3.1 (whitespace control, literals), checked against Jinja 3.1.6.</remarks>
internal sealed partial class JinjaLexer
{
    private const string Space = @"[\s\x1c-\x1f]";
    private static readonly string[] s_operators =
    [
        "//",
        "**",
        "==",
        "!=",
        ">=",
        "<=",
        .. "+-*/%~[](){}><=.:|,;".Select(c => c.ToString()),
    ];
    private readonly string _source;
    private readonly List<Token> _tokens = [];
    private int _position;
    private int _line = 1;
    private int _counted;

    private JinjaLexer(string source) => _source = source;

    /// <summary>The tokens of a template; the last is <see cref="TokenKind.End"/>.</summary>
    /// <exception cref="JinjaException">A tag or literal that Jinja does not know.</exception>
    public static List<Token> Read(string template)
    {
        var source = template.Replace("\r\n", "\n").Replace('\r', '\n');
        var lexer = new JinjaLexer(source.EndsWith('\n') ? source[..^1] : source);
        try
        {
            lexer.Run();
        }
        catch (JinjaException e)
        {
            e.Line = lexer.LineAt(lexer._position);
            throw;
        }
        return lexer._tokens;
    }

    private void Run()
    {
        var lineStarting = true;
        while (_position < _source.Length)
        {
            var begin = Opening().Match(_source, _position);
            if (!begin.Success)
            {
                Add(TokenKind.Data, _source[_position..]);
                _position = _source.Length;
                break;
            }
            AddData(begin, lineStarting);
            _position = begin.Index + begin.Length;
            if (begin.Groups["raw"].Success)
                Raw();
            else if (begin.Groups["tag"].Value == "{#")
                Take(CommentEnd(), "a comment without its '#}'");
            else
                Tag(begin.Groups["tag"].Value == "{%");
            lineStarting = _source[_position - 1] == '\n';
        }
        Add(TokenKind.End, "");
    }

    /// <summary>The text before a tag, stripped as the tag's sign or <c>lstrip_blocks</c> says.</summary>
    private void AddData(Match tag, bool lineStarting)
    {
        var text = _source[_position..tag.Index];
        var sign = tag.Groups["sign"].Value;
        if (sign == "-")
            text = PythonText.StripEnd(text);
        else if (sign != "+" && tag.Groups["tag"].Value != "{{")
        {
            var lineStart = text.LastIndexOf('\n') + 1;
            if ((lineStart > 0 || lineStarting) && PythonText.Strip(text[lineStart..]).Length == 0)
                text = text[..lineStart];
        }
        if (text.Length > 0)
            Add(TokenKind.Data, text);
    }

    private void Raw()
    {
        var (start, lineStarting) = (_position, _source[_position - 1] == '\n');
        var end = RawEnd().Match(_source, start);
        if (!end.Success)
            throw JinjaErrors.Fail("a raw block without its endraw");
        AddData(end, lineStarting);
        _position = end.Index + end.Length;
    }

    /// <summary>The tokens inside <c>{{ }}</c> or <c>{% %}</c>. A tag's end counts only where all brackets are closed.</summary>
    private void Tag(bool block)
    {
        Add(block ? TokenKind.BlockBegin : TokenKind.VariableBegin, "");
        var brackets = new Stack<char>();
        while (true)
        {
            if (brackets.Count == 0 && (block ? BlockEnd() : VariableEnd()).Match(_source, _position) is { Success: true } end)
            {
                Add(block ? TokenKind.BlockEnd : TokenKind.VariableEnd, "");
                _position += end.Length;
                return;
            }
            if (_position >= _source.Length)
                throw JinjaErrors.Fail(block ? "a block without its '%}'" : "an expression without its '}}'");
            var spaces = Spaces().Match(_source, _position).Length;
            if (spaces > 0)
                _position += spaces;
            else
                Literal(brackets);
        }
    }

    private void Literal(Stack<char> brackets)
    {
        if (FloatNumber().Match(_source, _position) is { Success: true } real && !(_position > 0 && _source[_position - 1] == '.'))
            Add(TokenKind.Float, real.Value.Replace("_", ""), real.Length);
        else if (IntegerNumber().Match(_source, _position) is { Success: true } whole)
            Add(TokenKind.Integer, Whole(whole.Value.Replace("_", "")), whole.Length);
        else if (NameWord().Match(_source, _position) is { Success: true } name)
            Add(
                TokenKind.Name,
                char.IsDigit(name.Value[0]) ? throw JinjaErrors.Fail($"'{name.Value}' is no name") : name.Value,
                name.Length
            );
        else if (Quoted().Match(_source, _position) is { Success: true } quoted)
            Add(TokenKind.Text, Unescape(quoted.Value[1..^1]), quoted.Length);
        else if (s_operators.FirstOrDefault(o => string.CompareOrdinal(_source, _position, o, 0, o.Length) == 0) is { } op)
        {
            Balance(brackets, op);
            Add(TokenKind.Operator, op, op.Length);
        }
        else
            throw JinjaErrors.Fail($"unexpected character '{_source[_position]}'");
    }

    private static void Balance(Stack<char> brackets, string op)
    {
        if (op is "{" or "(" or "[")
            brackets.Push(
                op switch
                {
                    "{" => '}',
                    "(" => ')',
                    _ => ']',
                }
            );
        else if (op is "}" or ")" or "]" && (!brackets.TryPop(out var expected) || expected != op[0]))
            throw JinjaErrors.Fail($"unexpected '{op}'");
    }

    private static string Whole(string digits)
    {
        try
        {
            return (digits.Length > 2 ? char.ToLowerInvariant(digits[1]) : ' ') switch
            {
                'x' => long.Parse(digits.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)
                    .ToString(CultureInfo.InvariantCulture),
                'b' => Convert.ToInt64(digits[2..], 2).ToString(CultureInfo.InvariantCulture),
                'o' => Convert.ToInt64(digits[2..], 8).ToString(CultureInfo.InvariantCulture),
                _ => long.Parse(digits, CultureInfo.InvariantCulture).ToString(CultureInfo.InvariantCulture),
            };
        }
        catch (OverflowException)
        {
            throw JinjaErrors.TooMuch($"the number {digits}");
        }
    }

    /// <summary>A string literal's escapes, as Python reads them: an unknown one stays as it is written.</summary>
    private static string Unescape(string text)
    {
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
            {
                result.Append(text[i]);
                continue;
            }
            var escape = text[++i];
            var plain = "\n\\'\"abfnrtv".IndexOf(escape);
            if (plain == 0)
                continue;
            if (plain > 0)
                result.Append("\n\\'\"\a\b\f\n\r\t\v"[plain]);
            else if (escape is 'x' or 'u' or 'U')
                i += Coded(
                    result,
                    text,
                    i + 1,
                    escape switch
                    {
                        'x' => 2,
                        'u' => 4,
                        _ => 8,
                    }
                );
            else if (escape is >= '0' and <= '7')
            {
                var digits = text.Skip(i).Take(3).TakeWhile(c => c is >= '0' and <= '7').Count();
                result.Append((char)Convert.ToInt32(text.Substring(i, digits), 8));
                i += digits - 1;
            }
            else if (escape is 'N' || escape > '\x7f')
                throw JinjaErrors.NotSupported($"the escape '\\{escape}' in a string");
            else
                result.Append('\\').Append(escape);
        }
        return result.ToString();
    }

    private static int Coded(StringBuilder result, string text, int start, int digits)
    {
        if (
            start + digits > text.Length
            || !uint.TryParse(text.AsSpan(start, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code)
            || code > 0x10FFFF
        )
            throw JinjaErrors.Fail("a string has a broken escape");
        if (code is >= 0xD800 and < 0xE000)
            throw JinjaErrors.NotSupported("half a surrogate pair in a string");
        result.Append(char.ConvertFromUtf32((int)code));
        return digits;
    }

    private void Take(Regex end, string missing)
    {
        var match = end.Match(_source, _position);
        if (!match.Success)
            throw JinjaErrors.Fail(missing);
        _position = match.Index + match.Length;
    }

    private void Add(TokenKind kind, string text, int length = 0)
    {
        _tokens.Add(new Token(kind, text, LineAt(_position)));
        _position += length;
    }

    private int LineAt(int position)
    {
        for (; _counted < position; _counted++)
            if (_source[_counted] == '\n')
                _line++;
        return _line;
    }

    [GeneratedRegex(
        @"(?<raw>(?<tag>\{%)(?<sign>[-+]?)" + Space + "*raw" + Space + "*(?:-%}" + Space + @"*|%}))|(?<tag>\{[%{#])(?<sign>[-+]?)"
    )]
    private static partial Regex Opening();

    [GeneratedRegex(@"(?<tag>\{%)(?<sign>[-+]?)" + Space + "*endraw" + Space + @"*(?:\+%}|-%}" + Space + @"*|%}\n?)")]
    private static partial Regex RawEnd();

    [GeneratedRegex(@"\+\#}|-\#}" + Space + @"*|\#}\n?")]
    private static partial Regex CommentEnd();

    [GeneratedRegex(@"\G(?:\+%}|-%}" + Space + @"*|%}\n?)")]
    private static partial Regex BlockEnd();

    [GeneratedRegex(@"\G(?:-}}" + Space + "*|}})")]
    private static partial Regex VariableEnd();

    [GeneratedRegex(@"\G" + Space + "*")]
    private static partial Regex Spaces();

    [GeneratedRegex(@"\G(?:[0-9]+_)*[0-9]+(?:(?:\.(?:[0-9]+_)*[0-9]+)?[eE][+-]?(?:[0-9]+_)*[0-9]+|\.(?:[0-9]+_)*[0-9]+)")]
    private static partial Regex FloatNumber();

    [GeneratedRegex(@"\G(?:0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0[xX](?:_?[0-9a-fA-F])+|[1-9](?:_?[0-9])*|0(?:_?0)*)")]
    private static partial Regex IntegerNumber();

    [GeneratedRegex(@"\G\w+")]
    private static partial Regex NameWord();

    [GeneratedRegex(@"\G(?:'[^'\\]*(?:\\.[^'\\]*)*'|""[^""\\]*(?:\\.[^""\\]*)*"")", RegexOptions.Singleline)]
    private static partial Regex Quoted();
}
