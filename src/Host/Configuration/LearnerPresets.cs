using DfPO.Models;

namespace DfPO.Host.Configuration;

/// <summary><c>learner.preset</c>: names for settings of the learner's switches, which explicit keys override.</summary>
internal static class LearnerPresets
{
    /// <summary>The key.</summary>
    public const string Key = "learner.preset";

    // Every rule with a value model lets it learn first.
    private const string Value = "value-warmup-iterations = 5, value-warmup-until = 0.5, ";

    private static readonly Dictionary<string, string> s_presets = new()
    {
        // What the sources leave open, when the mask is taken and its tolerance, was chosen by an earlier study on imdb-tiny.
        ["dfpo"] = Value + "objective = dfpo, dfpo { behaviour = policy, mask-at = update, tolerance = 0.4, decode = negative }",
        ["dfpo-iclr"] =
            Value + "objective = dfpo, dfpo { behaviour = masked, mask-at = rollout, tolerance = 0.4, value = single, decode = negative }",
        ["dfpo-budget"] =
            "objective = dfpo, advantages = group, epochs = 2, dfpo { behaviour = policy, mask-at = update, mask-rule = budget, decode = policy }",
        ["ppo"] = Value + "objective = ppo, dfpo { behaviour = policy, decode = policy }",
        // The rules' own sections hold their papers' values already; what is said here is the papers' choice of keys that all rules share.
        ["nlpo"] = Value + "objective = nlpo",
        ["a2c"] = Value + "objective = a2c",
        ["trpo"] = Value + "objective = trpo",
        ["supervised"] = "objective = supervised, epochs = 1",
        ["grpo"] = "objective = grpo, epochs = 1, learning-rate = 1e-6",
        ["rloo"] = "objective = rloo, epochs = 1, learning-rate = 1e-6",
        ["reinforce-plus-plus"] = "objective = reinforce-plus-plus, epochs = 1, learning-rate = 5e-7",
        ["dpo"] = "objective = dpo, epochs = 1, learning-rate = 1e-6",
        ["kto"] = "objective = kto, epochs = 1, learning-rate = 1e-6",
        ["ppo-supervised"] = Value + "objective = ppo-supervised",
    };

    /// <summary>Settings by name.</summary>
    public static IReadOnlyDictionary<string, string> All => s_presets;

    /// <summary>The tree with the preset's settings under its own, and without the key.</summary>
    /// <exception cref="DfpoException"><c>config/value</c>: no such preset.</exception>
    public static ConfigNode.Branch Resolve(ConfigNode.Branch tree)
    {
        if (tree.Find(Key) is not { } preset)
            return tree;
        if (!s_presets.TryGetValue(preset.Text, out var settings))
            throw new DfpoException(
                "config/value",
                $"{preset.Source}: '{Key}' is '{preset.Text}' but must be one of {string.Join(", ", s_presets.Keys)}."
            );
        return HoconFile.Parse($"learner {{ {settings} }}", $"preset {preset.Text}").Under(tree.Without(Key));
    }
}
