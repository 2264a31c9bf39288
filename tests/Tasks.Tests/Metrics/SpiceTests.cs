using DfPO.Tasks.Metrics;

namespace DfPO.Tasks.Tests.Metrics;

/// <summary>The adapter, driven by a script in Java's place: the real program cannot be part of the suite.</summary>
public sealed class SpiceTests : IDisposable
{
    private static readonly (string, IReadOnlyList<string>)[] s_items = [("a dog", ["a dog", "dogs"]), ("a \"cat\"", ["a cat"])];

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ScoresComeBackInTheItemsOrder()
    {
        // Arguments: -jar -Xmx8G JAR INPUT -cache FOLDER -out OUTPUT -subset -silent.
        var java = Script(
            """
            grep -q '"image_id":1,"test":"a \\u0022cat\\u0022","refs":\["a cat"\]' "$4" || exit 3
            echo '[{"image_id":1,"scores":{"All":{"f":"NaN"}}},{"image_id":0,"scores":{"All":{"pr":1.0,"re":0.5,"f":0.75}}}]' > "$8"
            """
        );

        Assert.Equal([0.75, double.NaN], new Spice(_folder.Write("spice.jar", ""), java).Score(s_items));
    }

    [Theory]
    [InlineData("echo no memory >&2; exit 1", "no memory")]
    [InlineData("echo '[]' > \"$8\"", "0 of 2")]
    [InlineData("echo 'oops' > \"$8\"", "read")]
    [InlineData("true", "read")]
    public void AFailureOfTheProgramIsTold(string body, string word) =>
        Assert.Equal("spice/failed", CodeOf(() => new Spice(_folder.Write("spice.jar", ""), Script(body)).Score(s_items), word));

    [Fact]
    public void AProgramThatHangsIsStopped() =>
        Assert.Equal(
            "spice/failed",
            CodeOf(
                () => new Spice(_folder.Write("spice.jar", ""), Script("exec sleep 60"), TimeSpan.FromMilliseconds(200)).Score(s_items),
                "stopped"
            )
        );

    [Fact]
    public void WithoutTheProgramThereIsNoScore()
    {
        Assert.Equal("spice/missing", CodeOf(() => new Spice(_folder["none.jar"]).Score(s_items), "none.jar"));
        Assert.Equal(
            "spice/missing",
            CodeOf(() => new Spice(_folder.Write("spice.jar", ""), _folder["no-java"]).Score(s_items), "no-java")
        );
    }

    private string Script(string body)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs a POSIX shell");
        var path = _folder.Write("java", $"#!/bin/sh\n{body}\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        return path;
    }
}
