using System.Runtime.Serialization;
using System.Text;
using System.Text.Json;
using DfPO.Actors.Security;
using DfPO.Actors.Security.Wire;
using DfPO.Actors.Serialization;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Models;
using DfPO.Rollout;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Rewards;
using Google.Protobuf;
using static DfPO.Actors.Work.WorkProtocol;

namespace DfPO.Security.Tests.Fuzz;

/// <summary>What other nodes send.</summary>
public sealed class WireFuzzTests
{
    [Fact]
    public void Work_messages()
    {
        var weights = new WeightsRef(3, "digest", 100, "http://127.0.0.1/x", "float32");
        var unit = new RolloutUnit(
            new UnitId("u"),
            [new GenerationRequest([1, 2], 3)],
            new GenerationOptions { TopK = 5 },
            weights,
            EndOfText.Of([7])
        );
        var reward = new RewardSpec { Kind = RewardKind.Bleu, CacheSize = 3 };
        var sequence = new GeneratedSequence
        {
            PromptTokens = [1],
            Tokens = [2],
            Logprobs = [-1],
            ReferenceLogprobs = [-1],
            StateKl = [0],
            RetainedMass = [1],
            SkippedMaskSteps = [],
            Finished = true,
        };
        (string Manifest, object Message)[] messages =
        [
            ("register", new RegisterWorker(new WorkerId("w"), "cpu", "1", "d", "http://a")),
            ("accepted", new WorkerAccepted(new WorkerSetup("http://a/models/p", "float32", "l", reward))),
            ("hold", new HoldWeights(weights, "")),
            ("assign", new AssignUnit(unit, "")),
            ("assign", new AssignUnit(new RewardUnit(new UnitId("r"), [new PromptContinuation("a", "b")]), "")),
            ("complete", new CompleteUnit(new WorkerId("w"), new UnitId("u"), "d", new RolloutResult([sequence]))),
            ("complete", new CompleteUnit(new WorkerId("w"), new UnitId("r"), "d", new RewardResult([1]))),
        ];
        // The first byte chooses the manifest, so that any message is read as any other.
        Fuzzing.Feed(
            new Mutator(
                [.. messages.Select((message, index) => (byte[])[(byte)index, .. WorkMapping.ToWire(message.Message).ToByteArray()])],
                "{", "\"kind\":\"plugin\"", "[", "null"
            ),
            input =>
            {
                if (input.Length > 0)
                    WorkMapping.FromWire(input[1..], messages[input[0] % messages.Length].Manifest);
            },
            // The serialiser makes the one of the other.
            e => e is SerializationException or InvalidProtocolBufferException
        );
    }

    [Fact]
    public void Akka_frames()
    {
        var peer = new Peer("dfpo", "127.0.0.1", 4053, 7, null);
        var node = new Incarnation { Address = new() { System = "dfpo", Host = "127.0.0.1", Port = 4053 }, Uid = 7 };
        var gossip = new Gossip
        {
            Addresses = { node },
            Members = { new Member { Status = 1 } },
            Overview = new() { Observers = { new Observer { Subjects = { new Subject { Status = 1 } } } } },
            Tombstones = { new Tombstone() },
        };
        var own = new Reference { Path = "akka.tcp://dfpo@127.0.0.1:4053/user/a" };
        Payload Content(int serializer, string manifest, IMessage message) =>
            new()
            {
                Serializer = serializer,
                Manifest = ByteString.CopyFromUtf8(manifest),
                Message = message.ToByteString(),
            };
        byte[] Frame(int serializer, string manifest, IMessage message) =>
            new Container { Envelope = new Envelope { Message = Content(serializer, manifest, message), Sender = own } }.ToByteArray();
        Fuzzing.Feed(
            new Mutator([
                Frame(5, "Akka.Cluster.GossipEnvelope, Akka.Cluster", new GossipEnvelope { From = node, Gossip = gossip.ToByteString() }),
                Frame(5, "Akka.Cluster.InternalClusterAction+Join, Akka.Cluster", new Join { Node = node, Roles = { "rollout" } }),
                Frame(22, "Akka.Dispatch.SysMsg.Watch, Akka", new Watching { Watcher = own }),
                Frame(6, "", new Selection { Payload = Content(5, "HB", new Heartbeat { From = node.Address }) }),
            ]),
            input =>
            {
                if (PeerRules.Judge(ByteString.CopyFrom(input), peer, new Sight()).Reason is { } reason)
                    throw new DfpoException("test/refused", reason);
            },
            e => e is InvalidProtocolBufferException
        );
    }

    [Fact]
    public void Deltas()
    {
        var random = new Random(1);
        byte[] from = new byte[512],
            to = new byte[512];
        random.NextBytes(from);
        from.CopyTo(to, 0);
        for (var i = 0; i < 100; i++)
            to[random.Next(to.Length)]++;
        using var codec = new DeltaCodec();
        byte[] Encoded(ReadOnlySpan<byte> target, int size)
        {
            var room = new byte[DeltaCodec.MaxEncodedLength(from.Length)];
            return room[..codec.Encode(from, target, size, room)];
        }
        var decoded = new byte[512];
        Fuzzing.Feed(
            new Mutator([Encoded(to, 2), Encoded(to, 4), Encoded(from, 2)]),
            input => codec.Decode(input, from, 1 << (input.Length % 3), decoded),
            // Its only caller takes the chunk for a corrupt one.
            e => e is InvalidDataException
        );
    }

    [Fact]
    public void Manifests()
    {
        var checksums = new byte[WeightsDigest.ChecksumBytes * 3];
        var digest = WeightsDigest.Of(100, 40, checksums);
        var manifest = new WeightsManifest(1, digest, "float32", 100, 40, checksums, new WeightsDelta("base", [10, 10, 10], checksums));
        var weights = new WeightsRef(1, digest, 100, "http://127.0.0.1/x");
        Fuzzing.Feed(
            new Mutator([JsonSerializer.SerializeToUtf8Bytes(manifest, JsonSerializerOptions.Web)], "null", "[", "{", "\"delta\"", "2147483647"),
            input => JsonSerializer.Deserialize<WeightsManifest>(input, JsonSerializerOptions.Web)?.Checked(weights, "fuzz"),
            e => e is JsonException
        );
    }

    private sealed class Sight : IClusterSight
    {
        public bool IsReady => true;

        public IEnumerable<LearnerInSight> LiveLearners() => [new(new Akka.Actor.Address("akka.tcp", "dfpo", "127.0.0.1", 4053), 7)];

        public bool IsLearner(Peer peer) => false;
    }
}
