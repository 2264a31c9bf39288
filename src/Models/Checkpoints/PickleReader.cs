using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace DfPO.Models.Checkpoints;

/// <summary>
/// Reads what <c>torch.save</c> pickles of a state dict: containers, plain values and tensors' descriptions. It runs none of the calls that
/// a pickle may ask for: the few that rebuild tensors and ordered dictionaries are known by name, any other is an error.
/// </summary>
/// <remarks>
/// Source: Python's <c>pickletools</c>, protocols 2 to 4. Dictionaries keep their order and have strings or numbers for keys.
/// </remarks>
/// <param name="stream">Stands at the first byte of a pickle, and then behind its last; its length is known.</param>
internal sealed class PickleReader(Stream stream)
{
    // A state dict of ten thousand tensors needs a twentieth of these: what is beyond is an attack on the memory.
    private const int MostOperations = 4_000_000;
    private const int MostStringBytes = 64 << 20;

    private static readonly Dictionary<string, string> s_storages = new()
    {
        ["DoubleStorage"] = "F64",
        ["FloatStorage"] = "F32",
        ["HalfStorage"] = "F16",
        ["BFloat16Storage"] = "BF16",
        ["LongStorage"] = "I64",
        ["IntStorage"] = "I32",
        ["ShortStorage"] = "I16",
        ["CharStorage"] = "I8",
        ["ByteStorage"] = "U8",
        ["BoolStorage"] = "BOOL",
    };

    private static readonly object s_mark = new();
    private readonly List<object?> _stack = [];
    private readonly Dictionary<long, object?> _memo = [];
    private int _operations;
    private long _stringBytes;

    /// <summary>A name of Python's that is known; nothing is looked up or run.</summary>
    private sealed record Global(string Module, string Name)
    {
        public override string ToString() => $"{Module}.{Name}";
    }

    /// <summary>Reads one pickle.</summary>
    /// <exception cref="FormatException">It is broken, or asks for anything but containers, plain values and tensors.</exception>
    public object? Read()
    {
        (_operations, _stringBytes) = (0, 0);
        _stack.Clear();
        _memo.Clear();
        while (true)
        {
            if (++_operations > MostOperations)
                throw new FormatException("its pickle has too many operations for a state dict");
            var operation = (char)Take();
            if (operation == '.')
                return _stack.Count == 1 ? Pop() : throw new FormatException("its pickle ends with values left over");
            Run(operation);
        }
    }

    private void Run(char operation)
    {
        switch (operation)
        {
            case '\x80':
                if (Take() is var protocol and (< 2 or > 5))
                    throw new FormatException($"its pickle has protocol {protocol}");
                break;
            case '\x95':
                Take(8);
                break;
            case '(':
                Push(s_mark);
                break;
            case '0':
                Pop();
                break;
            case '}':
                Push(new OrderedDictionary<object, object?>());
                break;
            case ']':
                Push(new List<object?>());
                break;
            case ')':
                Push(Array.Empty<object?>());
                break;
            case 't':
                Push(PopToMark());
                break;
            case '\x85':
                Push(PopMany(1));
                break;
            case '\x86':
                Push(PopMany(2));
                break;
            case '\x87':
                Push(PopMany(3));
                break;
            case 'N':
                Push(null);
                break;
            case '\x88':
                Push(true);
                break;
            case '\x89':
                Push(false);
                break;
            case 'J':
                Push((long)BinaryPrimitives.ReadInt32LittleEndian(Take(4)));
                break;
            case 'K':
                Push((long)Take());
                break;
            case 'M':
                Push((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2)));
                break;
            case '\x8a':
                Push(Number(Take(Take())));
                break;
            case 'G':
                Push(BinaryPrimitives.ReadDoubleBigEndian(Take(8)));
                break;
            case 'X':
                Push(Text(BinaryPrimitives.ReadUInt32LittleEndian(Take(4))));
                break;
            case '\x8c':
                Push(Text(Take()));
                break;
            case 'U':
                Push(Text(Take()));
                break;
            case 'q':
                _memo[Take()] = Top();
                break;
            case 'r':
                _memo[BinaryPrimitives.ReadUInt32LittleEndian(Take(4))] = Top();
                break;
            case '\x94':
                _memo[_memo.Count] = Top();
                break;
            case 'h':
                Push(Remembered(Take()));
                break;
            case 'j':
                Push(Remembered(BinaryPrimitives.ReadUInt32LittleEndian(Take(4))));
                break;
            case 'c':
                Push(Named(Line(), Line()));
                break;
            case '\x93':
                var name = Pop<string>("name");
                Push(Named(Pop<string>("module"), name));
                break;
            case 's':
                var value = Pop();
                var key = Pop();
                Put(Top<OrderedDictionary<object, object?>>("dictionary"), key, value);
                break;
            case 'u':
                var items = PopToMark();
                if (items.Length % 2 != 0)
                    throw new FormatException("its pickle sets a key without a value");
                for (var i = 0; i < items.Length; i += 2)
                    Put(Top<OrderedDictionary<object, object?>>("dictionary"), items[i], items[i + 1]);
                break;
            case 'a':
                var last = Pop();
                Top<List<object?>>("list").Add(last);
                break;
            case 'e':
                var more = PopToMark();
                Top<List<object?>>("list").AddRange(more);
                break;
            case 'Q':
                Push(Storage(Pop<object?[]>("tuple")));
                break;
            case 'R':
                var arguments = Pop<object?[]>("tuple of arguments");
                Push(Call(Pop<Global>("callable"), arguments));
                break;
            case 'b':
                // What an ordered dictionary carries besides its items: PyTorch's version numbers of modules.
                Pop<OrderedDictionary<object, object?>>("dictionary");
                Top<OrderedDictionary<object, object?>>("dictionary");
                break;
            default:
                throw new FormatException($"its pickle has the operation 0x{(int)operation:X2}, which no state dict needs");
        }
    }

    private static Global Named(string module, string name) =>
        (module, name) switch
        {
            ("collections", "OrderedDict") or ("torch._utils", "_rebuild_tensor_v2" or "_rebuild_tensor" or "_rebuild_parameter") =>
                new Global(module, name),
            ("torch" or "torch.cuda", _) when s_storages.ContainsKey(name) => new Global(module, name),
            _ => throw new FormatException(
                $"its pickle wants Python's '{module}.{name}', which is no part of a state dict; nothing was run"
            ),
        };

    private object? Call(Global callable, object?[] arguments) =>
        (callable.Name, arguments) switch
        {
            ("OrderedDict", []) => new OrderedDictionary<object, object?>(),
            ("OrderedDict", [List<object?> pairs]) => Ordered(pairs),
            ("_rebuild_tensor_v2" or "_rebuild_tensor", [PickledStorage storage, long offset, object?[] shape, object?[] strides, ..]) =>
                new PickledTensor(storage, offset, Numbers(shape), Numbers(strides)),
            ("_rebuild_parameter", [PickledTensor tensor, ..]) => tensor,
            _ => throw new FormatException($"its pickle calls '{callable}' with arguments that it does not take"),
        };

    private OrderedDictionary<object, object?> Ordered(List<object?> pairs)
    {
        // One list can be turned into dictionaries again and again.
        _operations += pairs.Count;
        var dictionary = new OrderedDictionary<object, object?>();
        foreach (var pair in pairs)
            switch (pair)
            {
                case List<object?> { Count: 2 } list:
                    Put(dictionary, list[0], list[1]);
                    break;
                case object?[] { Length: 2 } tuple:
                    Put(dictionary, tuple[0], tuple[1]);
                    break;
                default:
                    throw new FormatException("its pickle makes a dictionary of something that is not a pair");
            }
        return dictionary;
    }

    private static PickledStorage Storage(object?[] id) =>
        id is ["storage", Global type, string key, string, long count, ..]
        && s_storages.TryGetValue(type.Name, out var dtype)
        && count >= 0
        && count <= long.MaxValue / 8
        && (id.Length == 5 || id is [.., null])
            ? new PickledStorage(key, dtype, count)
            : throw new FormatException("its pickle names a storage in an unknown way");

    private static long[] Numbers(object?[] values) =>
        [.. values.Select(value => value is long number ? number : throw new FormatException("a size or stride is not a whole number"))];

    private static void Put(OrderedDictionary<object, object?> dictionary, object? key, object? value)
    {
        if (key is not (string or long))
            throw new FormatException("a key of a dictionary is neither text nor a number");
        dictionary[key] = value;
    }

    private static object Number(byte[] littleEndian)
    {
        var number = new BigInteger(littleEndian);
        // Boxed one by one: the two types would else meet in the wider one.
        return number >= long.MinValue && number <= long.MaxValue ? (long)number : (object)number;
    }

    private string Text(long length)
    {
        if ((_stringBytes += length) > MostStringBytes)
            throw new FormatException("its pickle has too much text for a state dict");
        try
        {
            return new UTF8Encoding(false, true).GetString(Take(length));
        }
        catch (DecoderFallbackException e)
        {
            throw new FormatException("a text in its pickle is not UTF-8", e);
        }
    }

    private string Line()
    {
        var line = new StringBuilder();
        for (var next = Take(); next != '\n'; next = Take())
            if (line.Append((char)next).Length > 200)
                throw new FormatException("a name in its pickle does not end");
        return line.ToString();
    }

    private object? Remembered(long index) =>
        _memo.TryGetValue(index, out var value)
            ? value
            : throw new FormatException($"its pickle refers to value {index}, which it has not remembered");

    private void Push(object? value) => _stack.Add(value);

    private object? Top() =>
        _stack.Count > 0 && _stack[^1] != s_mark ? _stack[^1] : throw new FormatException("its pickle takes a value where there is none");

    private object? Pop()
    {
        var top = Top();
        _stack.RemoveAt(_stack.Count - 1);
        return top;
    }

    private T Pop<T>(string what) =>
        Pop() is T value ? value : throw new FormatException($"its pickle needs a {what} where it has something else");

    private T Top<T>(string what) =>
        Top() is T value ? value : throw new FormatException($"its pickle needs a {what} where it has something else");

    private object?[] PopMany(int count)
    {
        var values = new object?[count];
        for (var i = count - 1; i >= 0; i--)
            values[i] = Pop();
        return values;
    }

    private object?[] PopToMark()
    {
        var mark = _stack.LastIndexOf(s_mark);
        if (mark < 0)
            throw new FormatException("its pickle ends a group that it has not begun");
        object?[] values = [.. _stack.Skip(mark + 1)];
        _stack.RemoveRange(mark, _stack.Count - mark);
        return values;
    }

    private int Take() => stream.ReadByte() is >= 0 and var next ? next : throw new FormatException("its pickle breaks off");

    private byte[] Take(long count)
    {
        if (count > stream.Length - stream.Position)
            throw new FormatException($"its pickle claims {count} bytes and the file has {stream.Length - stream.Position} more");
        var bytes = new byte[(int)count];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
