using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Learner.Guards;
using DfPO.Learner.Objectives;

namespace DfPO.Learner.Checkpoints;

/// <summary>The options that decide what is learnt, which a resumed run must repeat. Guards, how the result is decoded, and other rules' sections may change between runs.</summary>
internal static class LearnerFingerprint
{
    public static string Of(LearnerOptions options, ulong seed)
    {
        var deciding = options with { MaxKl = 1, Guards = new GuardOptions(), Dfpo = options.Dfpo with { Decode = default } };
        var json = JsonSerializer.SerializeToNode(deciding)!.AsObject();
        // They decide where things are kept, not what they become.
        json.Remove(nameof(LearnerOptions.RecomputeActivations));
        json.Remove(nameof(LearnerOptions.OffloadOptimizer));
        foreach (var (name, _) in options.Sections().Where(section => !ObjectiveRegistry.Sections(options).Contains(section.Name)))
            json.Remove(name);
        return new JsonObject { ["Seed"] = seed, ["Options"] = json }.ToJsonString();
    }
}
