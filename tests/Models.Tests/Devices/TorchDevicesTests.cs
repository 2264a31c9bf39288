using DfPO.Models.Devices;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Devices;

public sealed class TorchDevicesTests
{
    [Fact]
    public void TheCpuIsAlwaysThere() => Assert.Equal(DeviceType.CPU, TorchDevices.Parse("cpu").type);

    [Theory]
    [InlineData("")]
    [InlineData("gpu")]
    [InlineData("CPU")]
    [InlineData("cuda:")]
    [InlineData("cuda:one")]
    [InlineData("cuda:-1")]
    [InlineData("cuda:0:1")]
    [InlineData("cuda:99999999999")]
    [InlineData("meta")]
    public void AnUnknownNameIsRefusedWithTheKnownOnes(string name) =>
        Assert.Equal("device/unknown", CodeOf(() => TorchDevices.Parse(name), $"'{name}'", "cuda:N"));

    [Fact]
    public void ADeviceThatThisMachineLacksIsAbsent() =>
        Assert.Equal("device/absent", CodeOf(() => TorchDevices.Parse("cuda:4096"), "cuda:4096"));

    [Theory]
    [InlineData("float32", ScalarType.Float32)]
    [InlineData("f32", ScalarType.Float32)]
    [InlineData("bfloat16", ScalarType.BFloat16)]
    [InlineData("bf16", ScalarType.BFloat16)]
    [InlineData("float16", ScalarType.Float16)]
    public void DtypesGoByPyTorchsNamesAndTheirShortForms(string name, ScalarType dtype) =>
        Assert.Equal(dtype, TorchDevices.ParseDtype(name));

    [Theory]
    [InlineData("")]
    [InlineData("int8")]
    [InlineData("BF16")]
    public void AnUnknownDtypeIsRefusedWithTheKnownOnes(string name) =>
        Assert.Equal("dtype/unknown", CodeOf(() => TorchDevices.ParseDtype(name), $"'{name}'", "bfloat16"));
}
