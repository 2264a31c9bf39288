using System.Formats.Tar;
using System.IO.Compression;
using DfPO.Tasks.Metrics;

namespace DfPO.Tasks.Tests.Metrics;

public sealed class WordNetTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void SynonymsAreTheSingleWordLemmasOfAllSensesOfAllBaseForms()
    {
        var wordNet = WordNet.Load(TinyWordNet.Write(_folder));

        Assert.Equal(["auto", "car"], wordNet.Synonyms("car").Order());
        Assert.Equal(["auto", "car", "cars"], wordNet.Synonyms("cars").Order());
        Assert.Equal(["men", "man", "mankind"], wordNet.Synonyms("men"));
        Assert.Equal(["ran", "run"], wordNet.Synonyms("ran").Order());
        Assert.Equal(["fast", "quick"], wordNet.Synonyms("fast").Order());
        Assert.Equal(["nothing"], wordNet.Synonyms("nothing"));
    }

    [Fact]
    public void AnArchiveGivesWhatItsFolderGives()
    {
        var folder = TinyWordNet.Write(_folder);
        var archive = _folder["wordnet.tar.gz"];
        using (var file = File.Create(archive))
        using (var zip = new GZipStream(file, CompressionLevel.Fastest))
            TarFile.CreateFromDirectory(folder, zip, includeBaseDirectory: true);

        Assert.Equal(["auto", "car", "cars"], WordNet.Load(archive).Synonyms("cars").Order());
    }

    [Fact]
    public void WhatIsMissingIsNamed()
    {
        var folder = TinyWordNet.Write(_folder);
        File.Delete(Path.Combine(folder, "data.verb"));

        Assert.Equal("wordnet/missing", CodeOf(() => WordNet.Load(folder), folder, "data.verb"));
        Assert.Equal("wordnet/missing", CodeOf(() => WordNet.Load(_folder["none"]), "none"));
        Assert.Equal("archive/unknown", CodeOf(() => WordNet.Load(_folder.Write("w.zip", "PK")), "w.zip", ".tar.xz"));
        File.WriteAllText(Path.Combine(folder, "data.verb"), "00000001 29 v xx run\n");
        Assert.Equal("wordnet/malformed", CodeOf(() => WordNet.Load(folder), "data.verb"));
    }
}

/// <summary>A few words in the form of WordNet's database.</summary>
internal static class TinyWordNet
{
    public static string Write(TestFolder folder)
    {
        string[] licence = ["  1 A licence stands here.  "];
        void File(string name, params string[] lines) => folder.Write($"dict/{name}", string.Join('\n', [.. licence, .. lines]) + "\n");
        File("index.noun", "car n 2 1 @ 2 0 00000010 00000020  ", "man n 1 0 1 0 00000030  ");
        File(
            "data.noun",
            "00000010 06 n 02 car 0 auto 0 001 @ 00000001 n 0000 | a motor vehicle  ",
            "00000020 06 n 02 car 0 railway_car 0 000 | on rails  ",
            "00000030 05 n 02 man 0 mankind 0 000 | all of us  "
        );
        folder.Write("dict/noun.exc", "men man\n");
        File("index.verb", "run v 1 0 1 0 00000040  ");
        File("data.verb", "00000040 38 v 01 run 0 000 01 + 01 00 | go fast  ");
        folder.Write("dict/verb.exc", "ran run\n");
        File("index.adj", "fast a 1 0 1 0 00000050  ");
        File("data.adj", "00000050 00 s 02 fast(p) 0 quick 0 000 | speedy  ");
        folder.Write("dict/adj.exc", "");
        File("index.adv", "very r 1 0 1 0 00000060  ");
        File("data.adv", "00000060 02 r 01 very 0 000 | to a high degree  ");
        folder.Write("dict/adv.exc", "");
        return folder["dict"];
    }
}
