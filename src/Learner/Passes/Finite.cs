namespace DfPO.Learner.Passes;

/// <summary>Numbers that must be finite.</summary>
internal static class Finite
{
    /// <exception cref="NotFiniteNumberException">It is not.</exception>
    public static double Require(double number, string what) =>
        double.IsFinite(number) ? number : throw new NotFiniteNumberException($"{what} is {number}", number);
}
