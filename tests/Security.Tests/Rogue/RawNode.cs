using System.Buffers.Binary;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using DfPO.Actors;
using DfPO.Actors.Security.Wire;
using Google.Protobuf;
using Address = Akka.Actor.Address;

namespace DfPO.Security.Tests.Rogue;

/// <summary>A connection that speaks Akka's protocol frame by frame, as its user likes.</summary>
internal sealed class RawNode : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);
    private readonly TcpClient _client;
    private readonly Stream _stream;
    private readonly Address _victim;

    private RawNode(TcpClient client, Stream stream, Address victim) => (_client, _stream, _victim) = (client, stream, victim);

    /// <summary>Connects, and says who it is.</summary>
    /// <param name="victim">Whom it dials.</param>
    /// <param name="uid">Its incarnation; null says nothing.</param>
    /// <param name="claims">The address that it says is its own; null takes that of its socket.</param>
    /// <param name="tls">Under TLS: as what.</param>
    public static async Task<RawNode> Dial(Address victim, int? uid, Address? claims = null, SslClientAuthenticationOptions? tls = null)
    {
        var client = new TcpClient();
        await client.ConnectAsync(victim.Host, victim.Port!.Value);
        Stream stream = client.GetStream();
        if (tls is not null)
        {
            var secure = new SslStream(stream);
            await secure.AuthenticateAsClientAsync(tls).WaitAsync(s_patience);
            stream = secure;
        }
        var node = new RawNode(client, stream, victim);
        if (uid is { } number)
        {
            var own = (IPEndPoint)client.Client.LocalEndPoint!;
            await node.Frame(
                new Frame
                {
                    Instruction = new Instruction
                    {
                        Command = 1,
                        Handshake = new Handshake
                        {
                            Origin = new NodeAddress
                            {
                                System = victim.System,
                                Host = claims?.Host ?? own.Address.ToString(),
                                Port = (uint)(claims?.Port ?? own.Port),
                            },
                            Uid = (ulong)number,
                        },
                    },
                }.ToByteArray()
            );
        }
        return node;
    }

    /// <summary>Sends a message to an actor.</summary>
    public Task Send(string path, int serializer, string manifest, IMessage message, string sender = "")
    {
        // The recipient is field 1, which the guard does not look at.
        using var recipient = new MemoryStream();
        using (var output = new CodedOutputStream(recipient, leaveOpen: true))
        {
            output.WriteTag(1, WireFormat.WireType.LengthDelimited);
            output.WriteBytes(new Reference { Path = $"{_victim}{path}" }.ToByteString());
        }
        var envelope = new Envelope
        {
            Message = new Payload
            {
                Message = message.ToByteString(),
                Serializer = serializer,
                Manifest = ByteString.CopyFromUtf8(manifest),
            },
            Sender = sender.Length > 0 ? new Reference { Path = sender } : null,
        };
        byte[] bytes = [.. recipient.ToArray(), .. envelope.ToByteArray()];
        using var container = new MemoryStream();
        using (var output = new CodedOutputStream(container, leaveOpen: true))
        {
            output.WriteTag(2, WireFormat.WireType.LengthDelimited);
            output.WriteBytes(ByteString.CopyFrom(bytes));
        }
        return Frame(new Frame { Payload = ByteString.CopyFrom(container.ToArray()) }.ToByteArray());
    }

    /// <summary>Sends bytes as one frame.</summary>
    public async Task Frame(byte[] content)
    {
        var bytes = new byte[4 + content.Length];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, content.Length);
        content.CopyTo(bytes, 4);
        try
        {
            await _stream.WriteAsync(bytes);
            await _stream.FlushAsync();
        }
        catch (IOException)
        {
            // Closed already, which is what the test asks for next.
        }
    }

    /// <summary>Waits until the other end closes.</summary>
    public async Task IsClosed()
    {
        var buffer = new byte[4096];
        try
        {
            while (await _stream.ReadAsync(buffer).AsTask().WaitAsync(s_patience) > 0) { }
        }
        catch (IOException) { }
    }

    public void Dispose()
    {
        _stream.Dispose();
        _client.Dispose();
    }
}
