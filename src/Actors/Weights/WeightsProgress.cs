using System.Diagnostics;

namespace DfPO.Actors.Weights;

/// <summary>How far a fetch is.</summary>
/// <param name="Phase">What it is doing: <c>manifest</c>, <c>dense</c>, <c>delta</c>, <c>done</c>.</param>
/// <param name="Peer">Address that it talks to.</param>
/// <param name="Received">Bytes received, those that had to be fetched again included.</param>
/// <param name="Ready">Bytes of the weights that are in place and checked.</param>
/// <param name="Total">Bytes of the weights.</param>
/// <param name="LastProgress">When the last byte came, a timestamp of <see cref="Stopwatch"/>.</param>
public sealed record WeightsProgress(string Phase, string Peer, long Received, long Ready, long Total, long LastProgress)
{
    /// <inheritdoc/>
    public override string ToString() =>
        $"phase {Phase}, peer {Peer}, {Ready} of {Total} bytes ready, {Received} received, the last {Stopwatch.GetElapsedTime(LastProgress).TotalSeconds:F1} s ago";
}
