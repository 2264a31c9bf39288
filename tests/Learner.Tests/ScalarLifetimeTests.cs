using DfPO.Learner.Configuration;
using DfPO.Learner.Optimisation;
using DfPO.Learner.Tests.Objectives;
using TorchSharp;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace DfPO.Learner.Tests;

/// <summary>
/// Numbers that libtorch reads live until it has read them, however often the garbage collector runs. It runs beside no other test.
/// </summary>
[Collection(Alone.Name)]
public sealed class ScalarLifetimeTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public static TheoryData<ObjectiveKind> Kinds => EveryObjective.Kinds;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Steps_of_the_optimiser_have_the_same_bits_while_memory_is_collected()
    {
        static byte[] Steps()
        {
            using var scope = NewDisposeScope();
            using var parameter = new Parameter(linspace(-1, 1, 64));
            using var optimiser = new AdamW([new ParameterGroup([("p", parameter)], 1e-2, 0.1)]);
            for (var step = 0; step < 1500; step++)
            {
                using var inner = NewDisposeScope();
                parameter.grad = parameter.detach().sin();
                optimiser.Step();
            }
            return parameter.bytes.ToArray();
        }
        Assert.Equal(Steps(), WhileCollecting(Steps));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Updates_have_the_same_bits_while_memory_is_collected(ObjectiveKind kind)
    {
        var options = EveryObjective.Options with { Objective = kind };
        byte[] Updates()
        {
            var policy = Support.TinyPolicy(1);
            using var learner = EveryObjective.Learner(options, policy, Support.TinyValue(), Support.TinyPolicy(9), _folder["incidents"]);
            for (var iteration = 0; iteration < 3; iteration++)
                learner.Update(EveryObjective.Batch(options, policy, Support.TinyPolicy(3), 11 + (ulong)iteration));
            return Support.Bytes(policy);
        }
        Assert.Equal(Updates(), WhileCollecting(Updates));
    }

    private static T WhileCollecting<T>(Func<T> work)
    {
        var done = false;
        var collector = new Thread(() =>
        {
            while (!Volatile.Read(ref done))
            {
                GC.Collect(0);
                GC.WaitForPendingFinalizers();
            }
        });
        collector.Start();
        try
        {
            return work();
        }
        finally
        {
            Volatile.Write(ref done, true);
            collector.Join();
        }
    }
}
