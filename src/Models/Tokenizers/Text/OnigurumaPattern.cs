using System.Globalization;
using System.Text;

namespace DfPO.Models.Tokenizers.Text;

/// <summary>A pattern of Oniguruma's (Ruby's) syntax in .NET's, as far as both surely mean the same; the rest is refused.</summary>
/// <remarks>
/// Translated: nested classes (a union), possessive repetition (an atomic group), <c>{,n}</c>, <c>(?i:)</c> of ASCII letters with the
/// characters that fold to them (ſ to s, the Kelvin sign to k). Refused: anchors, <c>\w</c>, <c>\b</c>, <c>\h</c>, POSIX classes,
/// intersections, scripts, back references, flags inside a group, and letters next to each other under <c>(?i:)</c> that one character
/// folds to (ss, ff, fi, fl, st).
/// </remarks>
internal sealed class OnigurumaPattern
{
    private const string Categories = " L Lu Ll Lt Lm Lo N Nd Nl No M Mn Mc Me P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp ";
    private readonly string _pattern;
    private readonly StringBuilder _out = new();
    private readonly List<(char First, char Last)> _named = [];
    private int _at;
    private char _folded;

    private OnigurumaPattern(string pattern) => _pattern = pattern;

    /// <summary>The pattern for .NET.</summary>
    public string DotNet => _out.ToString();

    private char Next => _at < _pattern.Length ? _pattern[_at] : '\0';
    private bool More => _at < _pattern.Length;

    /// <exception cref="FormatException">With what is not understood.</exception>
    public static OnigurumaPattern Parse(string pattern)
    {
        var parsed = new OnigurumaPattern(pattern);
        if (pattern.Length == 0)
            throw parsed.NotKnown("nothing");
        parsed.Alternatives(ignoreCase: false, depth: 0);
        return parsed.More ? throw parsed.NotKnown(")") : parsed;
    }

    /// <summary>Whether the pattern has the character itself or a range that it is in.</summary>
    public bool Names(char character) => _named.Any(range => range.First <= character && character <= range.Last);

    private void Alternatives(bool ignoreCase, int depth)
    {
        if (depth > 50)
            throw NotKnown("groups more than 50 deep");
        _folded = '\0';
        while (More && Next != ')')
        {
            if (Next == '|')
            {
                _out.Append(_pattern[_at++]);
                _folded = '\0';
                continue;
            }
            var start = _out.Length;
            var before = _folded;
            var literal = Atom(ignoreCase, depth);
            _folded = ignoreCase && literal != '\0' ? char.ToLowerInvariant(literal) : '\0';
            if (ignoreCase && (before, _folded) is ('s', 's') or ('f', 'f') or ('f', 'i') or ('f', 'l') or ('s', 't'))
                throw NotKnown($"'{before}{_folded}' under (?i:), which one character may stand for,");
            Quantifier(start);
        }
    }

    /// <summary>One character, class or group.</summary>
    /// <returns>The character, or 0.</returns>
    private char Atom(bool ignoreCase, int depth)
    {
        var character = _pattern[_at++];
        switch (character)
        {
            case '(':
                Group(ignoreCase, depth);
                return '\0';
            case '[':
                _out.Append('[');
                if (Take("^"))
                    _out.Append('^');
                ClassItems(ignoreCase, 0);
                _out.Append(']');
                return '\0';
            case '.':
                _out.Append("[^\\n]");
                return '\0';
            case '\\':
                if (ClassEscape() is { } escape)
                {
                    _out.Append(escape);
                    return '\0';
                }
                character = Escaped();
                break;
            case '^' or '$' or '*' or '+' or '?' or '{' or '}' or ']':
                throw NotKnown(character.ToString());
        }
        var fold = ignoreCase ? Folds(character) : [character];
        Name(character, character);
        _out.Append(fold.Length == 1 ? Literal(character) : $"[{string.Concat(fold.Select(Literal))}]");
        return character;
    }

    private void Group(bool ignoreCase, int depth)
    {
        var opening = "(?:";
        if (Take("?i:"))
            ignoreCase = true;
        else if (Take("?-i:"))
            ignoreCase = false;
        else if (new[] { "?=", "?!", "?<=", "?<!", "?>" }.FirstOrDefault(Take) is { } look)
            opening = "(" + look;
        else if (!Take("?:") && Next == '?')
            throw NotKnown("(?" + (_at + 1 < _pattern.Length ? _pattern[_at + 1] : ' '));
        _out.Append(opening);
        Alternatives(ignoreCase, depth + 1);
        _out.Append(Take(")") ? ')' : throw NotKnown("a group without an end"));
        _folded = '\0';
    }

    /// <summary>A repetition behind what stands at a place of the output.</summary>
    private void Quantifier(int start)
    {
        string repeat;
        if (Next is '*' or '+' or '?')
        {
            repeat = _pattern[_at++].ToString();
        }
        else if (Next == '{')
        {
            var end = _pattern.IndexOf('}', _at);
            var bounds = end < 0 ? [] : _pattern[(_at + 1)..end].Split(',');
            if (
                bounds.Length is 0 or > 2
                || bounds.Any(bound => bound.Length > 4 || bound.Any(digit => !char.IsAsciiDigit(digit)))
                || bounds.All(bound => bound.Length == 0)
            )
                throw NotKnown("{");
            repeat = bounds.Length == 1 ? $"{{{bounds[0]}}}" : $"{{{(bounds[0].Length == 0 ? "0" : bounds[0])},{bounds[1]}}}";
            _at = end + 1;
            if (Next is '+' || (Next is '?' && bounds.Length == 1))
                throw NotKnown(repeat + Next);
        }
        else
        {
            return;
        }
        _folded = '\0';
        if (Take("+"))
        {
            _out.Insert(start, "(?>").Append(repeat).Append(')');
        }
        else
        {
            _out.Append(repeat);
            if (Take("?"))
                _out.Append('?');
        }
        if (Next is '*' or '+' or '?' or '{')
            throw NotKnown($"{repeat}{Next}");
    }

    private void ClassItems(bool ignoreCase, int depth)
    {
        if (depth > 10 || Next == ']')
            throw NotKnown("[]");
        while (!Take("]"))
        {
            if (!More)
                throw NotKnown("a class without an end");
            if (Next == '&' && _pattern.AsSpan(_at).StartsWith("&&"))
                throw NotKnown("&&");
            if (Take("["))
            {
                // A class within is a union, unless it is turned round.
                if (Next is ':' or '^')
                    throw NotKnown("[" + Next);
                ClassItems(ignoreCase, depth + 1);
                continue;
            }
            if (Take("\\"))
            {
                if (ClassEscape() is { } escape)
                {
                    _out.Append(escape);
                    continue;
                }
                Range(Escaped(), ignoreCase);
                continue;
            }
            Range(_pattern[_at++], ignoreCase);
        }
    }

    private void Range(char first, bool ignoreCase)
    {
        var last = first;
        if (Next == '-' && _at + 1 < _pattern.Length && _pattern[_at + 1] is not ']')
        {
            _at++;
            last = _pattern[_at++];
            if (last == '[' || (last == '\\' && Next is 's' or 'S' or 'd' or 'D' or 'p' or 'P'))
                throw NotKnown("a range to a class");
            if (last == '\\')
                last = Escaped();
            if (last < first)
                throw NotKnown($"{first}-{last}");
        }
        Name(first, last);
        _out.Append(first == last ? Literal(first) : $"{Literal(first)}-{Literal(last)}");
        if (!ignoreCase)
            return;
        for (var character = first; character <= last; character++)
        {
            if (!char.IsAscii(character) && last != first)
                throw NotKnown("a range of other letters under (?i:)");
            foreach (var other in Folds(character).Where(other => other < first || other > last))
                _out.Append(Literal(other));
        }
    }

    /// <summary><c>\s</c>, <c>\d</c>, <c>\p{...}</c> and their opposites; null for another escape, which is left to be read.</summary>
    private string? ClassEscape()
    {
        if (Next is 's' or 'S' or 'd' or 'D')
            return "\\" + _pattern[_at++];
        if (Next is not ('p' or 'P'))
            return null;
        var sign = _pattern[_at++];
        var end = _pattern.IndexOf('}', _at);
        var name = Next == '{' && end > 0 ? _pattern[(_at + 1)..end] : "";
        if (name.StartsWith('^'))
            (name, sign) = (name[1..], sign == 'p' ? 'P' : 'p');
        if (name.Length == 0 || name.Contains(' ') || !Categories.Contains($" {name} ", StringComparison.Ordinal))
            throw NotKnown($"\\{sign}{{{name}}}");
        _at = end + 1;
        return $"\\{sign}{{{name}}}";
    }

    /// <summary>The character behind a backslash.</summary>
    private char Escaped()
    {
        if (!More)
            throw NotKnown("\\");
        var escape = _pattern[_at++];
        switch (escape)
        {
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case 'f':
                return '\f';
            case 'u' or 'x':
                var braces = escape == 'x' && Take("{");
                var digits =
                    braces ? Math.Max(_pattern.IndexOf('}', _at) - _at, 0)
                    : escape == 'u' ? 4
                    : 2;
                if (
                    digits is 0 or > 4
                    || _at + digits > _pattern.Length
                    || !int.TryParse(
                        _pattern.AsSpan(_at, digits),
                        NumberStyles.AllowHexSpecifier,
                        CultureInfo.InvariantCulture,
                        out var value
                    )
                    || (escape == 'x' && !braces && value > 0x7F)
                )
                    throw NotKnown("\\" + escape);
                _at += digits + (braces ? 1 : 0);
                return (char)value;
            case var other when char.IsAsciiLetterOrDigit(other):
                throw NotKnown("\\" + other);
            default:
                return escape;
        }
    }

    /// <summary>All characters that are one when case is ignored.</summary>
    private char[] Folds(char character)
    {
        if (!char.IsAscii(character))
            return char.IsLetter(character) || char.IsSurrogate(character) ? throw NotKnown($"{character} under (?i:)") : [character];
        var lower = char.ToLowerInvariant(character);
        return !char.IsAsciiLetter(character)
            ? [character]
            : lower switch
            {
                'k' => ['k', 'K', '\u212A'],
                's' => ['s', 'S', '\u017F'],
                _ => [lower, char.ToUpperInvariant(character)],
            };
    }

    private void Name(char first, char last)
    {
        if (char.IsSurrogate(first) || char.IsSurrogate(last))
            throw NotKnown("a character beyond U+FFFF");
        _named.Add((first, last));
    }

    private bool Take(string text)
    {
        if (!_pattern.AsSpan(_at).StartsWith(text, StringComparison.Ordinal))
            return false;
        _at += text.Length;
        return true;
    }

    private static string Literal(char character) =>
        char.IsAsciiLetterOrDigit(character) ? character.ToString() : $"\\u{(int)character:X4}";

    private FormatException NotKnown(string what) => new($"{what} at character {_at} may mean something else to .NET");
}
