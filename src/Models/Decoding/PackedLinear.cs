using System.IO.Compression;
using System.Text;
using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Decoding;

/// <summary>
/// A linear layer whose weight oneDNN has laid out once, for many products with few rows. Ordinary products lay it out anew each time,
/// which costs more than the product itself while a batch is small.
/// </summary>
/// <remarks>
/// The operators live outside <c>aten</c>, where neither TorchSharp nor <c>torch.jit.compile</c> reaches; a saved TorchScript module does,
/// so one is written to a temporary file and loaded.
/// </remarks>
internal sealed class PackedLinear : IDisposable
{
    // A layout is chosen for a number of rows; this one serves 1 to 64.
    private const long TypicalRows = 16;

    private const string Module = """
        class PackedLinear(Module):
          __parameters__ = []
          __buffers__ = []
          def forward(self: __torch__.PackedLinear, x: Tensor) -> Tensor:
            return x
          def pack(self: __torch__.PackedLinear, weight: Tensor, rows: int) -> Tensor:
            return ops.mkldnn._reorder_linear_weight(weight, rows)
          def linear(self: __torch__.PackedLinear, x: Tensor, weight: Tensor, bias: Optional[Tensor]) -> Tensor:
            _0 = annotate(List[Optional[number]], [])
            return ops.mkldnn._linear_pointwise(x, weight, bias, "none", _0, "")
          def linear_gelu_tanh(self: __torch__.PackedLinear, x: Tensor, weight: Tensor, bias: Optional[Tensor]) -> Tensor:
            _0 = annotate(List[Optional[number]], [])
            return ops.mkldnn._linear_pointwise(x, weight, bias, "gelu", _0, "tanh")

        """;

    private static readonly Lazy<jit.ScriptModule?> Operators = new(Load);
    private readonly Tensor _weight;
    private readonly Tensor? _bias;

    /// <param name="weight"><c>[out, in]</c>; copied.</param>
    /// <param name="bias"><c>[out]</c>, or null; copied.</param>
    /// <param name="dtype">Dtype of the product.</param>
    public PackedLinear(Tensor weight, Tensor? bias, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        _weight = ((Tensor)Operators.Value!.Call("pack", weight.detach().to(dtype).contiguous(), TypicalRows)).DetachFromDisposeScope();
        _bias = bias?.detach().to(dtype, copy: true).DetachFromDisposeScope();
    }

    /// <summary>Whether this build of libtorch has the operators.</summary>
    public static bool IsSupported => Operators.Value is not null;

    /// <summary><c>x W^T + b</c> for <c>[rows, in]</c>.</summary>
    public Tensor Forward(Tensor input) => (Tensor)Operators.Value!.Call("linear", input, _weight, _bias);

    /// <summary>The same followed by the tanh form of GELU.</summary>
    public Tensor ForwardGelu(Tensor input) => (Tensor)Operators.Value!.Call("linear_gelu_tanh", input, _weight, _bias);

    /// <inheritdoc/>
    public void Dispose()
    {
        _weight.Dispose();
        _bias?.Dispose();
    }

    private static jit.ScriptModule? Load()
    {
        // In a folder of its own, because it is code that torch runs.
        var folder = Directory.CreateTempSubdirectory("dfpo-packed-linear-");
        var path = Path.Combine(folder.FullName, "module.pt");
        try
        {
            using (var archive = new ZipArchive(File.Create(path), ZipArchiveMode.Create))
            {
                // Pickles of an object without state and of an empty tuple.
                Write(archive, "data.pkl", Encoding.Latin1.GetBytes("\u0080\u0002c__torch__\nPackedLinear\nq\0)\u0081}q\u0001b."));
                Write(archive, "code/__torch__.py", Encoding.UTF8.GetBytes(Module));
                Write(archive, "constants.pkl", Encoding.Latin1.GetBytes("\u0080\u0002)."));
                Write(archive, "version", "3\n"u8);
            }
            return jit.load(path);
        }
        catch (System.Runtime.InteropServices.ExternalException)
        {
            return null;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static void Write(ZipArchive archive, string name, ReadOnlySpan<byte> bytes)
    {
        using var stream = archive.CreateEntry("packed_linear/" + name, CompressionLevel.NoCompression).Open();
        stream.Write(bytes);
    }
}
