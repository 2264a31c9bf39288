using System.Net;
using DfPO.Host.Composition;
using DfPO.Models;
using Microsoft.Extensions.Logging;

namespace DfPO.Host.Tests.Composition;

public sealed class NodeOptionsTests
{
    [Theory]
    [InlineData("127.0.0.1", "", "127.0.0.1")]
    [InlineData("localhost", "", "127.0.0.1")]
    [InlineData("learner.default.svc", "0.0.0.0", "0.0.0.0")]
    [InlineData("192.0.2.7", "127.0.0.1", "127.0.0.1")]
    public void What_is_bound_and_what_is_announced_are_two_things(string host, string bind, string bound)
    {
        var node = new NodeOptions { Host = host, Bind = bind };
        Assert.Equal(IPAddress.Parse(bound), node.Checked());
        Assert.Equal($"http://{host}:7001", node.Announced("http://0.0.0.0:7001"));
    }

    [Theory]
    [InlineData("no host", "", "--host")]
    [InlineData("127.0.0.1", "everywhere", "--bind")]
    [InlineData("no-such-name.invalid", "", "--bind")]
    public void What_is_no_address_is_named(string host, string bind, string option)
    {
        var error = Assert.Throws<DfpoException>(() => new NodeOptions { Host = host, Bind = bind }.Checked());
        Assert.Equal("host/address", error.Code);
        Assert.Contains(option, error.Message);
    }

    [Theory]
    [InlineData("[akka://dfpo/system/endpointManager/endpointWriter-1] Disassociated", false)]
    [InlineData("[remoting (akka://dfpo)] Association to [akka.tcp://dfpo@127.0.0.1:1] failed", false)]
    [InlineData("[akka.tcp://dfpo@127.0.0.1:1/system/cluster/core/daemon] Marking node as UNREACHABLE", true)]
    public void The_log_leaves_out_what_Akka_says_of_connections(string text, bool shown)
    {
        var line = NodeLogFormatter.Line(LogLevel.Warning, "Akka.Actor.ActorSystem", text, new InvalidOperationException("one\ntwo"));
        Assert.Equal(shown, line is not null);
        if (shown)
            Assert.Equal($"warn: Akka.Actor.ActorSystem {text} System.InvalidOperationException: one two", line);
    }
}
