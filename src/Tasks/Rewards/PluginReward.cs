using System.Reflection;
using System.Runtime.Loader;
using DfPO.Models;
using DfPO.Tasks.Prompts;

namespace DfPO.Tasks.Rewards;

/// <summary>
/// A reward from the user's own assembly, loaded apart from the program: it brings its own versions of its libraries, and shares only the
/// contract.
/// </summary>
public sealed class PluginReward : IReward
{
    private readonly IReward _reward;
    private readonly PluginContext _context;
    private readonly string _name;

    private PluginReward(IReward reward, PluginContext context, string name) => (_reward, _context, _name) = (reward, context, name);

    /// <summary>Loads the assembly and makes the reward.</summary>
    /// <param name="assembly">A .dll that was built against DfPO.Tasks; its libraries lie beside it.</param>
    /// <param name="type">Full name of a class with <see cref="IReward"/>; may be empty when there is only one.</param>
    /// <param name="argument">Handed to a constructor that takes a text, if there is one.</param>
    /// <exception cref="DfpoException"><c>plugin/missing</c>, <c>plugin/load</c>, <c>plugin/class</c> or <c>plugin/failed</c>.</exception>
    public static PluginReward Load(string assembly, string type = "", string argument = "")
    {
        var path = Path.GetFullPath(assembly);
        if (!File.Exists(path))
            throw new DfpoException("plugin/missing", $"Plug-in '{assembly}' does not exist: name the .dll that your project builds.");
        var context = new PluginContext(path);
        try
        {
            var found = ClassOf(context.LoadFromAssemblyPath(path), assembly, type);
            return new PluginReward(Make(found, assembly, argument), context, $"{found.FullName} of '{assembly}'");
        }
        catch (Exception e)
        {
            context.Unload();
            if (e is BadImageFormatException or FileLoadException or FileNotFoundException or ReflectionTypeLoadException)
                throw new DfpoException(
                    "plugin/load",
                    $"Plug-in '{assembly}' cannot be loaded ({e.Message}): build it for .NET 10 against this version of DfPO.Tasks, and copy its libraries beside it.",
                    e
                );
            throw;
        }
    }

    /// <inheritdoc/>
    /// <exception cref="DfpoException"><c>plugin/failed</c>: the plug-in threw something.</exception>
    public IReadOnlyList<float> Score(IReadOnlyList<PromptContinuation> texts)
    {
        try
        {
            return _reward.Score(texts) ?? throw new InvalidOperationException("it returned null");
        }
        catch (Exception e) when (e is not DfpoException)
        {
            throw new DfpoException("plugin/failed", $"The reward {_name} failed: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _reward.Dispose();
        _context.Unload();
    }

    private static Type ClassOf(Assembly assembly, string path, string name)
    {
        Type[] rewards =
        [
            .. assembly
                .GetExportedTypes()
                .Where(type => type is { IsClass: true, IsAbstract: false } && type.IsAssignableTo(typeof(IReward))),
        ];
        Type[] named = name.Length == 0 ? rewards : [.. rewards.Where(type => type.FullName == name)];
        return named.Length == 1
            ? named[0]
            : throw new DfpoException(
                "plugin/class",
                rewards.Length == 0
                    ? $"Plug-in '{path}' has no public class with {typeof(IReward).FullName}."
                    : $"Plug-in '{path}' has {(name.Length == 0 ? "several rewards" : $"no reward '{name}'")}: choose one of '{string.Join("', '", rewards.Select(type => type.FullName))}'."
            );
    }

    private static IReward Make(Type type, string path, string argument)
    {
        var withText = type.GetConstructor([typeof(string)]);
        if (withText is null && (argument.Length > 0 || type.GetConstructor([]) is null))
            throw new DfpoException(
                "plugin/class",
                $"The reward {type.FullName} of '{path}' needs a public constructor that takes {(argument.Length > 0 ? "one text, because an argument is given" : "nothing or one text")}."
            );
        try
        {
            return (IReward)(withText is null ? Activator.CreateInstance(type)! : withText.Invoke([argument]));
        }
        catch (TargetInvocationException e)
        {
            throw new DfpoException(
                "plugin/failed",
                $"The reward {type.FullName} of '{path}' could not be made: {e.InnerException?.Message}",
                e
            );
        }
    }

    private sealed class PluginContext(string path) : AssemblyLoadContext($"plugin {Path.GetFileName(path)}", isCollectible: true)
    {
        private readonly AssemblyDependencyResolver _resolver = new(path);

        // The contract's types must be the program's own, or the plug-in's reward would be none here.
        protected override Assembly? Load(AssemblyName name) =>
            name.Name is "DfPO.Tasks" or "DfPO.Models" ? null
            : _resolver.ResolveAssemblyToPath(name) is { } found ? LoadFromAssemblyPath(found)
            : null;

        protected override IntPtr LoadUnmanagedDll(string name) =>
            _resolver.ResolveUnmanagedDllToPath(name) is { } found ? LoadUnmanagedDllFromPath(found) : IntPtr.Zero;
    }
}
