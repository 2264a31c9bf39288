using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models;

/// <summary>Activation functions by the names of HF's <c>ACT2FN</c>.</summary>
internal static class Activations
{
    /// <exception cref="DfpoException"><c>config/field</c> for a name that is not known.</exception>
    public static Func<Tensor, Tensor> Get(string name) => name switch
    {
        "gelu_new" or "gelu_pytorch_tanh" or "gelu_fast" => x => nn.functional.gelu(x, GELU.Approximate.tanh, false),
        "gelu" => x => nn.functional.gelu(x),
        "relu" => x => nn.functional.relu(x),
        "silu" or "swish" => x => nn.functional.silu(x),
        "tanh" => x => x.tanh(),
        _ => throw new DfpoException("config/field", $"Activation function '{name}' is not known: gelu_new, gelu_pytorch_tanh, gelu, relu, silu and tanh are."),
    };
}
