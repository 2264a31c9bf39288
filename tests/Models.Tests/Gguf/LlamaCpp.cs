using System.Runtime.InteropServices;
using System.Text;
using LLama;
using LLama.Common;
using LLama.Native;

namespace DfPO.Models.Tests.Gguf;

/// <summary>The real llama.cpp, in this process.</summary>
internal static unsafe class LlamaCpp
{
    private static readonly Lazy<nint> s_ggml = new(() =>
    {
        Load();
        return NativeLibrary.Load(
            Directory
                .GetFiles(AppContext.BaseDirectory, Library, SearchOption.AllDirectories)
                .First(file => file.Contains(Platform) && file.Contains("noavx", StringComparison.Ordinal))
        );
    });

    private static void Load()
    {
        if (!NativeLibraryConfig.LLama.LibraryHasLoaded)
            NativeLibraryConfig.All.WithLogCallback((_, _) => { });
        NativeApi.llama_empty_call();
    }

    private static string Library =>
        OperatingSystem.IsWindows() ? "ggml-base.dll"
        : OperatingSystem.IsMacOS() ? "libggml-base.dylib"
        : "libggml-base.so";

    private static string Platform =>
        OperatingSystem.IsWindows() ? "win-x64"
        : OperatingSystem.IsMacOS() ? "osx"
        : "linux-x64";

    /// <summary>Numbers of blocks by ggml's own function for their type.</summary>
    /// <param name="type">Name of the type as in <c>dequantize_row_q4_K</c>.</param>
    /// <param name="blocks">Whole blocks.</param>
    /// <param name="count">Elements in them.</param>
    public static float[] Dequantise(string type, byte[] blocks, int count)
    {
        var function = (delegate* unmanaged[Cdecl]<byte*, float*, long, void>)
            NativeLibrary.GetExport(s_ggml.Value, $"dequantize_row_{type}");
        var values = new float[count];
        fixed (byte* from = blocks)
        fixed (float* to = values)
            function(from, to, count);
        return values;
    }

    /// <summary>Logits after every token of a text, and the ids that llama.cpp makes of texts.</summary>
    public static (float[][] Logits, int[][] Ids) Run(string path, int[] tokens, params string[] texts)
    {
        Load();
        var parameters = new ModelParams(path)
        {
            ContextSize = (uint)Math.Max(32, tokens.Length),
            BatchSize = 512,
            GpuLayerCount = 0,
            Threads = 1,
            BatchThreads = 1,
            FlashAttention = false,
            TypeK = GGMLType.GGML_TYPE_F32,
            TypeV = GGMLType.GGML_TYPE_F32,
        };
        using var weights = LLamaWeights.LoadFromFile(parameters);
        var ids = texts
            .Select(text => weights.Tokenize(text, add_bos: true, special: true, Encoding.UTF8).Select(token => (int)token).ToArray())
            .ToArray();
        using var context = weights.CreateContext(parameters);
        var batch = new LLamaBatch();
        foreach (var (position, token) in tokens.Index())
            batch.Add((LLamaToken)token, (LLamaPos)position, LLamaSeqId.Zero, logits: true);
        Assert.Equal(DecodeResult.Ok, context.Decode(batch));
        return ([.. tokens.Index().Select(token => context.NativeHandle.GetLogitsIth(token.Index).ToArray())], ids);
    }
}
