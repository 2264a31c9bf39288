using System.Diagnostics;
using DfPO.Learner;
using DfPO.Tasks.Prompts;
using static DfPO.Actors.Learning.LearnerProtocol;

namespace DfPO.Actors.Learning;

/// <summary>
/// Who does the commands of <see cref="LearnerProtocol"/>, a method each, which its command describes. Every call comes from one thread.
/// </summary>
public interface ILearner
{
    /// <summary>Does <see cref="LearnerProtocol.Start"/>.</summary>
    Published Start(string? folder);

    /// <summary>Does <see cref="LearnerProtocol.Learn"/>.</summary>
    Learnt Learn(IReadOnlyList<Trajectory> batch, ActivityContext parent, IReadOnlyList<ActivityContext> units);

    /// <summary>Does <see cref="LearnerProtocol.Save"/>.</summary>
    void Save(string folder);

    /// <summary>Does <see cref="LearnerProtocol.Export"/>.</summary>
    Exported Export(string folder);

    /// <summary>Does <see cref="LearnerProtocol.PublishExported"/>.</summary>
    Published PublishExported(string folder);

    /// <summary>Does <see cref="LearnerProtocol.Measure"/>.</summary>
    Measured Measure(IReadOnlyList<Prompt> prompts, string? folder);
}
