using static TorchSharp.torch;

namespace DfPO.Models.Checkpoints;

/// <summary>What a checkpoint file says of a tensor.</summary>
/// <param name="Name">Its key in the state dict.</param>
/// <param name="Dtype">Name of the dtype as safetensors writes it; see <see cref="Dtypes"/>.</param>
/// <param name="Shape">Its sizes.</param>
public record TensorEntry(string Name, string Dtype, long[] Shape);

/// <summary>An open checkpoint file of any format: checked as a whole when opened, its tensors read when asked for.</summary>
public interface ITensorFile : IDisposable
{
    /// <summary>Where the file is.</summary>
    string Path { get; }

    /// <summary>Shape and dtype of a tensor, without touching its bytes.</summary>
    /// <exception cref="DfpoException"><c>checkpoint/missing-tensor</c>.</exception>
    TensorEntry Entry(string name);

    /// <summary>All tensor names.</summary>
    IEnumerable<string> Names { get; }

    /// <summary>
    /// A tensor on the CPU in the file's dtype. It may be a view into the file's private mapping: copy what must outlive this object.
    /// </summary>
    /// <exception cref="DfpoException"><c>checkpoint/missing-tensor</c> or <c>checkpoint/corrupt</c>.</exception>
    Tensor Get(string name);
}
