using Akka.Actor;
using Akka.Cluster;
using Akka.Configuration;
using Akka.Dispatch.SysMsg;
using DfPO.Actors;
using DfPO.Actors.Experiments;
using DfPO.Actors.Security;

namespace DfPO.Host.Tests.EndToEnd;

/// <summary>Real processes: who may take part in a run, and what a stranger can do to it.</summary>
[Collection(WholeProcesses.Name)]
public sealed class SecurityTests
{
    private const string JoinHint = "dfpo worker --join ";

    [Fact]
    public async Task A_run_with_certificates_takes_workers_with_certificates_of_its_authority_and_tells_others_why_not()
    {
        using var experiment = new TinyExperiment();
        string[] Certificate(string authority)
        {
            var files = CertificateAuthority.Open(experiment.At(authority)).Issue("node", ["127.0.0.1"], ClusterRoles.All, 1);
            return ["--tls-ca", files.Ca, "--tls-cert", files.Certificate, "--tls-key", files.Key];
        }
        // The experiment's own files do not exist: the command line beats them.
        string[] beaten =
        [
            .. new[] { "ca", "certificate", "key" }.SelectMany(file => new[] { "--set", $"cluster.tls.{file}=nowhere.pem" }),
        ];
        using var run = RunningDfpo.Start(
            experiment.Run(["--local-workers", "0", "--set", "iterations=1", .. beaten, .. Certificate("ours")])
        );
        var address = (await run.Printed(JoinHint)).Split(' ')[0];
        using var plain = RunningDfpo.Start(["worker", "--join", address]);
        using var stranger = RunningDfpo.Start(["worker", "--join", address, .. Certificate("theirs")]);
        await Refused(plain, "tls/scheme", "speaks TLS");
        await Refused(stranger, "tls/refused", "does not trust");
        using var worker = RunningDfpo.Start(["worker", "--join", address, .. Certificate("ours")]);
        Assert.Equal(0, await run.Exit());
        Assert.Equal(0, await worker.Exit());
        Assert.DoesNotContain("workers: 2 rollout", run.Text);
    }

    [Fact]
    public async Task A_run_without_certificates_outlives_a_rogue_member()
    {
        using var experiment = new TinyExperiment();
        using var run = RunningDfpo.Start(experiment.Run("--local-workers", "0", "--set", "iterations=1"));
        var address = await run.Printed(JoinHint);
        using var rogue = ActorSystem.Create(
            "dfpo",
            ConfigurationFactory.ParseString(
                """
                akka { loglevel = OFF, stdout-loglevel = OFF, actor.provider = cluster, remote.dot-netty.tcp { hostname = 127.0.0.1, port = 0 } }
                """
            )
        );
        var learner = Address.Parse($"akka.tcp://dfpo@{address}");
        await Cluster.Get(rogue).JoinAsync(learner).WaitAsync(TimeSpan.FromSeconds(20));
        Attack(rogue, learner);
        using var worker = RunningDfpo.Start(["worker", "--join", address]);
        Assert.Equal(0, await run.Exit());
        Assert.Equal(0, await worker.Exit());
        Assert.Contains("it was not read", run.Text);
        Assert.NotEmpty(TinyExperiment.Digest(Assert.Single(experiment.RunFolders)));
        await rogue.Terminate();
    }

    /// <summary>Everything that Akka lets a member do to another's actors, to every actor whose name it can know.</summary>
    private static void Attack(ActorSystem rogue, Address learner)
    {
        string[] paths = [.. ExperimentProtocol.SelectedPaths, $"{ExperimentProtocol.SelectedPaths[1]}/learner", "/user/reward-0", "/user"];
        foreach (
            var target in paths.Select(path => (IInternalActorRef)((ExtendedActorSystem)rogue).Provider.ResolveActorRef($"{learner}{path}"))
        )
        {
            target.Tell(new { Anything = "that JSON can name" });
            target.Tell(new Status.Failure(new InvalidOperationException("of a type that it names")));
            target.Tell(Kill.Instance);
            target.Tell(PoisonPill.Instance);
            target.SendSystemMessage(new Suspend());
            target.SendSystemMessage(new Recreate(new InvalidOperationException("start anew")));
            target.SendSystemMessage(new Terminate());
            rogue.ActorSelection(target.Path).Tell(PoisonPill.Instance);
        }
        rogue.ActorOf(Props.Create(() => new Guest()).WithDeploy(new Deploy(new RemoteScope(learner))));
    }

    private static async Task Refused(RunningDfpo worker, string code, string word)
    {
        var exit = await worker.Exit();
        var line = worker
            .Text.Split('\n')
            .SingleOrDefault(line =>
                line.StartsWith("dfpo: ", StringComparison.Ordinal) && line.EndsWith($"[{code}]", StringComparison.Ordinal)
            );
        Assert.True(exit == 1 && line?.Contains(word, StringComparison.Ordinal) is true, $"exit code {exit}\n{worker.Text}");
    }

    private sealed class Guest : UntypedActor
    {
        protected override void OnReceive(object message) { }
    }
}
