using DfPO.Models;

namespace DfPO.Rollout.Scoring;

/// <summary>What tokens were drawn from at each state: the policy, filtered.</summary>
/// <param name="Options">The filters; no KL mask among them.</param>
/// <param name="EndOfText">The tokens that end a continuation.</param>
/// <param name="Mask">NLPO's mask policy; null where it has no part.</param>
internal sealed record DrawnDistribution(GenerationOptions Options, EndOfText EndOfText, LanguageModel? Mask);
