using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Classifiers;

/// <summary>A module whose parts are found under dotted names, for architectures that differ in nothing else.</summary>
internal class NamedModules : nn.Module
{
    private readonly Dictionary<string, NamedModules> _groups = [];

    // Registered now, while no field holds a module yet: else the fields of derived classes would count as names too.
    public NamedModules(string name) : base(name) => RegisterComponents();

    /// <summary>Registers a module under a path of names; the groups on the way are made.</summary>
    public T Add<T>(string path, T module) where T : nn.Module
    {
        if (path.Split('.', 2) is not [var first, var rest])
        {
            register_module(path, module);
            return module;
        }
        if (!_groups.TryGetValue(first, out var group))
        {
            group = new NamedModules(first);
            _groups.Add(first, group);
            register_module(first, group);
        }
        return group.Add(rest, module);
    }
}

/// <summary>Linear layers in a model's <see cref="ComputePrecision"/>.</summary>
internal static class LinearPrecision
{
    public static Tensor Project(this Linear linear, Tensor input, ComputePrecision precision)
    {
        using var scope = NewDisposeScope();
        return nn.functional.linear(precision.Cast(input), precision.Cast(linear.weight!), precision.Cast(linear.bias!)).MoveToOuterDisposeScope();
    }
}
