using DfPO.Models.Policies;

namespace DfPO.Learner.Objectives;

/// <summary>A given preference between two continuations of a prompt, for DPO with <see cref="DpoPairs.Offline"/>.</summary>
/// <param name="Prompt">The prompt's token ids.</param>
/// <param name="Chosen">Token ids of the better continuation.</param>
/// <param name="Rejected">Token ids of the worse one.</param>
/// <param name="ChosenReference"><c>log pi_0(a|s)</c> of the better one's tokens, nats: full softmax, as a rollout's.</param>
/// <param name="RejectedReference">The same of the worse one's tokens.</param>
public sealed record PreferencePair(int[] Prompt, int[] Chosen, int[] Rejected, float[] ChosenReference, float[] RejectedReference)
{
    /// <summary>
    /// The pair as the learner takes it: two trajectories of one group, the chosen one with reward 1 and the rejected one with reward 0.
    /// </summary>
    /// <param name="group">A number that no other pair of the batch has.</param>
    public Trajectory[] Trajectories(int group) => [Side(Chosen, ChosenReference, 1, group), Side(Rejected, RejectedReference, 0, group)];

    private Trajectory Side(int[] tokens, float[] reference, float reward, int group) =>
        new()
        {
            PromptTokens = Prompt,
            Tokens = tokens,
            Logprobs = reference,
            ReferenceLogprobs = reference,
            StateKl = new float[tokens.Length],
            Reward = reward,
            Behaviour = DecodingPolicy.Policy,
            Group = group,
        };
}
