using DfPO.Models.Options;

namespace DfPO.Actors.Configuration;

/// <summary>PEM files of mutual TLS between the nodes of a cluster: all three, or none for plain connections.</summary>
public sealed record TlsOptions
{
    /// <summary>Certificates of the authorities whose nodes are let in.</summary>
    [PathOption("the certificates of the authorities, a .pem file")]
    public string Ca { get; init; } = "";

    /// <summary>This node's certificate.</summary>
    [PathOption("this node's certificate, a .pem file")]
    public string Certificate { get; init; } = "";

    /// <summary>Its private key, not encrypted.</summary>
    [PathOption("its private key, a .pem file")]
    public string Key { get; init; } = "";

    /// <summary>Whether connections are plain.</summary>
    public bool IsEmpty => (Ca, Certificate, Key) == ("", "", "");

    /// <summary>Whether all three files are named.</summary>
    public bool IsComplete => Ca.Length > 0 && Certificate.Length > 0 && Key.Length > 0;
}
