using System.Text.Json;
using Akka.Actor;
using DfPO.Actors.Serialization;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Models;
using DfPO.Models.Policies;
using DfPO.Rollout;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Rewards;
using Google.Protobuf;
using static DfPO.Actors.Work.WorkProtocol;

namespace DfPO.Actors.Tests;

public sealed class WorkSerializerTests : IDisposable
{
    private static readonly WeightsRef s_weights = new(7, "abc123", 4096, "http://10.0.0.1:9/weights/abc123");
    private static readonly WorkerId s_worker = new("host/1/rollout-0");
    private readonly ActorSystem _system = ActorSystem.Create("serializer");
    private readonly WorkSerializer _serializer;

    public WorkSerializerTests() => _serializer = new WorkSerializer((ExtendedActorSystem)_system);

    /// <summary>Every message of the protocol, with every field set to something that is not its default.</summary>
    public static IReadOnlyDictionary<string, IWireMessage> Messages { get; } =
        new Dictionary<string, IWireMessage>
        {
            ["register"] = new RegisterWorker(s_worker, "cuda:1", "0.2.0+abc", "beef", "http://10.0.0.2:8"),
            ["accepted"] = new WorkerAccepted(new WorkerSetup("http://10.0.0.1:9/models/policy", "bfloat16", "pos")),
            ["request"] = new RequestWork(s_worker, "abc123"),
            ["hold"] = new HoldWeights(s_weights, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            ["hold relays"] = new HoldWeights(s_weights, "") { Relays = ["http://10.0.0.2:8", "http://10.0.0.3:8"] },
            ["hold dtype"] = new HoldWeights(
                s_weights with
                {
                    Dtype = "bfloat16",
                },
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
            ),
            ["hold mask"] = new HoldWeights(
                s_weights with
                {
                    Mask = new WeightsRef(5, "def456", 4096, "http://10.0.0.1:9/weights/def456", "float32"),
                },
                ""
            ),
            ["assign mask"] = new AssignUnit(
                new RolloutUnit(
                    new UnitId("train-1/policy/0"),
                    [new GenerationRequest([1], 2)],
                    new GenerationOptions { MaskTopP = 0.9, MaskMinTokens = 100 },
                    s_weights with
                    {
                        Mask = new WeightsRef(5, "def456", 4096, ""),
                    },
                    EndOfText.None
                ),
                ""
            ),
            ["assign"] = new AssignUnit(
                new RolloutUnit(
                    new UnitId("train-1/policy/0"),
                    [new GenerationRequest([5, 70000], ulong.MaxValue), new GenerationRequest([1], 2)],
                    new GenerationOptions
                    {
                        MaxNewTokens = 9,
                        MinNewTokens = 3,
                        Temperature = 0.5f,
                        TopK = 4,
                        TopP = 0.25f,
                        Policy = DecodingPolicy.Negative,
                        MaskRule = KlMaskRule.KlCentred,
                        Tolerance = 0.125f,
                        MassFloor = 0.5f,
                    },
                    s_weights,
                    EndOfText.None
                ),
                "00-a-b-01"
            ),
            ["assign ends"] = new AssignUnit(
                new RolloutUnit(
                    new UnitId("u"),
                    [new GenerationRequest([1], 2)],
                    new GenerationOptions(),
                    s_weights,
                    EndOfText.Of([70001, 9])
                ),
                ""
            ),
            ["complete"] = new CompleteUnit(
                s_worker,
                new UnitId("train-1/policy/0"),
                "abc123",
                new RolloutResult([
                    new GeneratedSequence
                    {
                        PromptTokens = [5, 70000],
                        Tokens = [8, 9],
                        Logprobs = [-1.5f, -2.25f],
                        ReferenceLogprobs = [-3f, -4f],
                        StateKl = [0.5f, 0.75f],
                        RetainedMass = [0.875f, 1f],
                        SkippedMaskSteps = [0, 1],
                        Finished = true,
                    },
                ])
            ),
            ["complete figures"] = new CompleteUnit(
                s_worker,
                new UnitId("eval/policy/0"),
                "abc123",
                new RolloutResult([
                    new GeneratedSequence
                    {
                        PromptTokens = [5],
                        Tokens = [8],
                        Logprobs = [-1.5f],
                        ReferenceLogprobs = [-3f],
                        StateKl = [0.5f],
                        RetainedMass = [1f],
                        Figures = new(3.25, 0.75),
                    },
                ])
            ),
            ["fail"] = new FailUnit(s_worker, new UnitId("train-1/policy/0"), "no memory"),
            ["return"] = new ReturnUnit(s_worker, new UnitId("train-1/policy/0")),
            ["leave"] = new LeaveQueue(s_worker),
            ["ended"] = new RunEnded("it exploded"),
            ["refused"] = new WorkerRefused("another version"),
            ["assign reward"] = new AssignUnit(new RewardUnit(new UnitId("r"), [new PromptContinuation("a prompt", " and more")]), ""),
            ["assign references"] = new AssignUnit(
                new RewardUnit(
                    new UnitId("r2"),
                    [new PromptContinuation("p", " c") { References = ["a ref", "another"], Concepts = ["dog"] }]
                ),
                ""
            ),
            ["accepted reward"] = new WorkerAccepted(
                new WorkerSetup(
                    "http://10.0.0.1:9/models/reward",
                    "",
                    "pos",
                    new RewardSpec
                    {
                        Kind = RewardKind.Combination,
                        Terms = [RewardKind.Meteor, RewardKind.Http],
                        Weights = [0.5, -2],
                        Scope = RewardScope.Whole,
                        CacheSize = 64,
                        WordNet = "none",
                        Rl4lmsCompat = true,
                        RougeType = "rouge1",
                        CiderCorpus = "corpus.jsonl",
                        Lexicon = "lexicon",
                        ToxicityModel = "toxicity",
                        PluginAssembly = "My.dll",
                        PluginClass = "My.Reward",
                        PluginArgument = "12",
                        Endpoint = new EndpointOptions
                        {
                            Url = "http://10.0.0.2/score",
                            KeyVariable = "KEY",
                            BatchSize = 7,
                            Timeout = TimeSpan.FromSeconds(5),
                            Retries = 2,
                            RetryDelay = TimeSpan.FromMilliseconds(250),
                            BreakAfter = 3,
                            BreakFor = TimeSpan.FromSeconds(40),
                            RequestsPerSecond = 1.5,
                        },
                    }
                )
            ),
            ["complete reward"] = new CompleteUnit(s_worker, new UnitId("r"), "", new RewardResult([0.25f, -1f])),
        };

    public static TheoryData<string> Names => [.. Messages.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_message_comes_back_as_it_went(string name)
    {
        var message = Messages[name];
        var bytes = _serializer.ToBinary(message);
        var back = _serializer.FromBinary(bytes, _serializer.Manifest(message));
        // Records compare arrays by reference, so compare what JSON sees of the whole.
        Assert.Equal(message.GetType(), back.GetType());
        Assert.Equal(JsonSerializer.Serialize<object>(message, s_all), JsonSerializer.Serialize(back, s_all));
    }

    /// <summary>Every message of the protocol with every kind of what it carries.</summary>
    public static TheoryData<string, string> Kinds =>
        [
            .. Protocol.SelectMany(
                message =>
                    message == typeof(AssignUnit) ? Of<WorkUnit>()
                    : message == typeof(CompleteUnit) ? Of<UnitResult>()
                    : [message],
                (message, kind) => (message.Name, kind.Name)
            ),
        ];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Every_property_of_what_travels_comes_back(string name, string kind)
    {
        var made = new FilledRecords();
        if (Of<WorkUnit>().Concat(Of<UnitResult>()).SingleOrDefault(type => type.Name == kind) is { } carried)
            made.With(carried);
        var message = made.Make(Protocol.Single(type => type.Name == name));
        AssertNoDefaults(message, name);
        var back = _serializer.FromBinary(_serializer.ToBinary(message), _serializer.Manifest(message));
        Assert.Equal(JsonSerializer.Serialize(message, s_all), JsonSerializer.Serialize(back, s_all));
    }

    [Theory]
    [InlineData("""{"no-such-key":1}""", "no-such-key")]
    [InlineData("""{"top-k":1,"top-k":2}""", "top-k")]
    [InlineData("""{"top-k":"1"}""", "top-k")]
    [InlineData("""{"policy":1}""", "policy")]
    [InlineData("""{"policy":"1"}""", "policy")]
    [InlineData("""{"policy":"negative, positive"}""", "policy")]
    [InlineData("""{"policy":null}""", "policy")]
    [InlineData("""{"needs-references":true}""", "needs-references")]
    [InlineData("{", "")]
    [InlineData("null", "null")]
    [InlineData("", "")]
    public void Options_that_this_version_does_not_know_are_refused_by_name(string json, string named)
    {
        var error = Assert.Throws<System.Runtime.Serialization.SerializationException>(() =>
            OptionsJson.Read<GenerationOptions>(ByteString.CopyFromUtf8(json))
        );
        Assert.Contains("GenerationOptions", error.Message);
        Assert.Contains(named, error.Message);
    }

    [Fact]
    public void Options_that_are_not_set_take_no_bytes() =>
        Assert.Equal(
            """{"top-k":3,"temperature":0.5}""".Length,
            OptionsJson.Write(new GenerationOptions { TopK = 3, Temperature = 0.5f }).Length
        );

    [Fact]
    public void A_key_that_is_not_there_has_its_default() =>
        Assert.Equal(new GenerationOptions { TopK = 3 }, OptionsJson.Read<GenerationOptions>(ByteString.CopyFromUtf8("""{"top-k":3}""")));

    [Fact]
    public void Every_wire_message_is_covered()
    {
        Assert.Empty(Protocol.Except(Messages.Values.Select(m => m.GetType())));
    }

    /// <summary>Bytes that earlier versions wrote: the schema may only be extended.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void The_bytes_stay_what_they_were(string name)
    {
        var golden = JsonSerializer.Deserialize<Dictionary<string, string>>(
            File.ReadAllText(Repository.Path("tests/Actors.Tests/golden/work-protocol.json"))
        )!;
        Assert.Equal(golden[name], Convert.ToHexStringLower(_serializer.ToBinary(Messages[name])));
    }

    [Fact]
    public void Bytes_of_a_version_that_knew_fewer_fields_are_read()
    {
        var register = (RegisterWorker)
            _serializer.FromBinary(Convert.FromHexString("0a10686f73742f312f726f6c6c6f75742d301206637564613a31"), "register");
        Assert.Equal(new RegisterWorker(s_worker, "cuda:1", "", ""), register);
        Assert.Equal(new RunEnded(""), _serializer.FromBinary([], "ended"));
        // Two skipped masks, whose steps were not told.
        const string Complete =
            "0a10686f73742f312f726f6c6c6f75742d301210747261696e2d312f706f6c6963792f301a0661626331323322420a400a0405f0a204120208091a080000c0bf000010c0"
            + "2208000080bf000000c02a08000040c0000080c032080000003f0000403f3a080000603f0000803f40024801";
        var sequence = (
            (RolloutResult)((CompleteUnit)_serializer.FromBinary(Convert.FromHexString(Complete), "complete")).Result
        ).Sequences[0];
        Assert.Equal([8, 9], sequence.Tokens);
        Assert.Empty(sequence.SkippedMaskSteps);
    }

    [Theory]
    [InlineData(KlMaskRule.Sign)]
    [InlineData(KlMaskRule.KlCentred)]
    [InlineData(KlMaskRule.Scaled)]
    public void Mask_rules_come_back_as_they_went(KlMaskRule rule)
    {
        var message = new AssignUnit(
            new RolloutUnit(
                new UnitId("u"),
                [],
                new GenerationOptions
                {
                    Policy = DecodingPolicy.Negative,
                    MaskRule = rule,
                    Tolerance = 2,
                },
                s_weights,
                EndOfText.None
            ),
            ""
        );
        Assert.Equal(
            rule,
            ((RolloutUnit)((AssignUnit)_serializer.FromBinary(_serializer.ToBinary(message), _serializer.Manifest(message))).Unit)
                .Options
                .MaskRule
        );
    }

    [Theory]
    [InlineData(EarlyStopping.Heuristic)]
    [InlineData(EarlyStopping.AtOnce)]
    [InlineData(EarlyStopping.Never)]
    public void Beams_and_penalties_come_back_as_they_went(EarlyStopping stopping)
    {
        var options = new GenerationOptions
        {
            NumBeams = 5,
            NumReturnSequences = 2,
            LengthPenalty = 0,
            RepetitionPenalty = 1.5f,
            NoRepeatNgramSize = 3,
            EarlyStopping = stopping,
            BeamLength = stopping == EarlyStopping.Never ? BeamLength.Continuation : BeamLength.Text,
        };
        var message = new AssignUnit(new RolloutUnit(new UnitId("u"), [new GenerationRequest([1], 2)], options, s_weights, 50256), "");

        var back = (AssignUnit)_serializer.FromBinary(_serializer.ToBinary(message), _serializer.Manifest(message));

        Assert.Equal(options, ((RolloutUnit)back.Unit).Options);
    }

    [Theory]
    [InlineData("System.Object, mscorlib")]
    [InlineData("")]
    [InlineData("Register")]
    public void A_manifest_that_is_not_ours_is_refused(string manifest) =>
        Assert.Throws<System.Runtime.Serialization.SerializationException>(() => _serializer.FromBinary([], manifest));

    [Fact]
    public void Broken_bytes_are_refused_whatever_was_broken()
    {
        var random = new Random(1);
        foreach (var message in Messages.Values)
            for (var i = 0; i < 300; i++)
            {
                var bytes = _serializer.ToBinary(message);
                if (bytes.Length == 0)
                    continue;
                bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
                var cut = bytes[..random.Next(bytes.Length + 1)];
                try
                {
                    Assert.IsType<IWireMessage>(_serializer.FromBinary(cut, _serializer.Manifest(message)), exactMatch: false);
                }
                catch (System.Runtime.Serialization.SerializationException) { }
            }
    }

    public void Dispose() => _system.Dispose();

    private static IEnumerable<Type> Protocol =>
        typeof(WorkProtocol).GetNestedTypes().Where(type => type.IsAssignableTo(typeof(IWireMessage)) && !type.IsInterface);

    private static IEnumerable<Type> Of<T>() => typeof(T).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(T)));

    /// <summary>That a round trip which lost a property, or made it its default, would show.</summary>
    private static void AssertNoDefaults(object value, string path)
    {
        var type = value.GetType();
        var defaults = type.GetConstructor(Type.EmptyTypes) is null ? null : Activator.CreateInstance(type);
        foreach (var property in FilledRecords.Parts(type))
        {
            var (set, name) = (property.GetValue(value), $"{path}.{property.Name}");
            var unset =
                defaults is not null ? property.GetValue(defaults)
                : property.PropertyType.IsValueType ? Activator.CreateInstance(property.PropertyType)
                : null;
            // A record within one of its own kind has none itself.
            if (property.PropertyType != type || !path.EndsWith(property.Name, StringComparison.Ordinal))
                Assert.True(
                    !Equals(set, unset) && set is not ("" or System.Collections.ICollection { Count: 0 }),
                    $"{name} is its default"
                );
            if (set is not null && set.GetType().Namespace!.StartsWith("DfPO.", StringComparison.Ordinal) && !set.GetType().IsEnum)
                AssertNoDefaults(set, name);
        }
    }

    private static readonly JsonSerializerOptions s_all = new() { Converters = { new UnitConverter() } };

    /// <summary>Shows a unit's and a result's own fields, which their base types do not have.</summary>
    private sealed class UnitConverter : System.Text.Json.Serialization.JsonConverterFactory
    {
        public override bool CanConvert(Type type) => type == typeof(WorkUnit) || type == typeof(UnitResult);

        public override System.Text.Json.Serialization.JsonConverter CreateConverter(Type type, JsonSerializerOptions options) =>
            (System.Text.Json.Serialization.JsonConverter)Activator.CreateInstance(typeof(AsWhatItIs<>).MakeGenericType(type))!;

        private sealed class AsWhatItIs<T> : System.Text.Json.Serialization.JsonConverter<T>
        {
            public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
                throw new NotSupportedException();

            public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) =>
                JsonSerializer.Serialize(writer, value, value!.GetType(), options);
        }
    }
}
