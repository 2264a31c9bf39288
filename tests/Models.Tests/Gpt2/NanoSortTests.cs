using System.Text.Json;
using DfPO.Models.Gpt2;
using DfPO.Models.Tests.Support;
using TorchSharp;
using TorchSharp.Modules;
using static DfPO.Models.Tests.Support.TensorAssert;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Gpt2;

/// <summary>Every activation of a trained nano GPT against those that the original wrote down.</summary>
[Trait("Category", "Fixtures")]
public sealed class NanoSortTests : IDisposable
{
    private static readonly string s_folder = TestFiles.Checkpoint("gpt-nano-sort");
    private readonly JsonElement _partials = JsonDocument
        .Parse(File.ReadAllBytes(Path.Combine(s_folder, "gpt-nano-sort-t0-partials.json")))
        .RootElement;
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Gpt2LMHeadModel _model = (Gpt2LMHeadModel)PretrainedModels.LoadCausalLM(s_folder);
    private readonly Dictionary<string, Tensor> _inputs = [];
    private readonly Dictionary<string, Tensor> _outputs = [];

    public NanoSortTests()
    {
        foreach (var (name, module) in _model.named_modules())
            if (module is nn.Module<Tensor, Tensor> layer)
                layer.register_forward_hook(
                    (_, input, output) =>
                    {
                        _inputs[name] = Kept(input);
                        _outputs[name] = Kept(output);
                        return output;
                    }
                );

        // Not MoveToOtherDisposeScope: TorchSharp loses a tensor that is in that scope already, and its finalizer then throws.
        Tensor Kept(Tensor tensor)
        {
            var alias = tensor.alias().DetachFromDisposeScope();
            _scope.Attach(alias);
            return alias;
        }
    }

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void EveryActivationOfTheFirstBlockAndEveryBlockOutputEqualTheOriginal()
    {
        using var _ = no_grad();
        var ids = Partial("idx").to(ScalarType.Int64);

        var logits = _model.Logits(ids);

        const string Block = "transformer.h.0.";
        Check("tok_emb", _outputs["transformer.wte"]);
        Check("pos_emb", _outputs["transformer.wpe"]);
        Check("x", _inputs[Block + "ln_1"]);
        Check("ln1", _outputs[Block + "ln_1"]);
        Check("qkv", _outputs[Block + "attn.c_attn"]);
        Check("y", _inputs[Block + "attn.c_proj"]);
        Check("yProj", _outputs[Block + "attn.c_proj"]);
        Check("attnResid", _inputs[Block + "ln_2"]);
        Check("ln2", _outputs[Block + "ln_2"]);
        Check("fc", _outputs[Block + "mlp.c_fc"]);
        Check("gelu", _inputs[Block + "mlp.c_proj"]);
        Check("mlp", _outputs[Block + "mlp.c_proj"]);
        Check("block0", _inputs["transformer.h.1.ln_1"]);
        Check("block1", _inputs["transformer.h.2.ln_1"]);
        Check("block2", _inputs["transformer.ln_f"]);
        Check("ln_f", _outputs["transformer.ln_f"]);
        Check("lm_head", logits);
        Check("probs", logits.softmax(-1));
    }

    [Fact]
    public void ItSorts()
    {
        using var _ = no_grad();
        var digits = new long[] { 2, 0, 1, 1, 0, 2 };
        var ids = tensor(digits).unsqueeze(0);

        foreach (var __ in digits)
            ids = cat([ids, _model.Logits(ids).select(1, -1).argmax(-1, keepdim: true)], 1);

        Assert.Equal(digits.Order(), ids[0].narrow(0, digits.Length, digits.Length).data<long>());
    }

    private void Check(string name, Tensor actual) => Close(Partial(name), actual, 1e-4);

    private Tensor Partial(string name)
    {
        var partial = _partials.GetProperty(name);
        var shape = partial.GetProperty("shape").EnumerateArray().Select(d => d.GetInt64()).ToArray();
        var bytes = partial.GetProperty("data").GetBytesFromBase64();
        var tensor = empty(shape, ScalarType.Float32);
        bytes.CopyTo(tensor.bytes);
        return tensor;
    }
}
