using System.CommandLine;
using DfPO.Actors.Configuration;
using DfPO.Models;

namespace DfPO.Host.Commands;

/// <summary>The three files of mutual TLS on a command line.</summary>
internal sealed class TlsFileOptions
{
    private readonly Option<string?> _ca = Options.Optional<string>(
        "--tls-ca",
        "PEM file with the authority of the cluster's certificates; with it every connection is mutual TLS."
    );
    private readonly Option<string?> _certificate = Options.Optional<string>("--tls-cert", "PEM file with this node's certificate.");
    private readonly Option<string?> _key = Options.Optional<string>("--tls-key", "PEM file with its private key.");

    public void AddTo(Command command)
    {
        foreach (var option in new[] { _ca, _certificate, _key })
            command.Options.Add(option);
    }

    public TlsOptions Read(ParseResult result)
    {
        var files = new TlsOptions
        {
            Ca = result.GetValue(_ca) ?? "",
            Certificate = result.GetValue(_certificate) ?? "",
            Key = result.GetValue(_key) ?? "",
        };
        return files.IsEmpty || files.IsComplete
            ? files
            : throw new DfpoException(
                "usage/tls",
                "Give --tls-ca, --tls-cert and --tls-key, all three or none; 'dfpo certs' makes the files."
            );
    }
}
