using static TorchSharp.torch;

namespace DfPO.Models.Layers;

/// <summary>A module whose parts are found under dotted names, for architectures that differ in nothing else.</summary>
internal class NamedModules : nn.Module
{
    private readonly Dictionary<string, NamedModules> _groups = [];

    // Registered now, while no field holds a module yet: else the fields of derived classes would count as names too.
    public NamedModules(string name)
        : base(name) => RegisterComponents();

    /// <summary>Registers a module under a path of names; the groups on the way are made.</summary>
    public T Add<T>(string path, T module)
        where T : nn.Module
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

    /// <summary>Registers a module with one that is none of these, under a path of names.</summary>
    public static T Register<T>(nn.Module owner, string path, T module)
        where T : nn.Module
    {
        if (path.Split('.', 2) is [var first, var rest])
        {
            var group = new NamedModules(first);
            owner.register_module(first, group);
            return group.Add(rest, module);
        }
        owner.register_module(path, module);
        return module;
    }
}
