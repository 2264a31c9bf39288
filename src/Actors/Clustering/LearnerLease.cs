using Akka.Actor;
using Akka.Cluster;
using Akka.Coordination;

namespace DfPO.Actors.Clustering;

/// <summary>
/// The split-brain resolver's tie-break, centred on the learner: the side of a broken cluster that sees a node of role
/// <see cref="ClusterRoles.Learner"/> goes on without the others, a side without one downs itself. So a learner outlives its workers, and a
/// standby outlives the learner. Where both sides have one, the run's lock decides who of them learns (<see cref="Experiments.RunLock"/>).
/// </summary>
/// <remarks>The lease-majority strategy asks it on the leader of each side, whatever that node's roles.</remarks>
public sealed class LearnerLease(LeaseSettings settings, ExtendedActorSystem system) : Lease(settings)
{
    /// <summary>Configuration that makes it the resolver's lease.</summary>
    internal const string Hocon = """
        akka.cluster {
          downing-provider-class = "Akka.Cluster.SBR.SplitBrainResolverProvider, Akka.Cluster"
          split-brain-resolver {
            active-strategy = lease-majority
            lease-majority { lease-implementation = "dfpo.learner-lease", role = "learner", acquire-lease-delay-for-minority = 0s }
          }
        }
        dfpo.learner-lease {
          lease-class = "DfPO.Actors.Clustering.LearnerLease, DfPO.Actors"
          heartbeat-timeout = 30s
          heartbeat-interval = 5s
          lease-operation-timeout = 5s
        }
        """;

    /// <inheritdoc/>
    public override Task<bool> Acquire() => Task.FromResult(SeesLearner(Cluster.Get(system).State));

    /// <inheritdoc/>
    public override Task<bool> Acquire(Action<Exception> leaseLostCallback) => Acquire();

    /// <inheritdoc/>
    public override Task<bool> Release() => Task.FromResult(true);

    /// <summary>Never held over: each decision looks again.</summary>
    public override bool CheckLease() => false;

    /// <summary>Whether a learner's node is among the members that can be reached.</summary>
    internal static bool SeesLearner(ClusterEvent.CurrentClusterState state) =>
        state
            .Members.Except(state.Unreachable)
            .Any(member => member.HasRole(ClusterRoles.Learner) && member.Status is MemberStatus.Up or MemberStatus.Leaving);
}
