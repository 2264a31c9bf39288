using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Layers;

/// <summary>Random weights for a model that is trained from nothing.</summary>
internal static class FreshWeights
{
    /// <summary>Zero biases, norms of 1, everything else normal; the same on any device.</summary>
    /// <param name="model">Receives the weights.</param>
    /// <param name="seed">Decides them.</param>
    /// <param name="std">Standard deviation of a parameter from its name and shape; null for a norm's weight.</param>
    public static void Draw(nn.Module model, ulong seed, Func<string, long[], double?> std)
    {
        using var generator = new Generator(seed);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var (name, parameter) in model.named_parameters())
        {
            if (name.EndsWith(".bias", StringComparison.Ordinal))
                parameter.zero_();
            else if (std(name, parameter.shape) is { } deviation)
                parameter.copy_(randn(parameter.shape, generator: generator).Times(deviation));
            else
                parameter.Fill(1);
        }
    }

    /// <summary>Whether a parameter is a norm's, by its name.</summary>
    public static bool IsNorm(string name) =>
        name.Contains("norm", StringComparison.Ordinal) || name.Contains("ln_", StringComparison.Ordinal);
}
