namespace DfPO.Host.Tests.Architecture.SampleCircle.One
{
    /// <summary>Uses the other in a method body.</summary>
    public static class Caller
    {
        public static string Name() => new Two.Called(null).ToString();
    }

    /// <summary>What the other has in a signature.</summary>
    public sealed record Argument;
}

namespace DfPO.Host.Tests.Architecture.SampleCircle.Two
{
    /// <summary>Uses the other in a signature.</summary>
    public sealed record Called(One.Argument? Argument);
}
