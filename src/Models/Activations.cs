using DfPO.Models.Layers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models;

/// <summary>
/// Activation functions by the names of HF's <c>ACT2FN</c>; those with parameters of their own (<c>prelu</c>, <c>xielu</c>) are not among
/// them.
/// </summary>
internal static class Activations
{
    private static readonly SortedDictionary<string, Func<Tensor, Tensor>> s_byName = new(StringComparer.Ordinal)
    {
        ["gelu"] = Gelu,
        ["gelu_python"] = Gelu,
        ["gelu_10"] = x => Gelu(x).Between(-10, 10),
        ["gelu_new"] = GeluOfTanh,
        ["gelu_fast"] = GeluOfTanh,
        ["gelu_accurate"] = GeluOfTanh,
        ["gelu_python_tanh"] = GeluOfTanh,
        ["gelu_pytorch_tanh"] = GeluOfTanh,
        ["quick_gelu"] = x => x.mul(x.Times(1.702).sigmoid()),
        ["relu"] = x => nn.functional.relu(x),
        ["relu2"] = x => nn.functional.relu(x).Squared(),
        ["relu6"] = x => nn.functional.relu(x).Between(0, 6),
        ["leaky_relu"] = x => nn.functional.relu(x).Plus(nn.functional.relu(x.neg()).Times(-0.01)),
        ["silu"] = x => nn.functional.silu(x),
        ["swish"] = x => nn.functional.silu(x),
        ["mish"] = x => x.mul(logaddexp(x, zeros_like(x)).tanh()),
        ["sigmoid"] = x => x.sigmoid(),
        ["tanh"] = x => x.tanh(),
        ["linear"] = x => x.alias(),
        // Of Ma et al. 2022 (Mega): a normal distribution's integral that is close to the squared relu.
        ["laplace"] = x => x.Plus(-0.707107).Over(0.282095 * Math.Sqrt(2)).erf().Plus(1.0).Times(0.5),
    };

    /// <exception cref="DfpoException"><c>config/field</c> for a name that is not known.</exception>
    public static Func<Tensor, Tensor> Get(string name) =>
        s_byName.TryGetValue(name, out var function)
            ? function
            : throw new DfpoException(
                "config/field",
                $"Activation function '{name}' is not known: {string.Join(", ", s_byName.Keys)} are."
            );

    private static Tensor Gelu(Tensor x) => nn.functional.gelu(x);

    private static Tensor GeluOfTanh(Tensor x) => nn.functional.gelu(x, GELU.Approximate.tanh, false);
}
