using System.Reflection;
using System.Reflection.Emit;

namespace DfPO.Host.Tests.Architecture;

/// <summary>
/// Which namespace of an assembly uses which, as the compiled code says: base types, signatures, attributes, generic arguments and what
/// method bodies name. Constants leave no trace there, so sharing one counts as no use.
/// </summary>
internal sealed class NamespaceGraph
{
    private static readonly Dictionary<short, OperandType> s_operands = typeof(OpCodes)
        .GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(field => (OpCode)field.GetValue(null)!)
        .ToDictionary(code => code.Value, code => code.OperandType);

    private const BindingFlags Declared =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly;
    private readonly Dictionary<(string From, string To), SortedSet<string>> _uses = [];

    public NamespaceGraph(IEnumerable<Assembly> assemblies)
    {
        foreach (var type in assemblies.SelectMany(assembly => assembly.GetTypes()).Where(type => type.Namespace is not null))
            foreach (var used in Used(type).SelectMany(Parts))
                if (used.Assembly == type.Assembly && used.Namespace is { } to && to != type.Namespace)
                    Add(type, used, to);
    }

    /// <summary>The circles: sets of namespaces each of which reaches all others, in the order of their names.</summary>
    public IReadOnlyList<IReadOnlyList<string>> Circles()
    {
        var reach = _uses.Keys.GroupBy(use => use.From, use => use.To).ToDictionary(uses => uses.Key, uses => uses.ToHashSet());
        for (var grown = true; grown;)
        {
            grown = false;
            foreach (var reached in reach.Values)
            {
                var before = reached.Count;
                reached.UnionWith(reached.ToArray().SelectMany(name => reach.GetValueOrDefault(name) ?? []));
                grown |= reached.Count > before;
            }
        }
        return
        [
            .. reach
                .Keys.Where(name => reach[name].Contains(name))
                .GroupBy(name =>
                    string.Join(
                        ' ',
                        reach[name].Where(other => reach.GetValueOrDefault(other)?.Contains(name) == true).Order(StringComparer.Ordinal)
                    )
                )
                .Select(circle => circle.Order(StringComparer.Ordinal).ToArray())
                .OrderBy(circle => circle[0], StringComparer.Ordinal),
        ];
    }

    /// <summary>Who uses what between the namespaces of a circle, a line a pair.</summary>
    public string Explain(IReadOnlyCollection<string> circle) =>
        string.Join(
            '\n',
            _uses
                .Where(use => circle.Contains(use.Key.From) && circle.Contains(use.Key.To))
                .OrderBy(use => use.Key)
                .Select(use => $"  {use.Key.From} uses {use.Key.To}: {string.Join(", ", use.Value)}")
        );

    private void Add(Type type, Type used, string to)
    {
        if (!_uses.TryGetValue((type.Namespace!, to), out var names))
            _uses[(type.Namespace!, to)] = names = new SortedSet<string>(StringComparer.Ordinal);
        names.Add($"{Outermost(type).Name} -> {Outermost(used).Name}");
    }

    private static Type Outermost(Type type) => type.DeclaringType is { } outer ? Outermost(outer) : type;

    /// <summary>A type and what it is made of: elements, generic arguments.</summary>
    private static IEnumerable<Type> Parts(Type type) =>
        type switch
        {
            { HasElementType: true } => Parts(type.GetElementType()!),
            { IsGenericParameter: true } => [],
            { IsConstructedGenericType: true } => type.GetGenericArguments().SelectMany(Parts).Append(type.GetGenericTypeDefinition()),
            _ => [type],
        };

    private static IEnumerable<Type> Used(Type type)
    {
        IEnumerable<Type> heads = [.. type.GetInterfaces(), .. Attributes(type), .. Constraints(type.GetGenericArguments())];
        return heads.Concat(type.BaseType is { } parent ? [parent] : []).Concat(type.GetMembers(Declared).SelectMany(Used));
    }

    private static IEnumerable<Type> Used(MemberInfo member) =>
        Attributes(member)
            .Concat(
                member switch
                {
                    FieldInfo field => [field.FieldType],
                    PropertyInfo property => [property.PropertyType],
                    EventInfo { EventHandlerType: { } handler } => [handler],
                    MethodInfo method => [method.ReturnType, .. Constraints(method.GetGenericArguments()), .. Called(method)],
                    ConstructorInfo constructor => Called(constructor),
                    _ => [],
                }
            );

    private static IEnumerable<Type> Attributes(MemberInfo member) =>
        member
            .GetCustomAttributesData()
            .SelectMany(attribute =>
                attribute.ConstructorArguments.Select(argument => argument.Value).OfType<Type>().Append(attribute.AttributeType)
            );

    private static IEnumerable<Type> Constraints(Type[] arguments) =>
        arguments.Where(argument => argument.IsGenericParameter).SelectMany(argument => argument.GetGenericParameterConstraints());

    private static IEnumerable<Type> Called(MethodBase method)
    {
        foreach (var parameter in method.GetParameters())
            yield return parameter.ParameterType;
        if (method.GetMethodBody() is not { } body)
            yield break;
        foreach (var local in body.LocalVariables)
            yield return local.LocalType;
        foreach (var clause in body.ExceptionHandlingClauses)
            if (clause.Flags == ExceptionHandlingClauseOptions.Clause && clause.CatchType is { } caught)
                yield return caught;
        foreach (var token in Tokens(body.GetILAsByteArray()!))
            foreach (var type in Named(method, token))
                yield return type;
    }

    private static IEnumerable<Type> Named(MethodBase method, int token)
    {
        var ofType = method.DeclaringType!.IsGenericType ? method.DeclaringType.GetGenericArguments() : null;
        var member = method.Module.ResolveMember(token, ofType, method.IsGenericMethod ? method.GetGenericArguments() : null)!;
        if (member is Type type)
            return [type];
        return
        [
            member.DeclaringType ?? typeof(object),
            .. member switch
            {
                FieldInfo field => [field.FieldType],
                MethodInfo called =>
                [
                    called.ReturnType,
                    .. called.GetParameters().Select(p => p.ParameterType),
                    .. called.IsGenericMethod ? called.GetGenericArguments() : [],
                ],
                MethodBase called => called.GetParameters().Select(p => p.ParameterType),
                _ => (IEnumerable<Type>)[],
            },
        ];
    }

    /// <summary>The metadata tokens in a method's instructions.</summary>
    private static IEnumerable<int> Tokens(byte[] code)
    {
        for (var at = 0; at < code.Length;)
        {
            // The first byte of an instruction of two is FE.
            short value = code[at] == 0xfe ? (short)(0xfe00 | code[at + 1]) : code[at];
            at += code[at] == 0xfe ? 2 : 1;
            var operand = s_operands[value];
            if (operand is OperandType.InlineType or OperandType.InlineMethod or OperandType.InlineField or OperandType.InlineTok)
                yield return BitConverter.ToInt32(code, at);
            at += operand switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                OperandType.InlineSwitch => 4 + (4 * BitConverter.ToInt32(code, at)),
                _ => 4,
            };
        }
    }
}
