namespace DfPO.Models.Hub;

/// <summary>Where models are pulled from and kept, as HF's own tools understand it.</summary>
/// <param name="Endpoint">The hub's address, without a slash at its end.</param>
/// <param name="Cache">Folder of the models (<c>$HF_HOME/hub</c>).</param>
/// <param name="Token">Sent to the endpoint and to no other host; null for none.</param>
public sealed record HubSettings(Uri Endpoint, string Cache, string? Token = null)
{
    /// <summary>Without the token, which is nobody's to print.</summary>
    public override string ToString() => $"{Endpoint} in {Cache}";

    private const string DefaultEndpoint = "https://huggingface.co";

    /// <summary>
    /// Reads <c>HF_ENDPOINT</c>, <c>HF_HOME</c>, <c>HF_HUB_CACHE</c> and <c>HF_TOKEN</c>; without the last, the file that a log-in with
    /// HF's tools leaves in <c>HF_HOME</c>.
    /// </summary>
    /// <param name="variable">An environment variable's value; empty counts as unset.</param>
    /// <exception cref="DfpoException"><c>usage/hub</c>: the endpoint is not an address.</exception>
    public static HubSettings From(Func<string, string?> variable)
    {
        string? Value(string name) => variable(name) is { } value && value.Trim().Length > 0 ? value.Trim() : null;
        var address = Value("HF_ENDPOINT") ?? DefaultEndpoint;
        if (!Uri.TryCreate(address.TrimEnd('/'), UriKind.Absolute, out var endpoint) || endpoint.Scheme is not ("https" or "http"))
            throw new DfpoException("usage/hub", $"HF_ENDPOINT is '{address}' but must be an address such as {DefaultEndpoint}.");
        var home = Value("HF_HOME")
            ?? Path.Combine(
                Value("XDG_CACHE_HOME") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache"),
                "huggingface"
            );
        var tokenFile = Path.Combine(home, "token");
        var token = Value("HF_TOKEN") ?? (File.Exists(tokenFile) ? File.ReadAllText(tokenFile).Trim() : "");
        return new HubSettings(endpoint, Value("HF_HUB_CACHE") ?? Path.Combine(home, "hub"), token.Length > 0 ? token : null);
    }
}
