using static TorchSharp.torch;

namespace DfPO.Models;

/// <summary>Prompts with their continuations for one pass over whole sequences.</summary>
/// <param name="Input">The sequences without their last token, which predicts nothing.</param>
/// <param name="States"><c>[tokens]</c>, int64: where the state of each continuation token lies in the flattened <c>[sequences * time]</c>;
/// padding is left out.</param>
/// <param name="Actions"><c>[tokens]</c>, int64: the continuation tokens, sequence after sequence.</param>
public sealed record TeacherForcedBatch(ModelInput Input, Tensor States, Tensor Actions)
{
    /// <summary>Lays out sequences; the tensors belong to the caller's dispose scope.</summary>
    /// <param name="model">The model that they are for: its kind decides what goes where.</param>
    /// <param name="sequences">Prompts and continuations, at least one token each.</param>
    /// <param name="device">Where the tensors live.</param>
    public static TeacherForcedBatch Create(LanguageModel model, IReadOnlyList<(int[] Prompt, int[] Continuation)> sequences, Device device)
    {
        int[][] starts = [.. sequences.Select(sequence => model.DecoderPrompt(sequence.Prompt))];
        var time = sequences.Zip(starts, (sequence, start) => start.Length + sequence.Continuation.Length - 1).Max();
        var ids = new long[sequences.Count * time];
        var states = new List<long>();
        var actions = new List<long>();
        for (var row = 0; row < sequences.Count; row++)
        {
            var (start, tokens) = (starts[row], sequences[row].Continuation);
            for (var t = 0; t < start.Length; t++)
                ids[row * time + t] = start[t];
            for (var t = 0; t < tokens.Length; t++)
            {
                states.Add(row * time + start.Length - 1 + t);
                actions.Add(tokens[t]);
                if (t < tokens.Length - 1)
                    ids[row * time + start.Length + t] = tokens[t];
            }
        }
        var lengths = sequences.Zip(starts, (sequence, start) => (long)(start.Length + sequence.Continuation.Length - 1)).ToArray();
        var input = model.Input(
            tensor(ids, [sequences.Count, time], device: device),
            [.. sequences.Select(sequence => sequence.Prompt)]
        ) with
        {
            Lengths = tensor(lengths, device: device),
        };
        return new TeacherForcedBatch(input, tensor(states, device: device), tensor(actions, device: device));
    }

    /// <summary>The rows of <c>[sequences, time, width]</c> that are states of continuation tokens: <c>[tokens, width]</c>.</summary>
    public Tensor SelectStates(Tensor perPosition)
    {
        using var flat = perPosition.flatten(0, 1);
        return flat.index_select(0, States);
    }
}
