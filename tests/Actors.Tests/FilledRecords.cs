using System.Reflection;
using DfPO.Models;

namespace DfPO.Actors.Tests;

/// <summary>Makes values whose every property differs from its default, and from every other of its type where it can.</summary>
internal sealed class FilledRecords
{
    private readonly Dictionary<Type, Type> _kinds = [];
    private int _count;

    /// <summary>Where this abstract type is asked for, makes that kind of it.</summary>
    public FilledRecords With(Type kind)
    {
        _kinds[kind.BaseType!] = kind;
        return this;
    }

    /// <summary>Makes a value.</summary>
    public object Make(Type type) => Make(type, default(object), [])!;

    /// <summary>The public properties that a value of the type is made of, rather than those that follow from others.</summary>
    public static IEnumerable<PropertyInfo> Parts(Type type) =>
        type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.CanWrite);

    private object? Make(Type type, object? unlike, Type[] around)
    {
        var number = ++_count;
        if (Nullable.GetUnderlyingType(type) is { } known)
            return Make(known, unlike, around);
        if (type.IsEnum)
            return Enum.GetValues(type).Cast<object>().Last(value => !value.Equals(unlike ?? Activator.CreateInstance(type)));
        if (type.IsArray || (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>)))
        {
            var item = type.IsArray ? type.GetElementType()! : type.GetGenericArguments()[0];
            var list = Array.CreateInstance(item, 2);
            for (var i = 0; i < list.Length; i++)
                list.SetValue(Make(item, null, around), i);
            return list;
        }
        return type switch
        {
            _ when type == typeof(string) => $"text {number} \"\u00e9\"",
            _ when type == typeof(bool) => unlike is not true,
            _ when type == typeof(int) => number,
            _ when type == typeof(long) => (1L << 40) + number,
            _ when type == typeof(ulong) => ulong.MaxValue - (ulong)number,
            _ when type == typeof(float) => number / 7f,
            _ when type == typeof(double) => number / 7.0,
            _ when type == typeof(TimeSpan) => TimeSpan.FromTicks(number),
            _ when type == typeof(EndOfText) => EndOfText.Of([number + 1, number]),
            // A record in a record of its own kind: once, for it has an end.
            _ when around.Count(outer => outer == type) > 1 => null,
            _ => Filled(_kinds.GetValueOrDefault(type, type), around),
        };
    }

    private object Filled(Type type, Type[] around)
    {
        around = [.. around, type];
        var constructor = type.GetConstructors().MaxBy(constructor => constructor.GetParameters().Length)!;
        var made = constructor.Invoke([.. constructor.GetParameters().Select(parameter => Make(parameter.ParameterType, null, around))]);
        var taken = constructor.GetParameters().Select(parameter => parameter.Name).ToHashSet();
        foreach (var property in Parts(type).Where(property => !taken.Contains(property.Name)))
            property.SetValue(made, Make(property.PropertyType, property.GetValue(made), around));
        return made;
    }
}
