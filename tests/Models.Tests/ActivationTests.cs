using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Tests;

/// <summary>Every activation by its formula, in float64.</summary>
public sealed class ActivationTests
{
    /// <summary>All names.</summary>
    public static TheoryData<string> Names =>
        [
            "gelu",
            "gelu_python",
            "gelu_10",
            "gelu_new",
            "gelu_fast",
            "gelu_accurate",
            "gelu_python_tanh",
            "gelu_pytorch_tanh",
            "quick_gelu",
            "relu",
            "relu2",
            "relu6",
            "leaky_relu",
            "silu",
            "swish",
            "mish",
            "sigmoid",
            "tanh",
            "linear",
            "laplace",
        ];

    [Theory]
    [MemberData(nameof(Names))]
    public void EqualsItsFormula(string name)
    {
        using var scope = NewDisposeScope();
        double[] at = [-30, -2, -0.5, 0, 0.5, 3, 7, 11];

        var actual = Activations.Get(name)(tensor(at, ScalarType.Float64)).data<double>().ToArray();

        for (var i = 0; i < at.Length; i++)
            Assert.Equal(Formula(name, at[i]), actual[i], 2e-7);
    }

    private static double Formula(string name, double x)
    {
        static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));
        static double Gelu(double x) => 0.5 * x * (1 + Erf(x / Math.Sqrt(2)));
        return name switch
        {
            "gelu" or "gelu_python" => Gelu(x),
            "gelu_10" => Math.Clamp(Gelu(x), -10, 10),
            "gelu_new" or "gelu_fast" or "gelu_accurate" or "gelu_python_tanh" or "gelu_pytorch_tanh" => 0.5
                * x
                * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)))),
            "quick_gelu" => x * Sigmoid(1.702 * x),
            "relu" => Math.Max(x, 0),
            "relu2" => Math.Pow(Math.Max(x, 0), 2),
            "relu6" => Math.Clamp(x, 0, 6),
            "leaky_relu" => x < 0 ? 0.01 * x : x,
            "silu" or "swish" => x * Sigmoid(x),
            "mish" => x * Math.Tanh(Math.Log(1 + Math.Exp(x))),
            "sigmoid" => Sigmoid(x),
            "tanh" => Math.Tanh(x),
            "linear" => x,
            "laplace" => 0.5 * (1 + Erf((x - 0.707107) / (0.282095 * Math.Sqrt(2)))),
            _ => throw new ArgumentOutOfRangeException(nameof(name), name, null),
        };
    }

    /// <summary>By its series, or what is left of it far out.</summary>
    private static double Erf(double x)
    {
        if (Math.Abs(x) > 4)
            return Math.Sign(x);
        var (term, sum) = (x, x);
        for (var n = 1; n < 200; n++)
        {
            term *= -x * x / n;
            sum += term / ((2 * n) + 1);
        }
        return 2 / Math.Sqrt(Math.PI) * sum;
    }
}
