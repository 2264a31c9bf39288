using DfPO.Actors.Experiments;
using DfPO.Actors.Learning;
using DfPO.Host.Generation;
using DfPO.Host.Runs;
using DfPO.Models.Policies;
using DfPO.Rollout;
using DfPO.Tasks.Prompts;

namespace DfPO.Host.Tests.Generation;

public sealed class TrainedPolicyTests : IDisposable
{
    private static readonly Prompt[] s_prompts = [.. Enumerable.Range(0, 6).Select(i => new Prompt($"{i}", $"The film number {i} was"))];
    private readonly NlpoRun _run = new();

    public void Dispose() => _run.Dispose();

    [Fact]
    public void A_run_s_policy_is_drawn_under_the_mask_of_its_checkpoint_with_the_run_s_parameters()
    {
        var trained = Open(_run.Path);
        Assert.Equal((_run.Best, 0.5, 5), (trained.Checkpoint, Options(trained).MaskTopP, Options(trained).MaskMinTokens));
        Assert.Equal(Texts(_run.Best, MaskFolder.In(_run.Best), NlpoRun.Masked), Texts(trained));
        Assert.NotEqual(Texts(_run.Best, null, NlpoRun.Plain), Texts(trained));
    }

    [Fact]
    public void A_checkpoint_without_a_mask_of_its_own_was_just_refreshed_and_masks_itself()
    {
        Directory.Delete(MaskFolder.In(_run.Best), recursive: true);
        Assert.Equal(Texts(_run.Best, _run.Best, NlpoRun.Masked), Texts(Open(_run.Path)));
    }

    [Fact]
    public void In_rl4lms_compat_the_reference_masks()
    {
        using var compat = new NlpoRun("learner.nlpo.rl4lms-compat=true");
        Directory.Delete(MaskFolder.In(compat.Best), recursive: true);
        Assert.Equal(Texts(compat.Best, compat.Experiment.At("policy"), NlpoRun.Masked), Texts(Open(compat.Path)));
    }

    [Fact]
    public void A_checkpoint_in_a_run_is_one_of_that_run_and_a_copy_of_it_needs_the_experiment()
    {
        var expected = Texts(Open(_run.Path));
        Assert.Equal(expected, Texts(Open(_run.Best)));
        Directory.CreateSymbolicLink(new RunCheckpoints(_run.Path).FinalFolder, _run.Best);
        Assert.Equal(expected, Texts(Open(Path.Combine(_run.Path, "final") + "/")));
        var copy = Directory.CreateSymbolicLink(_run.Experiment.At("copy"), _run.Best).FullName;
        Assert.Equal("usage/mask", DfpoAssert.CodeOf(() => Open(copy), "--experiment"));
        Assert.Equal(expected, Texts(Open(copy, RunFolder.Open(_run.Path).Config)));
        // Neither a run nor masked: nothing is assumed.
        Assert.Equal(new GenerationOptions(), Open(_run.Experiment.At("policy")).Evaluated);
    }

    [Fact]
    public void A_KL_mask_takes_the_place_of_nlpo_s_and_samples()
    {
        var trained = Open(_run.Path);
        Assert.Equal(
            (1.0, 1, DecodingPolicy.Negative),
            trained.Decoding(trained.Evaluated with { NumBeams = 3 }, DecodingPolicy.Negative) is var options
                ? (options.MaskTopP, options.NumBeams, options.Policy)
                : default
        );
    }

    [Fact]
    public void Who_takes_no_data_needs_none()
    {
        File.Delete(_run.Experiment.At("train.jsonl"));
        Assert.NotEmpty(Texts(Open(_run.Path)));
        Assert.Equal("config/path", DfpoAssert.CodeOf(() => TrainedPolicy.Open(_run.Path, null, null, whole: true), "task.train-prompts"));
    }

    private static TrainedPolicy Open(string folder, string? experiment = null) =>
        TrainedPolicy.Open(folder, experiment, null, whole: false);

    private static GenerationOptions Options(TrainedPolicy trained) => trained.Decoding(trained.Evaluated, DecodingPolicy.Policy);

    private static string[] Texts(TrainedPolicy trained)
    {
        using var generator = trained.Load([Options(trained)], scored: false, "cpu", "float32");
        return Texts(generator, Options(trained));
    }

    private static string[] Texts(string policy, string? mask, GenerationOptions options)
    {
        using var generator = TextGenerator.Load(policy, null, "cpu", "float32", mask);
        return Texts(generator, options);
    }

    private static string[] Texts(TextGenerator generator, GenerationOptions options) =>
        [.. generator.Generate(s_prompts, options, 1, 16, null, default).Select(continuation => continuation.Text)];
}
