using Akka.Actor;
using Akka.Serialization;
using DfPO.Actors.Work;
using Google.Protobuf;
using static DfPO.Actors.Work.WorkProtocol;

namespace DfPO.Actors.Serialization;

/// <summary>
/// Carries <see cref="WorkProtocol"/> as the protobuf messages of <c>work.proto</c>. The manifest is a short name of ours, never a type
/// name, so a peer can name nothing but these messages.
/// </summary>
public sealed class WorkSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    /// <summary>Registered number; 0 to 40 are Akka's.</summary>
    public const int Id = 1010;

    /// <inheritdoc/>
    public override int Identifier => Id;

    /// <inheritdoc/>
    public override string Manifest(object o) =>
        o switch
        {
            RegisterWorker => "register",
            WorkerAccepted => "accepted",
            RequestWork => "request",
            HoldWeights => "hold",
            AssignUnit => "assign",
            CompleteUnit => "complete",
            FailUnit => "fail",
            ReturnUnit => "return",
            LeaveQueue => "leave",
            RunEnded => "ended",
            WorkerRefused => "refused",
            _ => throw new ArgumentException($"{o.GetType()} is not a message of the work protocol.", nameof(o)),
        };

    /// <inheritdoc/>
    public override byte[] ToBinary(object obj) => WorkMapping.ToWire(obj).ToByteArray();

    /// <inheritdoc/>
    public override object FromBinary(byte[] bytes, string manifest)
    {
        try
        {
            return WorkMapping.FromWire(bytes, manifest);
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new System.Runtime.Serialization.SerializationException(
                $"A work message '{manifest}' of {bytes.Length} bytes cannot be read: {e.Message}",
                e
            );
        }
    }
}
