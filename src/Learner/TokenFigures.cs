namespace DfPO.Learner;

/// <summary>What a rule's mask made of the push of a token.</summary>
public enum TokenMask
{
    /// <summary>
    /// No mask was asked: the rule has none, or the token has no advantage, or one that its behaviour does not learn from.
    /// </summary>
    Untested,

    /// <summary>The push was let through.</summary>
    Open,

    /// <summary>The push was held back.</summary>
    Shut,

    /// <summary>The token was drawn without the mask, which would have left too little, and gets no push.</summary>
    Skipped,
}

/// <summary>What an update made of the tokens of one trajectory.</summary>
/// <param name="Advantages">One a token, before any scaling by the rule.</param>
/// <param name="Masks">One a token, as the mask stood when the update first came to it; later epochs test it again.</param>
public sealed record TokenFigures(IReadOnlyList<float> Advantages, IReadOnlyList<TokenMask> Masks);
