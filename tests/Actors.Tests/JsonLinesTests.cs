using System.Text.Json;
using DfPO.Actors.Files;
using DfPO.Models;

namespace DfPO.Actors.Tests;

public sealed class JsonLinesTests
{
    [Theory]
    [InlineData(new[] { "1", "2" }, new[] { 1, 2 })]
    [InlineData(new[] { "1", "[2" }, new[] { 1 })]
    [InlineData(new[] { "1", "" }, new[] { 1 })]
    [InlineData(new string[0], new int[0])]
    public void A_last_line_that_is_not_whole_counts_as_not_written(string[] lines, int[] expected) => Assert.Equal(expected, Read(lines));

    [Fact]
    public void Another_line_that_is_not_whole_is_told_by_its_number()
    {
        var error = Assert.Throws<DfpoException>(() => Read(["1", "[2", "3"]));
        Assert.Equal("run/corrupt", error.Code);
        Assert.Equal("line 2", error.Message);
    }

    private static int[] Read(string[] lines) =>
        [.. JsonLines.Read(lines, text => JsonSerializer.Deserialize<int>(text), (number, e) => new("run/corrupt", $"line {number}", e))];
}
