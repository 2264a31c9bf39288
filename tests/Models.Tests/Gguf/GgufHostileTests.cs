using DfPO.Models.Chat;
using DfPO.Models.Gguf;
using DfPO.Models.Tests.Support;
using DfPO.Models.Tokenizers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Gguf;

/// <summary>GGUF files that are broken or say what is not understood.</summary>
public sealed class GgufHostileTests : IDisposable
{
    private const int Rounds = 3000;
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void AFileAndAFolderWithOneStandForACheckpoint()
    {
        var path = Write(GgufBytes.Llama());
        foreach (var place in new[] { path, _folder.Path })
        {
            using var scope = NewDisposeScope();
            using var model = PretrainedModels.LoadCausalLM(place);
            Assert.Equal(6, model.VocabularySize);
            Assert.Equal([5], model.Config.EosTokenIds);
            Assert.Equal([4, 2, 5], TextTokenizer.Load(place).Encode("abc<e>"));
            Assert.Equal("Hi", ChatTemplate.Load(place).Render(Chat.Chats.Request()));
        }
        File.Copy(path, _folder["second.gguf"]);
        Assert.Equal("gguf/several", DfpoAssert.CodeOf(() => PretrainedModels.ReadConfig(_folder.Path), "model.gguf"));
    }

    [Fact]
    public void MutatedFilesEndInOneClearErrorOrInAModelNoLargerThanTheFile()
    {
        var good = GgufBytes.Llama().ToArray();
        var (read, refused, path) = (0, 0, _folder["m.gguf"]);
        for (var seed = 0; seed < Rounds; seed++)
        {
            File.WriteAllBytes(path, Mutations.Mutate(good, seed, good.Length - 3000));
            try
            {
                using var scope = NewDisposeScope();
                using var tensors = GgufTensors.Open(path);
                foreach (var name in tensors.Names)
                    Assert.Equal(tensors.Entry(name).Shape, tensors.Get(name).shape);
                TextTokenizer.Load(path).Encode("abcd <e>");
                GgufModel.FindChatTemplate(path);
                read++;
            }
            catch (DfpoException e)
            {
                Assert.True(
                    e.Code.Split('/')[0] is "checkpoint" or "gguf" or "tokenizer" or "chat" or "config",
                    $"seed {seed}: {e.Code}: {e.Message}"
                );
                Assert.True(e.Message.Contains(path, StringComparison.Ordinal), $"seed {seed}: {e.Code}: {e.Message}");
                refused++;
            }
        }
        Assert.InRange(read, 20, Rounds - 200);
    }

    [Fact]
    public void ImpossibleHeadersAreRefused()
    {
        Refused("checkpoint/corrupt", "not a GGUF file", "GGML"u8.ToArray());
        Refused("gguf/unsupported", "version 1", new GgufBytes { Version = 1 });
        Refused("gguf/unsupported", "version 50331648", new GgufBytes { Version = 3 << 24 });
        var claims = GgufBytes.Llama().ToArray();
        BitConverter.GetBytes(ulong.MaxValue).CopyTo(claims, 8);
        Refused("checkpoint/corrupt", "tensors", claims);
        claims = GgufBytes.Llama().ToArray();
        BitConverter.GetBytes(1UL << 40).CopyTo(claims, 16);
        Refused("checkpoint/corrupt", "metadata fields", claims);
        Refused("checkpoint/corrupt", "impossible shape", GgufBytes.Llama().Tensor("token_embd.weight", 0, [], 1UL << 40, 1UL << 40));
        Refused("checkpoint/corrupt", "impossible shape", GgufBytes.Llama().Tensor("token_embd.weight", 0, [], 8, 0));
        Refused("checkpoint/corrupt", "the file has", GgufBytes.Llama().Tensor("token_embd.weight", 0, new byte[32], 8, 6000));
        Refused(
            "checkpoint/corrupt",
            "overlaps",
            GgufBytes.Llama().Tensor("blk.0.attn_norm.weight", 0, new byte[4], 16).Tensor("blk.0.ffn_norm.weight", 0, new byte[32], 8)
        );
        Refused("checkpoint/corrupt", "no blocks of 32", GgufBytes.Llama().Tensor("token_embd.weight", 8, new byte[340], 8, 6));
        Refused("checkpoint/corrupt", "alignment", GgufBytes.Llama().With("general.alignment", 24u));
        Refused(
            "checkpoint/corrupt",
            "multiple of the alignment",
            new GgufBytes { Alignment = 4 }
                .With("general.architecture", "llama")
                .Tensor("a", 0, new byte[4], 1)
                .Tensor("b", 0, new byte[4], 1)
        );
        Refused("gguf/unsupported", "element type 19", GgufBytes.Llama().Tensor("token_embd.weight", 19, new byte[64], 8, 6));
    }

    [Fact]
    public void WhatIsNotUnderstoodIsNamed()
    {
        Refused("gguf/unsupported", "'mamba'", GgufBytes.Llama().With("general.architecture", "mamba"));
        Refused("gguf/unsupported", "'llama.new_trick'", GgufBytes.Llama().With("llama.new_trick", 1u));
        Refused("gguf/unsupported", "'llama.rope.scaling.type' is 'yarn'", GgufBytes.Llama().With("llama.rope.scaling.type", "yarn"));
        Refused("gguf/unsupported", "mixture of experts", GgufBytes.Llama().With("llama.expert_count", 8u));
        Refused("gguf/unsupported", "one of several files", GgufBytes.Llama().With("split.count", 2u));
        Refused("gguf/field", "'llama.block_count'", GgufBytes.Llama().With("llama.block_count", "many"));
        Refused(
            "checkpoint/unknown-tensor",
            "'rope_factors_long.weight'",
            GgufBytes.Llama().Tensor("rope_factors_long.weight", 0, new byte[16], 4)
        );
        Refused("checkpoint/shape", "'rope_freqs.weight'", GgufBytes.Llama().Tensor("rope_freqs.weight", 0, new byte[16], 4));
        Refused("tokenizer/unsupported", "'tokenizer.ggml.trick'", GgufBytes.Llama().With("tokenizer.ggml.trick", 1u));
        Refused("tokenizer/unsupported", "'bert'", GgufBytes.Llama().With("tokenizer.ggml.model", "bert"));
        Refused("tokenizer/unsupported", "'other-cut'", GgufBytes.Llama().With("tokenizer.ggml.pre", "other-cut"));
        Refused("gguf/field", "token_type", GgufBytes.Llama().With("tokenizer.ggml.token_type", new[] { 1 }));
    }

    private void Refused(string code, string words, GgufBytes file) => Refused(code, words, file.ToArray());

    private void Refused(string code, string words, byte[] file)
    {
        var path = _folder["refused.gguf"];
        File.WriteAllBytes(path, file);
        Assert.Equal(
            code,
            DfpoAssert.CodeOf(
                () =>
                {
                    GgufTensors.Open(path).Dispose();
                    TextTokenizer.Load(path);
                },
                words
            )
        );
    }

    private string Write(GgufBytes file)
    {
        var path = _folder["model.gguf"];
        File.WriteAllBytes(path, file.ToArray());
        return path;
    }
}
