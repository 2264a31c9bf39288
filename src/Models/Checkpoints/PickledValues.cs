namespace DfPO.Models.Checkpoints;

/// <summary>The numbers behind one or more tensors of a PyTorch file.</summary>
/// <param name="Key">Name within the file.</param>
/// <param name="Dtype">Name of the dtype as safetensors writes it.</param>
/// <param name="Count">Number of elements.</param>
internal sealed record PickledStorage(string Key, string Dtype, long Count)
{
    /// <summary>Size in bytes.</summary>
    public long Bytes => Count * SafetensorsHeader.ElementSize(Dtype);
}

/// <summary>A strided view of a storage.</summary>
/// <param name="Storage">Holds the elements.</param>
/// <param name="Offset">First element.</param>
/// <param name="Shape">Sizes.</param>
/// <param name="Strides">Steps in elements, one a dimension.</param>
internal sealed record PickledTensor(PickledStorage Storage, long Offset, long[] Shape, long[] Strides)
{
    private const int MostDimensions = 8;

    /// <summary>Number of elements from the first to the last that the view touches.</summary>
    public long Extent { get; } = ExtentOf(Storage, Offset, Shape, Strides);

    /// <exception cref="FormatException">The view is impossible, or reaches beyond the storage.</exception>
    private static long ExtentOf(PickledStorage storage, long offset, long[] shape, long[] strides)
    {
        if (
            shape.Length > MostDimensions
            || shape.Length != strides.Length
            || offset < 0
            || shape.Any(size => size < 0)
            || strides.Any(stride => stride < 0)
        )
            throw new FormatException(
                $"a tensor has the impossible shape [{string.Join(", ", shape)}] with strides [{string.Join(", ", strides)}] at {offset}"
            );
        if (shape.Contains(0))
            return 0;
        Int128 last = 0,
            count = 1;
        foreach (var (size, stride) in shape.Zip(strides))
        {
            last += (Int128)(size - 1) * stride;
            count *= size;
            // More elements than the storage has would be a view that repeats them; and 128 bits hold no eight-fold product.
            if (last > long.MaxValue || count > storage.Count)
                throw new FormatException(
                    $"a tensor of shape [{string.Join(", ", shape)}] is larger than its storage of {storage.Count} elements"
                );
        }
        if (offset + last >= storage.Count)
            throw new FormatException(
                $"a tensor of shape [{string.Join(", ", shape)}] reaches element {offset + last} of a storage of {storage.Count}"
            );
        return (long)last + 1;
    }
}
