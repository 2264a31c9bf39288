using System.Runtime.Serialization;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Models;
using DfPO.Models.Policies;
using DfPO.Rollout;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Rewards;
using Google.Protobuf;
using static DfPO.Actors.Work.WorkProtocol;

namespace DfPO.Actors.Serialization;

/// <summary>Between the work protocol's records and their wire form.</summary>
internal static class WorkMapping
{
    public static IMessage ToWire(object message) =>
        message switch
        {
            RegisterWorker m => new Wire.RegisterWorker
            {
                Worker = m.Worker.Value,
                Device = m.Device,
                Version = m.Version,
                ModelDigest = m.ModelDigest,
                BulkUrl = m.BulkUrl,
                MachineClass = m.MachineClass,
                Run = m.Run,
            },
            WorkerAccepted m => Accepted(m.Setup),
            RequestWork m => new Wire.RequestWork { Worker = m.Worker.Value, HeldDigest = m.HeldDigest },
            HoldWeights m => new Wire.HoldWeights
            {
                Weights = ToWire(m.Weights),
                TraceParent = m.TraceParent,
                Relays = { m.Relays },
            },
            AssignUnit m => Assign(m),
            CompleteUnit m => Complete(m),
            FailUnit m => new Wire.FailUnit
            {
                Worker = m.Worker.Value,
                Unit = m.Unit.Value,
                Reason = m.Reason,
            },
            ReturnUnit m => new Wire.ReturnUnit { Worker = m.Worker.Value, Unit = m.Unit.Value },
            LeaveQueue m => new Wire.LeaveQueue { Worker = m.Worker.Value },
            RunEnded m => new Wire.RunEnded { Failure = m.Failure },
            WorkerRefused m => new Wire.WorkerRefused { Reason = m.Reason },
            _ => throw new ArgumentException($"{message.GetType()} is not a message of the work protocol.", nameof(message)),
        };

    public static object FromWire(byte[] bytes, string manifest)
    {
        switch (manifest)
        {
            case "register":
                var register = Wire.RegisterWorker.Parser.ParseFrom(bytes);
                return new RegisterWorker(
                    new WorkerId(register.Worker),
                    register.Device,
                    register.Version,
                    register.ModelDigest,
                    register.BulkUrl
                )
                {
                    MachineClass = register.MachineClass,
                    Run = register.Run,
                };
            case "accepted":
                var accepted = Wire.WorkerAccepted.Parser.ParseFrom(bytes);
                var reward = accepted.HasReward ? OptionsJson.Read<RewardSpec>(accepted.Reward) : null;
                return new WorkerAccepted(
                    new WorkerSetup(accepted.ModelUrl, accepted.Dtype, accepted.RewardLabel, reward)
                    {
                        Run = accepted.Run,
                        Fingerprint = accepted.Fingerprint,
                    }
                );
            case "request":
                var request = Wire.RequestWork.Parser.ParseFrom(bytes);
                return new RequestWork(new WorkerId(request.Worker), request.HeldDigest);
            case "hold":
                var hold = Wire.HoldWeights.Parser.ParseFrom(bytes);
                return new HoldWeights(FromWire(hold.Weights), hold.TraceParent) { Relays = [.. hold.Relays] };
            case "assign":
                return Assign(Wire.AssignUnit.Parser.ParseFrom(bytes));
            case "complete":
                return Complete(Wire.CompleteUnit.Parser.ParseFrom(bytes));
            case "fail":
                var fail = Wire.FailUnit.Parser.ParseFrom(bytes);
                return new FailUnit(new WorkerId(fail.Worker), new UnitId(fail.Unit), fail.Reason);
            case "return":
                var returned = Wire.ReturnUnit.Parser.ParseFrom(bytes);
                return new ReturnUnit(new WorkerId(returned.Worker), new UnitId(returned.Unit));
            case "leave":
                return new LeaveQueue(new WorkerId(Wire.LeaveQueue.Parser.ParseFrom(bytes).Worker));
            case "ended":
                return new RunEnded(Wire.RunEnded.Parser.ParseFrom(bytes).Failure);
            case "refused":
                return new WorkerRefused(Wire.WorkerRefused.Parser.ParseFrom(bytes).Reason);
            default:
                throw new SerializationException($"The work protocol has no message '{manifest}'.");
        }
    }

    private static Wire.WorkerAccepted Accepted(WorkerSetup setup)
    {
        var wire = new Wire.WorkerAccepted
        {
            ModelUrl = setup.ModelUrl,
            Dtype = setup.Dtype,
            RewardLabel = setup.RewardLabel,
            Run = setup.Run,
            Fingerprint = setup.Fingerprint,
        };
        if (setup.Reward is { } reward)
            wire.Reward = OptionsJson.Write(reward);
        return wire;
    }

    private static Wire.AssignUnit Assign(AssignUnit message)
    {
        var wire = new Wire.AssignUnit
        {
            Unit = message.Unit.Id.Value,
            TraceParent = message.TraceParent,
            Run = message.Run,
        };
        switch (message.Unit)
        {
            case RolloutUnit unit:
                wire.Rollout = new Wire.RolloutWork
                {
                    Options = OptionsJson.Write(unit.Options),
                    Weights = ToWire(unit.Weights),
                    EndOfText = { unit.EndOfText.Ids },
                };
                wire.Rollout.Requests.Add(unit.Requests.Select(r => new Wire.Request { PromptTokens = { r.PromptTokens }, Seed = r.Seed }));
                return wire;
            case RewardUnit unit:
                wire.Reward = new Wire.RewardWork();
                wire.Reward.Texts.Add(
                    unit.Texts.Select(t => new Wire.Text
                    {
                        Prompt = t.Prompt,
                        Continuation = t.Continuation,
                        References = { t.References },
                        Concepts = { t.Concepts },
                    })
                );
                return wire;
            default:
                throw new ArgumentException($"{message.Unit.GetType()} has no wire form.", nameof(message));
        }
    }

    private static AssignUnit Assign(Wire.AssignUnit wire)
    {
        var id = new UnitId(wire.Unit);
        WorkUnit unit = wire.WorkCase switch
        {
            Wire.AssignUnit.WorkOneofCase.Rollout => new RolloutUnit(
                id,
                [.. wire.Rollout.Requests.Select(r => new GenerationRequest([.. r.PromptTokens], r.Seed))],
                OptionsJson.Read<GenerationOptions>(wire.Rollout.Options),
                FromWire(wire.Rollout.Weights),
                EndOfText.Of(wire.Rollout.EndOfText)
            ),
            Wire.AssignUnit.WorkOneofCase.Reward => new RewardUnit(
                id,
                [
                    .. wire.Reward.Texts.Select(t => new PromptContinuation(t.Prompt, t.Continuation)
                    {
                        References = [.. t.References],
                        Concepts = [.. t.Concepts],
                    }),
                ]
            ),
            _ => throw new SerializationException($"Unit '{id}' is of a kind that this version does not know."),
        };
        return new AssignUnit(unit, wire.TraceParent, wire.Run);
    }

    private static Wire.CompleteUnit Complete(CompleteUnit message)
    {
        var wire = new Wire.CompleteUnit
        {
            Worker = message.Worker.Value,
            Unit = message.Unit.Value,
            HeldDigest = message.HeldDigest,
            Run = message.Run,
        };
        switch (message.Result)
        {
            case RolloutResult result:
                wire.Rollout = new Wire.RolloutOutcome();
                wire.Rollout.Sequences.Add(result.Sequences.Select(ToWire));
                return wire;
            case RewardResult result:
                wire.Reward = new Wire.RewardOutcome { Rewards = { result.Rewards } };
                wire.Reward.Terms.Add(result.Terms.Select(term => new Wire.RewardTerm { Scores = { term } }));
                return wire;
            default:
                throw new ArgumentException($"{message.Result.GetType()} has no wire form.", nameof(message));
        }
    }

    private static CompleteUnit Complete(Wire.CompleteUnit wire)
    {
        UnitResult result = wire.ResultCase switch
        {
            Wire.CompleteUnit.ResultOneofCase.Rollout => new RolloutResult([.. wire.Rollout.Sequences.Select(FromWire)]),
            Wire.CompleteUnit.ResultOneofCase.Reward => new RewardResult([.. wire.Reward.Rewards])
            {
                Terms = [.. wire.Reward.Terms.Select(term => (IReadOnlyList<float>)[.. term.Scores])],
            },
            _ => throw new SerializationException($"The result of unit '{wire.Unit}' is of a kind that this version does not know."),
        };
        return new CompleteUnit(new WorkerId(wire.Worker), new UnitId(wire.Unit), wire.HeldDigest, result, wire.Run);
    }

    private static Wire.Weights ToWire(WeightsRef weights) =>
        new()
        {
            Version = weights.Version,
            Digest = weights.Digest,
            Length = weights.Length,
            Url = weights.Url,
            Dtype = weights.Dtype,
            Mask = weights.Mask is { } mask ? ToWire(mask) : null,
        };

    private static WeightsRef FromWire(Wire.Weights? weights) =>
        weights is null
            ? throw Missing("weights")
            : WithoutMask(weights) with
            {
                Mask = weights.Mask is { } mask ? WithoutMask(mask) : null,
            };

    private static WeightsRef WithoutMask(Wire.Weights weights) =>
        new(weights.Version, weights.Digest, weights.Length, weights.Url, weights.Dtype);

    private static Wire.Sequence ToWire(GeneratedSequence sequence) =>
        new()
        {
            PromptTokens = { sequence.PromptTokens },
            Tokens = { sequence.Tokens },
            Logprobs = { sequence.Logprobs },
            ReferenceLogprobs = { sequence.ReferenceLogprobs },
            StateKl = { sequence.StateKl },
            RetainedMass = { sequence.RetainedMass },
            SkippedMaskSteps = { sequence.SkippedMaskSteps },
            Finished = sequence.Finished,
            Figures = sequence.Figures is { } figures
                ? new Wire.DecodingFigures { CrossEntropy = figures.CrossEntropy, Kl = figures.Kl }
                : null,
        };

    private static GeneratedSequence FromWire(Wire.Sequence sequence) =>
        new()
        {
            PromptTokens = [.. sequence.PromptTokens],
            Tokens = [.. sequence.Tokens],
            Logprobs = [.. sequence.Logprobs],
            ReferenceLogprobs = [.. sequence.ReferenceLogprobs],
            StateKl = [.. sequence.StateKl],
            RetainedMass = [.. sequence.RetainedMass],
            SkippedMaskSteps = [.. sequence.SkippedMaskSteps],
            Finished = sequence.Finished,
            Figures = sequence.Figures is { } figures ? new DecodingFigures(figures.CrossEntropy, figures.Kl) : null,
        };

    private static SerializationException Missing(string field) => new($"A work message lacks its field '{field}'.");
}
