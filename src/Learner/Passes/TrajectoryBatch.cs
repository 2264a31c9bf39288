using DfPO.Models;
using static TorchSharp.torch;

namespace DfPO.Learner.Passes;

internal static class TrajectoryBatch
{
    /// <summary>Lays out trajectories for a pass of a model; the tensors belong to the caller's dispose scope.</summary>
    public static TeacherForcedBatch Create(LanguageModel model, IReadOnlyList<Trajectory> trajectories, Device device) =>
        TeacherForcedBatch.Create(model, [.. trajectories.Select(t => (t.PromptTokens, t.Tokens))], device);
}
