using Akka.Actor;
using Akka.Cluster.Tools.Singleton;

namespace DfPO.Actors.Experiments;

/// <summary>The experiment as a cluster singleton.</summary>
public static class ExperimentSingleton
{
    // The run's lock keeps a successor from starting too early, so no margin is needed beside it.
    private static readonly TimeSpan s_removalMargin = TimeSpan.FromMilliseconds(1);

    /// <summary>
    /// Makes this node a candidate: the experiment comes to life on the oldest node of the run's own role, and moves to the next when that
    /// one is gone. A node of another run has another role: it never takes this one over.
    /// </summary>
    public static void Start(ActorSystem system, ExperimentSetup setup) =>
        system.ActorOf(
            ClusterSingletonManager.Props(
                ExperimentActor.Props(setup),
                PoisonPill.Instance,
                ClusterSingletonManagerSettings
                    .Create(system)
                    .WithRole(setup.Identity.Role)
                    .WithSingletonName(ExperimentProtocol.SingletonName)
                    .WithRemovalMargin(s_removalMargin)
            ),
            ExperimentProtocol.ManagerName
        );
}
