using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models;

/// <summary>State values: a scalar head on a trunk of its own, which starts as a copy of the policy (as in RL4LMs).</summary>
public sealed class ValueModel : nn.Module
{
    private readonly CausalLM trunk;
    private readonly Linear v_head;

    /// <summary>Takes ownership of <paramref name="trunk"/>; the head starts at zero, so that first values are zero.</summary>
    public ValueModel(CausalLM trunk) : base(nameof(ValueModel))
    {
        this.trunk = trunk;
        var like = trunk.parameters().First();
        v_head = nn.Linear(trunk.HiddenSize, 1, hasBias: false, device: like.device, dtype: like.dtype);
        using (no_grad())
            v_head.weight!.zero_();
        RegisterComponents();
    }

    /// <summary>Values <c>[batch, time]</c>, float32, of right-padded token ids <c>[batch, time]</c>: entry t is the value of the state after token t.</summary>
    public Tensor Values(Tensor inputIds)
    {
        using var scope = NewDisposeScope();
        return v_head.call(trunk.Hidden(inputIds)).squeeze(-1).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }
}
