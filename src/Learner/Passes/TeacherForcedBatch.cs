using static TorchSharp.torch;

namespace DfPO.Learner.Passes;

/// <summary>Whole sequences for one teacher-forced pass, right-padded: a causal model never looks at what follows, so no mask is needed.</summary>
/// <param name="InputIds"><c>[sequences, time]</c>, int64: prompt and continuation without its last token, which predicts nothing.</param>
/// <param name="States"><c>[tokens]</c>, int64: where the state of each continuation token lies in the flattened <c>[sequences * time]</c>; padding is left out.</param>
/// <param name="Actions"><c>[tokens]</c>, int64: the continuation tokens, sequence after sequence.</param>
internal sealed record TeacherForcedBatch(Tensor InputIds, Tensor States, Tensor Actions)
{
    /// <summary>Lays out trajectories; the tensors belong to the caller's dispose scope.</summary>
    public static TeacherForcedBatch Create(IReadOnlyList<Trajectory> trajectories, Device device)
    {
        var time = trajectories.Max(t => t.PromptTokens.Length + t.Tokens.Length - 1);
        var ids = new long[trajectories.Count * time];
        var states = new List<long>();
        var actions = new List<long>();
        for (var row = 0; row < trajectories.Count; row++)
        {
            var (prompt, tokens) = (trajectories[row].PromptTokens, trajectories[row].Tokens);
            for (var t = 0; t < prompt.Length; t++)
                ids[row * time + t] = prompt[t];
            for (var t = 0; t < tokens.Length; t++)
            {
                states.Add(row * time + prompt.Length - 1 + t);
                actions.Add(tokens[t]);
                if (t < tokens.Length - 1)
                    ids[row * time + prompt.Length + t] = tokens[t];
            }
        }
        return new TeacherForcedBatch(tensor(ids, [trajectories.Count, time], device: device), tensor(states, device: device), tensor(actions, device: device));
    }

    /// <summary>The rows of <c>[sequences, time, width]</c> that are states of continuation tokens: <c>[tokens, width]</c>.</summary>
    public Tensor SelectStates(Tensor perPosition)
    {
        using var flat = perPosition.flatten(0, 1);
        return flat.index_select(0, States);
    }
}
