using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Event;
using Akka.Serialization;
using DfPO.Models;

namespace DfPO.Actors.Security;

/// <summary>
/// Stands in the place of one of Akka's serialisers and lets only listed messages pass, in both directions. Wire form and number stay
/// Akka's. What a peer sends beyond the list is not read but becomes something that untrusted mode drops: an exception would cut the
/// connection where it meets a system message, and the peer would send it again and again.
/// </summary>
/// <param name="system">The actor system.</param>
/// <param name="inner">Akka's serialiser.</param>
/// <param name="allowed">Manifests that may pass, with the type of each where <paramref name="inner"/> wants it; none refuses
/// everything.</param>
public sealed class GuardedSerializer(ExtendedActorSystem system, Serializer inner, IReadOnlyDictionary<string, Type> allowed)
    : SerializerWithStringManifest(system)
{
    private const int LoggedLength = 100;

    private sealed record Refused : IPossiblyHarmful
    {
        public static Refused Instance { get; } = new();
    }

    /// <inheritdoc/>
    public override int Identifier => inner.Identifier;

    /// <inheritdoc/>
    public override string Manifest(object o)
    {
        var manifest = Akka.Serialization.Serialization.ManifestFor(inner, o);
        return allowed.ContainsKey(manifest)
            ? manifest
            : throw new SerializationException($"{o.GetType()} is not a message that nodes of DfPO exchange.");
    }

    /// <inheritdoc/>
    public override byte[] ToBinary(object obj)
    {
        Manifest(obj);
        return inner.ToBinary(obj);
    }

    /// <inheritdoc/>
    public override object FromBinary(byte[] bytes, string? manifest)
    {
        if (manifest is null || !allowed.TryGetValue(manifest, out var type))
        {
            system.Log.Warning(
                "A peer sent '{0}' for {1}, which is not a message that nodes of DfPO exchange; it was not read",
                PlainText.Of(manifest is { Length: > LoggedLength } ? manifest[..LoggedLength] : manifest ?? ""),
                inner.GetType().Name
            );
            return Refused.Instance;
        }
        return inner is SerializerWithStringManifest named ? named.FromBinary(bytes, manifest) : inner.FromBinary(bytes, type);
    }
}
