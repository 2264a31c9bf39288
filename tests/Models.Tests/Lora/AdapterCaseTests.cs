using System.Text.Json.Nodes;
using DfPO.Models.Lora;
using DfPO.Models.Tests.Support;
using TorchSharp;
using static DfPO.Models.Tests.Support.TensorAssert;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Lora;

/// <summary>Adapters of the world whose fields used to be passed over.</summary>
public sealed class AdapterCaseTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly DisposeScope _scope = NewDisposeScope();

    /// <summary>Adapters beside a base of theirs.</summary>
    public static TheoryData<string> Adapters =>
        [
            .. Directory
                .GetFiles(Repository.Cases, AdapterFolder.ConfigName, SearchOption.AllDirectories)
                .Select(path => Path.GetDirectoryName(path)!)
                .Where(folder => Directory.Exists(Path.Combine(folder, "..", "base")))
                .Select(folder => Path.GetRelativePath(Repository.Cases, folder))
                .Order(StringComparer.Ordinal),
        ];

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [MemberData(nameof(Adapters))]
    public void IsComputedAsItsFieldsSayOrRefusedByThem(string name)
    {
        var source = Path.Combine(Repository.Cases, name);
        var json = HfConfigReader.ReadFile(Path.Combine(source, AdapterFolder.ConfigName));
        json["base_model_name_or_path"] = Path.Combine(source, "..", "base");
        _folder.Write(AdapterFolder.ConfigName, json.ToJsonString());
        // A case that is about its configuration alone takes the weights of one beside it.
        foreach (
            var weights in Directory
                .GetFiles(source, "adapter_model.*")
                .DefaultIfEmpty(Directory.GetFiles(Path.Combine(source, ".."), "adapter_model.safetensors", SearchOption.AllDirectories)[0])
        )
            File.Copy(weights, _folder[Path.GetFileName(weights)]);

        if (json["alora_invocation_tokens"] is not null)
            Refused("alora_invocation_tokens");
        else if (json["init_lora_weights"] is JsonValue init && init.TryGetValue<string>(out var kind))
        {
            if (kind == "olora")
            {
                Refused("init_lora_weights");
                return;
            }
            // The principal part of each adapted weight is taken out, so that what is left has that many singular values of 0.
            using var model = PretrainedModels.LoadLanguageModel(_folder.Path);
            using var folder = AdapterFolder.Load(_folder.Path);
            foreach (var path in folder.Factors.Paths)
            {
                using var _ = no_grad();
                var rest = model.get_parameter(path + ".weight")!.t() - folder.Factors.Layers[path].Delta();
                var (_, values, _) = linalg.svd(rest, fullMatrices: false);
                Assert.True(values[^folder.Factors.Rank].item<float>() < 1e-5 * values[0].item<float>());
            }
        }
        else
        {
            using var model = PretrainedModels.LoadLanguageModel(_folder.Path);
            using var expected = PretrainedModels.LoadLanguageModel(Path.Combine(source, "..", "base"));
            using var folder = AdapterFolder.Load(_folder.Path);
            using var _ = no_grad();
            foreach (var path in folder.Factors.Paths)
                Close(
                    expected.get_parameter(path + ".weight")! + folder.Factors.Layers[path].Delta().t(),
                    model.get_parameter(path + ".weight")!,
                    1e-6
                );
        }

        void Refused(string field)
        {
            var error = Assert.Throws<DfpoException>(() => PretrainedModels.LoadLanguageModel(_folder.Path));
            Assert.Equal("lora/unsupported", error.Code);
            Assert.Contains($"'{field}'", error.Message);
        }
    }
}
