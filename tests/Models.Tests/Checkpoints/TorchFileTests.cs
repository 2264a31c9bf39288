using System.IO.Compression;
using System.Text.Json.Nodes;
using DfPO.Models.Checkpoints;
using DfPO.Models.Tests.Support;
using TorchSharp;
using static DfPO.Models.Tests.Support.TensorAssert;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Checkpoints;

public sealed class TorchFileTests : IDisposable
{
    private static readonly ScalarType[] s_types =
    [
        ScalarType.Float64,
        ScalarType.Float32,
        ScalarType.Float16,
        ScalarType.BFloat16,
        ScalarType.Int64,
        ScalarType.Int32,
        ScalarType.Int16,
        ScalarType.Int8,
        ScalarType.Byte,
        ScalarType.Bool,
    ];

    private readonly TestFolder _folder = new();
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
    }

    /// <summary>Folders that hold the same weights in both formats, made by PyTorch.</summary>
    public static TheoryData<string> Both { get; } =
    [
        .. Directory
            .GetDirectories(Repository.Path("tests/checkpoints"))
            .Where(folder => File.Exists(Path.Combine(folder, "pytorch_model.bin")))
            .Select(folder => Path.GetFileName(folder)!)
            .Order(StringComparer.Ordinal),
    ];

    [Theory]
    [MemberData(nameof(Both))]
    [Trait("Category", "Fixtures")]
    public void AFileOfPyTorchsHoldsTheSameBitsAsItsSafetensors(string checkpoint)
    {
        var folder = TestFiles.Checkpoint(checkpoint);
        using var torch = TorchFile.Open(Path.Combine(folder, "pytorch_model.bin"));
        using var safe = SafetensorsFile.Open(Path.Combine(folder, "model.safetensors"));

        Assert.Equal(safe.Names.Order(), torch.Names.Order());
        foreach (var name in safe.Names)
            Same(safe.Get(name), torch.Get(name));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void EveryDtypeComesBackBitForBit(bool legacy)
    {
        var tensors = s_types.ToDictionary(type => type.ToString(), type => (arange(-7, 8, ScalarType.Float32) * 3.7).to(type).view(3, 5));
        tensors["scalar"] = tensor(2.5f);
        tensors["empty"] = empty([0, 3], ScalarType.Int64);
        tensors["ö"] = tensor(new[] { 1L, -1 });

        using var file = Open(TorchFileWriter.Write(tensors, legacy));

        Assert.Equal(tensors.Keys, file.Names);
        foreach (var (name, tensor) in tensors)
        {
            Assert.Equal(
                (Dtypes.Name(tensor.dtype), string.Join(',', tensor.shape)),
                (file.Entry(name).Dtype, string.Join(',', file.Entry(name).Shape))
            );
            Same(tensor, file.Get(name));
        }
    }

    [Fact]
    public void TensorsMayBeViewsOfOneStorage()
    {
        var whole = arange(24, ScalarType.Float32);
        var pickle = PickleBytes
            .Protocol2.Raw('}', '(')
            .Text("rows")
            .View("FloatStorage", "s", 24, 0, [4, 6], [6, 1])
            .Text("columns")
            .View("FloatStorage", "s", 24, 0, [6, 4], [1, 6])
            .Text("end")
            .View("FloatStorage", "s", 24, 20, [4], [1])
            .Text("every second")
            .View("FloatStorage", "s", 24, 1, [12], [2])
            .Raw('u')
            .Done();
        using var file = Open(TorchFileWriter.Archive(pickle, [("s", whole.bytes.ToArray())]));

        Same(whole.view(4, 6), file.Get("rows"));
        Same(whole.view(4, 6).t().contiguous(), file.Get("columns"));
        Same(whole.narrow(0, 20, 4).contiguous(), file.Get("end"));
        Same(whole[torch.TensorIndex.Slice(1, step: 2)].contiguous(), file.Get("every second"));
    }

    [Fact]
    public void ParametersAndOldOrderedDictionariesAreReadToo()
    {
        // OrderedDict([["weight", Parameter(...)]]), with values remembered and recalled.
        var pickle = PickleBytes
            .Protocol2.Global("collections", "OrderedDict")
            .Raw('q', 0, ']', ']', '(')
            .Text("weight")
            .Global("torch._utils", "_rebuild_parameter")
            .Raw('(')
            .View("FloatStorage", "0", 2, 0, [2], [1])
            .Raw('q', 1, 0x88)
            .Raw('h', 0, ')', 'R')
            .Raw('t', 'R', 'e', 'a', 0x85, 'R')
            .Done();
        using var file = Open(TorchFileWriter.Archive(pickle, [("0", tensor(new[] { 1f, 2 }).bytes.ToArray())]));

        Same(tensor(new[] { 1f, 2 }), file.Get("weight"));
    }

    [Fact]
    public void AFolderWithPyTorchsWeightsGivesTheSameModelWholeOrInShards()
    {
        var source = TestFiles.Checkpoint("gpt-nano-sort");
        var ids = tensor(new[] { 2L, 0, 1 }).unsqueeze(0);
        var expected = PretrainedModels.LoadCausalLM(source).Logits(ids);
        foreach (var name in new[] { "config.json", "pytorch_model.bin" })
            File.Copy(Path.Combine(source, name), _folder[name]);

        Same(expected, PretrainedModels.LoadCausalLM(_folder.Path).Logits(ids));

        var map = new JsonObject();
        using (var weights = CheckpointFolder.Open(source))
            foreach (var (number, names) in weights.Names.Chunk(weights.Names.Count / 2 + 1).Index())
            {
                var shard = $"pytorch_model-{number + 1:D5}-of-00002.bin";
                File.WriteAllBytes(
                    _folder[shard],
                    TorchFileWriter.Write(names.ToDictionary(name => name, weights.Get), legacy: number == 1)
                );
                foreach (var name in names)
                    map[name] = shard;
            }
        File.Delete(_folder["pytorch_model.bin"]);
        _folder.Write(
            "pytorch_model.bin.index.json",
            new JsonObject { ["metadata"] = new JsonObject(), ["weight_map"] = map }.ToJsonString()
        );

        Same(expected, PretrainedModels.LoadCausalLM(_folder.Path).Logits(ids));
        File.Delete(_folder["pytorch_model-00002-of-00002.bin"]);
        Assert.Equal(
            "checkpoint/missing-file",
            CodeOf(() => PretrainedModels.LoadCausalLM(_folder.Path), "pytorch_model-00002-of-00002.bin")
        );
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void NothingThatAPickleAsksForIsRun(bool legacy)
    {
        var touched = _folder["touched"];
        byte[][] pickles =
        [
            PickleBytes.Protocol2.Global("posix", "system").Text($"touch {touched}").Raw(0x85, 'R').Done(),
            PickleBytes.Protocol2.Text("os").Text("system").Raw(0x93).Text($"touch {touched}").Raw(0x85, 'R').Done(),
            PickleBytes.Protocol2.Global("builtins", "eval").Text("1").Raw(0x85, 'R').Done(),
            PickleBytes.Protocol2.Global("torch._utils", "_rebuild_device_tensor_from_numpy").Raw(')', 'R').Done(),
            PickleBytes.Protocol2.Global("collections", "Counter").Raw(')', 'R').Done(),
            PickleBytes.Protocol2.Raw('(').Text("ls").Raw('i').Text("x").Done(),
            PickleBytes.Protocol2.Global("collections", "OrderedDict").Raw(')', 0x81).Done(),
            PickleBytes
                .Protocol2.Raw('}')
                .Text("w")
                .View("FloatStorage", "0", 1, 0, [1], [1])
                .Raw('s')
                .Raw('}')
                .Text("__class__")
                .Global("builtins", "exec")
                .Raw('s', 'b')
                .Done(),
        ];
        foreach (var pickle in pickles)
            Assert.Equal(
                "checkpoint/corrupt",
                CodeOf(() => Open(legacy ? TorchFileWriter.Legacy(pickle, []) : TorchFileWriter.Archive(pickle, [])), "its pickle", "t.bin")
            );
        Assert.False(File.Exists(touched));
    }

    public static TheoryData<string, byte[], string> Broken =>
        new()
        {
            { "beyond the storage", View(4, 0, [5], [1]), "storage of 4" },
            { "offset beyond the storage", View(4, 4, [1], [1]), "element 4" },
            { "stride beyond the storage", View(4, 0, [2], [4]), "element 4" },
            { "repeats its storage", View(4, 0, [1_000_000_000, 4], [0, 1]), "larger than its storage" },
            { "overflow", View(4, 0, [long.MaxValue, long.MaxValue], [long.MaxValue, 1]), "larger than its storage" },
            { "negative size", View(4, 0, [-1], [1]), "impossible" },
            { "negative stride", View(4, 0, [2], [-1]), "impossible" },
            { "negative offset", View(4, -1, [2], [1]), "impossible" },
            { "too many dimensions", View(4, 0, [1, 1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1, 1]), "impossible" },
            { "strides missing", View(4, 0, [2, 2], [1]), "impossible" },
            { "negative storage", View(-1, 0, [1], [1]), "storage" },
            { "huge storage", View(long.MaxValue, 0, [1], [1]), "storage" },
            { "storage larger than its bytes", View(5, 0, [1], [1]), "20 bytes" },
            {
                "wrong dtype",
                PickleBytes.Protocol2.Raw('}').Text("w").View("DoubleStorage", "0", 4, 0, [4], [1]).Raw('s').Done(),
                "32 bytes"
            },
            {
                "unknown dtype",
                PickleBytes.Protocol2.Raw('}').Text("w").View("ComplexFloatStorage", "0", 4, 0, [4], [1]).Raw('s').Done(),
                "ComplexFloatStorage"
            },
            {
                "no such storage",
                PickleBytes.Protocol2.Raw('}').Text("w").View("FloatStorage", "1", 4, 0, [4], [1]).Raw('s').Done(),
                "data/1"
            },
            { "not a tensor", PickleBytes.Protocol2.Raw('}').Text("epoch").Number(3).Raw('s').Done(), "'epoch' is no tensor" },
            { "nested", PickleBytes.Protocol2.Raw('}').Text("state_dict").Raw('}', 's').Done(), "'state_dict' is no tensor" },
            {
                "key is a number",
                PickleBytes.Protocol2.Raw('}').Number(3).View("FloatStorage", "0", 4, 0, [4], [1]).Raw('s').Done(),
                "'3'"
            },
            { "key is a list", PickleBytes.Protocol2.Raw('}', ']', 'N', 's').Done(), "key" },
            { "no dictionary", PickleBytes.Protocol2.Raw(']').Done(), "something else" },
            { "empty", PickleBytes.Protocol2.Raw('}').Done(), "something else" },
            { "nothing on the stack", PickleBytes.Protocol2.Raw('R').Done(), "no value|none" },
            { "left over", PickleBytes.Protocol2.Raw('}', '}').Done(), "left over" },
            { "no stop", PickleBytes.Protocol2.Raw('}').Unfinished(), "breaks off" },
            { "no mark", PickleBytes.Protocol2.Raw('}', 'u').Done(), "group" },
            { "odd items", PickleBytes.Protocol2.Raw('}', '(', 'K', 1, 'u').Done(), "without a value" },
            { "not remembered", PickleBytes.Protocol2.Raw('h', 7).Done(), "value 7" },
            { "text longer than the file", PickleBytes.Protocol2.Raw('X', 0xff, 0xff, 0xff, 0x3).Done(), "67108863" },
            { "text far too long", PickleBytes.Protocol2.Raw('X', 0xff, 0xff, 0xff, 0xff).Done(), "too much text" },
            { "text that is none", PickleBytes.Protocol2.Raw('X', 1, 0, 0, 0, 0xff).Done(), "UTF-8" },
            { "contains itself", PickleBytes.Protocol2.Raw('}', 'q', 0).Text("self").Raw('h', 0, 's').Done(), "'self' is no tensor" },
            { "protocol 0", "(dp0\n."u8.ToArray(), "0x64" },
            { "too many operations", PickleBytes.Protocol2.Raw([.. Enumerable.Repeat((int)'}', 4_100_000)]).Done(), "too many operations" },
            { "dictionaries again and again", Again(), "too many operations" },
        };

    [Theory]
    [MemberData(nameof(Broken))]
    public void ABrokenPickleIsRefused(string what, byte[] pickle, string word)
    {
        var before = GC.GetTotalAllocatedBytes();
        var error = Assert.Throws<DfpoException>(() => Open(TorchFileWriter.Archive(pickle, [("0", new byte[16])])).Dispose());

        Assert.True(error.Code == "checkpoint/corrupt", what);
        Assert.Contains(word.Split('|'), part => error.Message.Contains(part));
        Assert.Contains("t.bin", error.Message);
        Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, 2_000_000_000);
    }

    [Fact]
    public void AnArchiveThatTorchSaveDoesNotWriteIsRefused()
    {
        var good = View(4, 0, [4], [1]);
        Refused(TorchFileWriter.Archive(good, [("0", new byte[16])], CompressionLevel.SmallestSize), "compressed");
        Refused(TorchFileWriter.Archive(good, [("0", new byte[16])], byteOrder: "big"), "little-endian");
        Refused(TorchFileWriter.Archive(good, [("0", new byte[16]), ("0", new byte[16])]), "two entries");
        Refused(TorchFileWriter.Archive(good, [("0", new byte[12])]), "16 bytes");
        Refused([.. "PK\u0003\u0004"u8, .. new byte[100]], "t.bin");
        Refused("this is text"u8.ToArray(), "pickle");
        Refused([], "breaks off");
        Refused(
            TorchFileWriter.Legacy(
                PickleBytes.Protocol2.Raw('}').Text("w").View("FloatStorage", "0", 4, 0, [4], [1], legacy: true).Raw('s').Done(),
                []
            ),
            "'w'"
        );
        Refused(
            TorchFileWriter.Legacy(
                PickleBytes.Protocol2.Raw('}').Text("w").View("FloatStorage", "0", 4, 0, [4], [1], legacy: true).Raw('s').Done(),
                [("0", 4, new byte[15])]
            ),
            "15 bytes are left"
        );
        Refused(
            TorchFileWriter.Legacy(
                PickleBytes.Protocol2.Raw('}').Text("w").View("FloatStorage", "0", 4, 0, [4], [1], legacy: true).Raw('s').Done(),
                [("0", 5, new byte[20])]
            ),
            "claims 5"
        );
        Refused(
            TorchFileWriter.Legacy(
                PickleBytes.Protocol2.Raw('}').Text("w").View("FloatStorage", "0", 4, 0, [4], [1], legacy: true).Raw('s').Done(),
                [("0", 4, new byte[16]), ("1", 4, new byte[16])]
            ),
            "'1'"
        );

        void Refused(byte[] file, string word) =>
            Assert.Equal("checkpoint/corrupt", CodeOf(() => Open(file).Dispose(), word, _folder.Path));
    }

    [Fact]
    public void WhatIsNotThereIsNamed()
    {
        using var file = Open(TorchFileWriter.Write(new Dictionary<string, Tensor> { ["a"] = ones([2]) }, legacy: false));

        Assert.Equal("checkpoint/missing-tensor", CodeOf(() => file.Get("b"), "'b'", "t.bin"));
        Assert.Equal("checkpoint/missing-tensor", CodeOf(() => file.Entry("b"), "'b'"));
        Assert.Equal("checkpoint/missing-file", CodeOf(() => TorchFile.Open(_folder["none.bin"]), "none.bin"));
    }

    private static byte[] View(long count, long offset, long[] shape, long[] strides) =>
        PickleBytes.Protocol2.Raw('}').Text("w").View("FloatStorage", "0", count, offset, shape, strides).Raw('s').Done();

    /// <summary>A list of a thousand pairs, made into a dictionary ten thousand times.</summary>
    private static byte[] Again()
    {
        var pickle = PickleBytes.Protocol2.Raw(']', 'q', 0, '(');
        for (var i = 0; i < 1000; i++)
            pickle.Raw(']', '(').Number(i).Raw('N', 'e');
        pickle.Raw('e', '0').Global("collections", "OrderedDict").Raw('q', 1, '0');
        for (var i = 0; i < 10_000; i++)
            pickle.Raw('h', 1, 'h', 0, 0x85, 'R', '0');
        return pickle.Raw('}').Done();
    }

    private TorchFile Open(byte[] bytes)
    {
        File.WriteAllBytes(_folder["t.bin"], bytes);
        return TorchFile.Open(_folder["t.bin"]);
    }
}
