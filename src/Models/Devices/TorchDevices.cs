using TorchSharp;

namespace DfPO.Models.Devices;

/// <summary>Device names as PyTorch spells them: <c>cpu</c>, <c>cuda</c>, <c>cuda:0</c>.</summary>
public static class TorchDevices
{
    /// <summary>Parses a device name and checks that this build and machine have it.</summary>
    /// <exception cref="DfpoException"><c>device/unknown</c> or <c>device/absent</c>.</exception>
    public static torch.Device Parse(string name)
    {
        var (type, indexText) = name.Split(':', 2) is [var t, var i] ? (t, i) : (name, null);
        var index = 0;
        if (type is not ("cpu" or "cuda") || (indexText is not null && (!int.TryParse(indexText, out index) || index < 0)))
            throw new DfpoException("device/unknown", $"Device '{name}' is not known: write 'cpu', 'cuda' or 'cuda:N'.");
        if (type == "cpu")
            return torch.CPU;
        if (!torch.cuda.is_available())
            throw new DfpoException(
                "device/absent",
                $"Device '{name}' was asked for, but this build sees no CUDA device: build with -p:TorchBackend=cuda on a machine with an NVIDIA driver, or use 'cpu'."
            );
        if (index >= torch.cuda.device_count())
            throw new DfpoException(
                "device/absent",
                $"Device '{name}' was asked for, but there are {torch.cuda.device_count()} CUDA device(s), numbered from 0."
            );
        return torch.device(DeviceType.CUDA, index);
    }

    /// <summary>Parses <c>float32</c>, <c>bfloat16</c> or <c>float16</c> (short forms <c>f32</c>, <c>bf16</c>, <c>f16</c>).</summary>
    /// <exception cref="DfpoException"><c>dtype/unknown</c>.</exception>
    public static torch.ScalarType ParseDtype(string name) =>
        name switch
        {
            "float32" or "f32" or "fp32" => torch.ScalarType.Float32,
            "bfloat16" or "bf16" => torch.ScalarType.BFloat16,
            "float16" or "f16" or "fp16" => torch.ScalarType.Float16,
            _ => throw new DfpoException("dtype/unknown", $"Data type '{name}' is not known: write 'float32', 'bfloat16' or 'float16'."),
        };
}
