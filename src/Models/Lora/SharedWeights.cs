using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Lora;

/// <summary>Further models like one: over the same weights, held once in memory, or with room for others.</summary>
public static class SharedWeights
{
    // A constant, tested script: TorchScript ends the process on a script that does not parse.
    private const string Share = """
        def share(mine: Tensor, theirs: Tensor):
            mine.set_(theirs)
            return mine

        """;

    /// <summary>
    /// A model of the same configuration whose parameters are the given one's memory: a change of one is a change of both. It has no
    /// adapters.
    /// </summary>
    /// <param name="model">Either may be disposed first: the memory lives as long as one of them.</param>
    public static LanguageModel Twin(LanguageModel model)
    {
        var twin = Blank(model);
        twin.WeightsIdentity = model.WeightsIdentity;
        using var script = jit.compile(Share);
        using var _ = no_grad();
        foreach (var (mine, theirs) in twin.parameters().Zip(model.parameters()))
        {
            mine.requires_grad_(false);
            using var same = (Tensor)script.Call("share", mine, theirs.detach());
            mine.requires_grad_(theirs.requires_grad);
        }
        return twin;
    }

    /// <summary>Whether two models compute with the same memory in the same precision: a model and its <see cref="Twin"/>.</summary>
    public static bool AreOne(LanguageModel model, LanguageModel other) =>
        ReferenceEquals(model.WeightsIdentity, other.WeightsIdentity) && model.Precision.MatmulDtype == other.Precision.MatmulDtype;

    /// <summary>A model of the same configuration, device and dtype with uninitialised weights of its own.</summary>
    public static LanguageModel Blank(LanguageModel model)
    {
        var like = model.parameters().First();
        var blank = Architectures.Build(model.Config, like.device, like.dtype);
        blank.Precision.MatmulDtype = model.Precision.MatmulDtype;
        blank.eval();
        return blank;
    }
}
