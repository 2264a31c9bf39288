using static TorchSharp.torch;

namespace DfPO.Models.Layers;

/// <summary>
/// Activation checkpointing (Chen et al. 2016): a block keeps its inputs alone, and what its gradient needs is computed again on the way
/// back.
/// </summary>
internal static class Recomputation
{
    /// <summary>A block of tensors to a tensor; what it computes must not depend on anything that changes before the way back.</summary>
    public delegate Tensor Block(IReadOnlyList<Tensor?> inputs);

    /// <summary>Runs a block, the plain way unless the model recomputes and a gradient is wanted.</summary>
    /// <param name="precision">The model's switch.</param>
    /// <param name="block">The block. It may use no tensor but its inputs and parameters: others may be gone on the way back.</param>
    /// <param name="inputs">The first one is the hidden states; null where there is none.</param>
    public static Tensor Run(ComputePrecision precision, Block block, params Tensor?[] inputs)
    {
        if (!precision.RecomputeBlocks || !is_grad_enabled())
            return block(inputs);
        using var scope = NewDisposeScope();
        // Autograd visits a function only where one of its inputs is differentiable, which a frozen embedding's output is not.
        if (!inputs.Any(input => input?.requires_grad == true))
            inputs[0] = inputs[0]!.detach().requires_grad_();
        return Function.apply([block, .. inputs])[0].MoveToOuterDisposeScope();
    }

    private sealed class Function : autograd.MultiTensorFunction<Function>
    {
        public override string Name => nameof(Recomputation);

        public override List<Tensor> forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var inputs = vars.Skip(1).Cast<Tensor?>().ToArray();
            ctx.save_data("block", vars[0]);
            ctx.save_data("given", Array.ConvertAll(inputs, input => input is not null));
            ctx.save_for_backward([.. inputs.Where(input => input is not null).Cast<Tensor>()]);
            return [((Block)vars[0])(inputs)];
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grad_outputs)
        {
            using var scope = NewDisposeScope();
            using var _ = enable_grad();
            var saved = new Queue<Tensor>(ctx.get_saved_variables());
            var inputs = Array.ConvertAll((bool[])ctx.get_data("given"), given => given ? Leaf(saved.Dequeue()) : null);
            var output = ((Block)ctx.get_data("block"))(inputs);
            autograd.backward([output], [grad_outputs[0]]);
            // The first place is the block's own.
            List<Tensor> gradients = [null!, .. inputs.Select(input => input?.grad?.DetachFromDisposeScope()!)];
            // Native memory that no collection would see in time.
            grad_outputs.ForEach(gradient => gradient.Dispose());
            return gradients;
        }

        private static Tensor Leaf(Tensor input)
        {
            using (input)
                return input.detach().requires_grad_(input.requires_grad);
        }
    }
}
