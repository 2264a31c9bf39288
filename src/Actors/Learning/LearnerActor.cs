using Akka.Actor;
using DfPO.Actors.Threading;
using static DfPO.Actors.Learning.LearnerProtocol;

namespace DfPO.Actors.Learning;

/// <summary>Gives the learner a mailbox: every command runs on one torch thread, in order, and its result goes back to the asker.</summary>
public sealed class LearnerActor : ReceiveActor
{
    private readonly TorchThread _thread;
    private readonly Task<LearnerSession> _session;

    /// <summary>Starts loading at once.</summary>
    /// <param name="create">Loads the models; runs on the torch thread.</param>
    /// <param name="torchThreads">Threads of one torch operation; 0 means one a processor.</param>
    public LearnerActor(Func<LearnerSession> create, int torchThreads)
    {
        _thread = new TorchThread("torch learner", torchThreads);
        _session = _thread.Run(create);
        Receive<ICommand>(command => _thread.Run(() => command.Ask(_session.GetAwaiter().GetResult())).PipeTo(Sender, Self));
    }

    /// <summary>Recipe of the actor.</summary>
    public static Props Props(Func<LearnerSession> create, int torchThreads) =>
        Akka.Actor.Props.Create(() => new LearnerActor(create, torchThreads));

    /// <inheritdoc/>
    protected override void PostStop()
    {
        _thread.Run(() =>
        {
            if (_session.IsCompletedSuccessfully)
                _session.Result.Dispose();
            return true;
        });
        _thread.Dispose();
    }
}
