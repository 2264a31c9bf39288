using DfPO.Models.Tokenizers;

namespace DfPO.Host.Serving;

/// <summary>
/// The text of tokens as they come. What may still change is held back: half of a character, and the beginning of a stop sequence.
/// </summary>
internal sealed class TextStream(TextTokenizer tokenizer, IReadOnlyList<string> stops)
{
    private const char Incomplete = '\uFFFD';
    private readonly List<int> _tokens = [];
    private int _sent;
    private string _text = "";

    /// <summary>Whether a stop sequence has come; the text ends before it.</summary>
    public bool IsStopped { get; private set; }

    /// <summary>Adds a token.</summary>
    /// <returns>Text that can be sent now; may be empty.</returns>
    public string Add(int token)
    {
        _tokens.Add(token);
        _text = tokenizer.DecodeContinuation(_tokens);
        var stop = stops.Select(stop => _text.IndexOf(stop, Math.Clamp(_sent - stop.Length, 0, _text.Length), StringComparison.Ordinal));
        if (stop.Where(place => place >= 0).DefaultIfEmpty(-1).Min() is >= 0 and var end)
        {
            IsStopped = true;
            _text = _text[..end];
            return Send(end);
        }
        var safe = _text.TrimEnd(Incomplete).Length;
        foreach (var candidate in stops)
            for (var length = Math.Min(candidate.Length - 1, _text.Length); length > 0; length--)
                if (_text.AsSpan(_text.Length - length).SequenceEqual(candidate.AsSpan(0, length)))
                {
                    safe = Math.Min(safe, _text.Length - length);
                    break;
                }
        return Send(safe);
    }

    /// <summary>What was held back, at the end.</summary>
    public string Finish() => Send(_text.Length);

    private string Send(int end)
    {
        if (end <= _sent)
            return "";
        var text = _text[_sent..end];
        _sent = end;
        return text;
    }
}
