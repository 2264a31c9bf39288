using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Layers;

/// <summary>Calls of TorchScript whose numbers outlive them; see <see cref="Arithmetic"/>.</summary>
public static class Scripts
{
    /// <summary>Calls a function of a script.</summary>
    /// <param name="script">The script.</param>
    /// <param name="function">Its name.</param>
    /// <param name="arguments">Tensors, lists of tensors, numbers, or null.</param>
#pragma warning disable RS0030 // The place that the ban speaks of.
    public static object Call(this jit.CompilationUnit script, string function, params object?[] arguments) =>
        Call(script.invoke, function, arguments);

    /// <inheritdoc cref="Call(jit.CompilationUnit, string, object?[])"/>
    public static object Call(this jit.ScriptModule script, string function, params object?[] arguments) =>
        Call(script.invoke, function, arguments);
#pragma warning restore RS0030

    private static object Call(Func<string, object?[], object> invoke, string function, object?[] arguments)
    {
        var kept = Array.ConvertAll(arguments, Keep);
        try
        {
            return invoke(function, kept);
        }
        finally
        {
            for (var i = 0; i < kept.Length; i++)
                if (kept[i] is Scalar own && arguments[i] is not Scalar)
                    own.Dispose();
        }
    }

    private static object? Keep(object? argument) =>
        argument switch
        {
            double or float => Arithmetic.Kept(Convert.ToDouble(argument)),
            long => Arithmetic.Kept((long)argument),
            _ => argument,
        };
}
