using static TorchSharp.torch;

namespace DfPO.Models.Decoding;

/// <summary>Prompts left-padded to one width, so that every row's next token stands in the same column.</summary>
internal sealed class PromptBatch
{
    public PromptBatch(IReadOnlyList<int[]> prompts)
    {
        Width = prompts.Max(prompt => prompt.Length);
        Padding = [.. prompts.Select(prompt => Width - prompt.Length)];
        Ids = new long[prompts.Count * Width];
        for (var row = 0; row < prompts.Count; row++)
        {
            for (var i = 0; i < prompts[row].Length; i++)
                Ids[row * Width + Padding[row] + i] = prompts[row][i];
        }
    }

    /// <summary>Columns: tokens of the longest prompt.</summary>
    public int Width { get; }

    /// <summary>Empty places before each row's first token.</summary>
    public int[] Padding { get; }

    /// <summary>Row by row; padding holds id 0.</summary>
    public long[] Ids { get; }

    /// <summary>Token ids <c>[batch, width]</c>.</summary>
    public Tensor IdTensor(Device device) => tensor(Ids, [Padding.Length, Width], device: device);

    /// <summary>1 for tokens and 0 for padding, <c>[batch, width + further]</c>; null when no row is padded.</summary>
    public Tensor? Mask(int further, Device device) => Mask(Padding, Width + further, device);

    /// <summary>1 for tokens and 0 for padding, <c>[rows, width]</c>; null when no row is padded.</summary>
    public static Tensor? Mask(int[] paddings, int width, Device device)
    {
        if (paddings.All(padding => padding == 0))
            return null;
        var mask = new long[paddings.Length * width];
        Array.Fill(mask, 1);
        for (var row = 0; row < paddings.Length; row++)
            Array.Clear(mask, row * width, paddings[row]);
        return tensor(mask, [paddings.Length, width], device: device);
    }
}
