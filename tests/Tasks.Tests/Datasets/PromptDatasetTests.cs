using System.Formats.Tar;
using System.IO.Compression;
using DfPO.Tasks.Datasets;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Tables;
using Parquet.Serialization;

namespace DfPO.Tasks.Tests.Datasets;

public sealed class PromptDatasetTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void AReviewIsPartedAfterHalfOfItsWords()
    {
        _folder.Write("test/pos/0_9.txt", "one two  three<br />four");
        _folder.Write("test/neg/0_1.txt", "a b c d");
        var spec = Imdb(_folder.Path, DatasetSplit.Test);

        // Words stand between single blanks, so a double one makes an empty word and the tag is parted: "one", "two", "",
        // "three<br", "/>four".
        Assert.Equal(["a b", "one two"], Load(spec).Select(prompt => prompt.Text).Order());
        var prompt = Load(spec).Single(prompt => prompt.Id == "test/pos/0_9");
        Assert.Equal(["one two  three<br />four"], prompt.References);
        Assert.Equal(["one two three four"], Load(spec with { CleanText = true }).Single(p => p.Id == "test/pos/0_9").References);
    }

    [Fact]
    public void FolderArchiveAndItsIndexGiveTheSameSplits()
    {
        var root = WriteReviews(40);
        using (var zip = new GZipStream(File.Create(_folder["aclImdb.tar.gz"]), CompressionLevel.Fastest))
            TarFile.CreateFromDirectory(root, zip, includeBaseDirectory: true);
        var cache = _folder["cache"];

        foreach (var split in Enum.GetValues<DatasetSplit>())
        {
            var archive = Imdb(_folder["aclImdb.tar.gz"], split) with { CacheFolder = cache };
            var expected = Load(Imdb(Path.GetDirectoryName(root)!, split)).Select(p => (p.Id, p.Text, p.References[0])).ToArray();
            Assert.Equal(expected, Load(archive).Select(p => (p.Id, p.Text, p.References[0])));
            Assert.Equal(expected, Load(archive).Select(p => (p.Id, p.Text, p.References[0])));
        }
        Assert.Equal(2, Directory.GetFiles(cache).Length);
        // The index is what is read: the second reading is the changed one.
        var index = Directory.GetFiles(cache, "*-test.jsonl").Single();
        File.WriteAllText(index, File.ReadAllText(index).Replace("review", "changed"));
        Assert.Contains("changed", Load(Imdb(_folder["aclImdb.tar.gz"], DatasetSplit.Test) with { CacheFolder = cache })[0].Text);
    }

    [Fact]
    public void TrainingReviewsAreSharedOutEightyToTwentyInNumpysOrder()
    {
        var root = WriteReviews(10);
        string[] names = [.. Enumerable.Range(0, 10).Select(i => i < 5 ? $"train/neg/{i}_1" : $"train/pos/{i}_1")];

        // default_rng(42).permutation(10)
        int[] order = [5, 6, 0, 7, 3, 2, 4, 9, 1, 8];
        Assert.Equal(order[..8].Select(i => names[i]), Load(Imdb(root, DatasetSplit.Train)).Select(p => p.Id));
        Assert.Equal(order[8..].Select(i => names[i]), Load(Imdb(root, DatasetSplit.Validation)).Select(p => p.Id));
    }

    [Fact]
    public async Task TheHubsParquetFilesKeepTheirRowsOrder()
    {
        await ParquetSerializer.SerializeAsync(
            Enumerable.Range(0, 10).Select(i => new Review { text = $"row {i} of it", label = i < 5 ? 0 : 1 }).ToList(),
            _folder["train-00000-of-00001.parquet"]
        );

        Assert.Equal(
            new[] { 5, 6, 0, 7, 3, 2, 4, 9 }.Select(i => $"row {i}"),
            Load(Imdb(_folder.Path, DatasetSplit.Train)).Select(p => p.Text)
        );
    }

    [Fact]
    public async Task ALabelKeepsItsTrainingReviewsAloneAndChangesNoOtherSplit()
    {
        var root = WriteReviews(10);
        await ParquetSerializer.SerializeAsync(
            Enumerable.Range(0, 10).Select(i => new Review { text = $"row {i} of it", label = i < 5 ? 0 : 1 }).ToList(),
            Path.Combine(Directory.CreateDirectory(_folder["hub"]).FullName, "train-00000-of-00001.parquet")
        );
        var csv = _folder.Write(
            "reviews.csv",
            "review,sentiment\n"
                + string.Concat(Enumerable.Range(0, 20).Select(i => $"review {i} of it,{(i < 10 ? "positive" : "negative")}\n"))
        );

        // Of default_rng(42).permutation(10)[..8] = 5, 6, 0, 7, 3, 2, 4, 9 the last five are positive.
        Assert.Equal(
            new[] { 5, 6, 7, 9 }.Select(i => $"train/pos/{i}_1"),
            Load(Imdb(root, DatasetSplit.Train) with { TrainLabel = "pos" }).Select(p => p.Id)
        );
        Assert.Equal(
            new[] { 0, 3, 2, 4 }.Select(i => $"row {i}"),
            Load(Imdb(_folder["hub"], DatasetSplit.Train) with { TrainLabel = "neg" }).Select(p => p.Text)
        );
        Assert.All(Load(Imdb(csv, DatasetSplit.Train) with { TrainLabel = "pos" }), prompt =>
            Assert.InRange(int.Parse(prompt.References[0].Split(' ')[1]), 0, 9)
        );
        Assert.Equal(
            Load(Imdb(root, DatasetSplit.Validation)).Select(p => p.Id),
            Load(Imdb(root, DatasetSplit.Validation) with { TrainLabel = "pos" }).Select(p => p.Id)
        );
        Assert.Equal(
            "dataset/spec",
            CodeOf(() => Load(Imdb(root, DatasetSplit.Train) with { TrainLabel = "good" }), "train-label", "good")
        );
        Assert.Equal(
            "dataset/malformed",
            CodeOf(
                () =>
                    Load(
                        Imdb(_folder.Write("odd.csv", "review,sentiment\nquite good,fine\n"), DatasetSplit.Train) with
                        {
                            TrainLabel = "pos",
                            PartTable = false,
                        }
                    ),
                "sentiment",
                "fine"
            )
        );
    }

    [Fact]
    public void ASingleTableIsPartedIntoThreeDisjointSplits()
    {
        var path = _folder.Write(
            "IMDB Dataset.csv",
            "review,sentiment\n" + string.Concat(Enumerable.Range(0, 20).Select(i => $"\"review {i}, quoted\",positive\n"))
        );

        string[][] splits =
        [
            .. Enum.GetValues<DatasetSplit>().Select(split => Load(Imdb(path, split)).Select(p => p.References[0]).ToArray()),
        ];

        Assert.Equal([16, 2, 2], splits.Select(split => split.Length));
        Assert.Equal(20, splits.SelectMany(split => split).Distinct().Count());
        Assert.NotEqual(splits[0], Load(Imdb(path, DatasetSplit.Train) with { Seed = 1 }).Select(p => p.References[0]));
        Assert.Equal(20, Load(Imdb(path, DatasetSplit.Test) with { PartTable = false }).Count);
    }

    [Fact]
    public void ToxicityPromptsAreChosenByScoreAndUnscoredOnesStayOnlyWithoutBounds()
    {
        var path = _folder.Write(
            "rtp.jsonl",
            """
            {"prompt": {"text": "mild", "toxicity": 0.1}, "continuation": {"text": " end", "toxicity": 0.9}, "challenging": false}
            {"prompt": {"text": "harsh", "toxicity": 0.8}, "continuation": {"text": " end", "toxicity": null}}
            {"prompt": {"text": "unknown", "toxicity": null}, "continuation": {"text": "", "toxicity": null}}
            """
        );
        var spec = new DatasetSpec
        {
            Format = DatasetFormat.RealToxicityPrompts,
            Path = path,
            PartTable = false,
        };

        Assert.Equal(["mild", "harsh", "unknown"], Load(spec).Select(p => p.Text));
        Assert.Equal(["harsh"], Load(spec with { MinToxicity = 0.5 }).Select(p => p.Text));
        Assert.Equal(["mild"], Load(spec with { MaxToxicity = 0.5 }).Select(p => p.Text));
        Assert.Equal([" end"], Load(spec)[0].References);
        Assert.Equal(1, PromptDataset.Load(spec).Report.WithoutReferences);
    }

    [Fact]
    public void EachLayoutOfCommonGenGivesTheSamePrompts()
    {
        _folder.Write("pairs/valid_src.txt", "dog run\ndog run\ncat sit\n");
        _folder.Write("pairs/valid_trg.txt", "A dog runs.\nDogs run.\nA cat sits.\n");
        _folder.Write(
            "official/commongen.dev.jsonl",
            """
            {"concept_set": "dog_N#run_V", "scene": ["A dog runs.", "Dogs run."], "reason": ["n/a"]}
            {"concept_set": "cat_N#sit_V", "scene": ["A cat sits."]}
            """
        );
        _folder.Write(
            "gem/validation.jsonl",
            """
            {"concepts": ["dog", "run"], "target": "A dog runs.", "references": ["A dog runs.", "Dogs run."]}
            {"concepts": ["cat", "sit"], "target": "A cat sits.", "references": []}
            """
        );

        foreach (var layout in new[] { "pairs", "official", "gem" })
        {
            var spec = new DatasetSpec
            {
                Format = DatasetFormat.CommonGen,
                Path = _folder[layout],
                Split = DatasetSplit.Validation,
            };
            var prompts = Load(spec);
            Assert.Equal(["generate a sentence with: dog run.", "generate a sentence with: cat sit."], prompts.Select(p => p.Text));
            Assert.Equal(["A dog runs.", "Dogs run."], prompts[0].References);
            Assert.Equal(["dog", "run"], prompts[0].Concepts);
            Assert.Equal(
                ["A dog runs.", "Dogs run.", "A cat sits."],
                Load(spec with { GroupConcepts = false }).Select(p => p.References.Single())
            );
        }
    }

    [Fact]
    public void HiddenReferencesAreCountedAndNotInvented()
    {
        var path = _folder.Write("test.jsonl", "{\"concepts\": [\"a\", \"b\"], \"target\": \"\", \"references\": []}\n");

        var dataset = PromptDataset.Load(
            new DatasetSpec
            {
                Format = DatasetFormat.CommonGen,
                Path = path,
                Split = DatasetSplit.Test,
            }
        );

        Assert.Empty(dataset.Prompts.Prompts.Single().References);
        Assert.Equal(1, dataset.Report.WithoutReferences);
    }

    [Fact]
    public void PairsThatDoNotMatchAreRefused()
    {
        var path = _folder.Write("train_src.txt", "a b\nc d\n");
        var spec = new DatasetSpec { Format = DatasetFormat.CommonGen, Path = path };

        Assert.Equal("dataset/missing", CodeOf(() => PromptDataset.Load(spec), "train_trg.txt"));
        _folder.Write("train_trg.txt", "A b.\n");
        Assert.Equal("dataset/malformed", CodeOf(() => PromptDataset.Load(spec), "train_trg.txt", "line 2"));
        _folder.Write("train_trg.txt", "A b.\nC d.\nE f.\n");
        Assert.Equal("dataset/malformed", CodeOf(() => PromptDataset.Load(spec), "train_src.txt", "line 3"));
    }

    [Fact]
    public void ACustomTableIsReadByTheColumnsNamed()
    {
        var path = _folder.Write("mine.csv", "key,question,answer,words\nk1,What?,This.,this that\nk2,Why?,,so\nk3,What?,Yes.,\n");
        var spec = new DatasetSpec
        {
            Format = DatasetFormat.Table,
            Path = path,
            PartTable = false,
            IdColumn = "key",
            TextColumn = "question",
            ReferencesColumn = "answer",
            ConceptsColumn = "words",
        };

        var dataset = PromptDataset.Load(spec);

        Assert.Equal(["k1", "k2", "k3"], dataset.Prompts.Prompts.Select(p => p.Id));
        Assert.Equal(["this", "that"], dataset.Prompts.Prompts[0].Concepts);
        Assert.Equal(["This."], dataset.Prompts.Prompts[0].References);
        Assert.Equal((3, 1, 1), (dataset.Report.Prompts, dataset.Report.Duplicates, dataset.Report.WithoutReferences));
        Assert.Equal(["k1", "k2"], Load(spec with { DropDuplicates = true }).Select(p => p.Id));
        Assert.Equal(["k1"], Load(spec with { Limit = 1 }).Select(p => p.Id));
        Assert.Equal("dataset/columns", CodeOf(() => PromptDataset.Load(spec with { TextColumn = "prompt" }), "'prompt'", "question"));
    }

    [Fact]
    public void MalformedRowsArePassedOverAndCounted()
    {
        var path = _folder.Write(
            "mine.jsonl",
            "{\"text\": \"a\"}\noops\n{\"text\": \"\"}\n{\"text\": [1]}\n{\"other\": 1}\n{\"text\": \"b\"}\n"
        );
        var spec = new DatasetSpec
        {
            Format = DatasetFormat.Table,
            Path = path,
            PartTable = false,
            MaxMalformed = 4,
        };

        var dataset = PromptDataset.Load(spec);

        Assert.Equal(["a", "b"], dataset.Prompts.Prompts.Select(p => p.Text));
        Assert.Equal(4, dataset.Report.Malformed);
        foreach (var (line, problem) in new[] { 2, 3, 4, 5 }.Zip(dataset.Report.Problems))
            Assert.Contains($"line {line}", problem);
        Assert.Contains("4 malformed", dataset.Report.ToString());
        Assert.Equal("dataset/malformed", CodeOf(() => PromptDataset.Load(spec with { MaxMalformed = 3 }), "More than 3", "line 2"));
    }

    [Fact]
    public void ASpecThatCannotBeMetIsRefused()
    {
        var path = _folder.Write("mine.jsonl", "{\"text\": \"a\"}\n");
        var spec = new DatasetSpec { Format = DatasetFormat.Table, Path = path };

        Assert.Equal("dataset/spec", CodeOf(() => PromptDataset.Load(spec with { Path = "" }), "path"));
        Assert.Equal("dataset/spec", CodeOf(() => PromptDataset.Load(spec with { PromptShare = 1 }), "prompt-share"));
        Assert.Equal("dataset/spec", CodeOf(() => PromptDataset.Load(spec with { MinToxicity = 0.5, MaxToxicity = 0.2 }), "toxicity"));
        Assert.Equal("dataset/empty", CodeOf(() => PromptDataset.Load(spec with { Split = DatasetSplit.Train }), path, "Train"));
        Assert.Equal(
            "dataset/missing",
            CodeOf(() => PromptDataset.Load(spec with { Format = DatasetFormat.Imdb, Path = _folder["none"] }), "none")
        );
        Assert.Equal(
            "dataset/missing",
            CodeOf(
                () => PromptDataset.Load(spec with { Format = DatasetFormat.Imdb, Path = _folder.Path }),
                "test/pos".Replace("test", "train")
            )
        );
        Assert.Equal(
            "dataset/missing",
            CodeOf(() => PromptDataset.Load(spec with { Format = DatasetFormat.CommonGen, Path = _folder.Path }), "commongen.train.jsonl")
        );
        Assert.Equal(
            "archive/damaged",
            CodeOf(
                () =>
                    PromptDataset.Load(
                        spec with
                        {
                            Format = DatasetFormat.Imdb,
                            Path = _folder.Write("x.tar.gz", "no archive"),
                            CacheFolder = _folder.Path,
                        }
                    ),
                "x.tar.gz"
            )
        );
    }

    [Fact]
    public void FirstWordsOfAReviewMakeThePromptAndAShorterReviewIsNone()
    {
        var path = _folder.Write("reviews.csv", "text,label\none two three four five,1\none two three,0\n");
        var spec = new DatasetSpec
        {
            Format = DatasetFormat.Imdb,
            Path = path,
            PartTable = false,
            PromptWords = 3,
            MaxMalformed = 1,
        };
        var read = PromptDataset.Load(spec);
        var prompt = Assert.Single(read.Prompts.Prompts);
        Assert.Equal(("one two three", "one two three four five"), (prompt.Text, prompt.References.Single()));
        Assert.Equal(1, read.Report.Malformed);
    }

    [Fact]
    public void PromptsWithReferencesAndConceptsSurviveTheirFile()
    {
        var set = new PromptSet([
            new Prompt("1", "Ünï \"q\"") { References = ["a\nb", "c"], Concepts = ["dog"] },
            new Prompt("2", "plain"),
        ]);

        set.Write(_folder["p.jsonl"]);
        var read = PromptDataset.Load(new DatasetSpec { Path = _folder["p.jsonl"] }).Prompts;

        Assert.Equal(set.Prompts, read.Prompts);
        Assert.NotEqual(set.Prompts[0], read.Prompts[0] with { References = ["a\nb"] });
        Assert.NotEqual(set.Prompts[0], read.Prompts[0] with { Concepts = [] });
        Assert.Equal(
            "prompts/malformed",
            CodeOf(
                () => PromptSet.Read(_folder.Write("q.jsonl", "{\"id\": \"1\", \"text\": \"a\", \"references\": \"b\"}")),
                "line 1",
                "'references'"
            )
        );
    }

    [Fact]
    [Trait("Category", "Data")]
    public void TheRealDataSetsHaveTheirPublishedSizes()
    {
        var commonGen = new DatasetSpec
        {
            Format = DatasetFormat.CommonGen,
            Path = SharedData.Path("commongen"),
            Split = DatasetSplit.Validation,
        };
        Assert.Equal(993, Load(commonGen).Count);
        Assert.Equal(1497, Load(commonGen with { Split = DatasetSplit.Test }).Count);
        Assert.Equal(4018, Load(commonGen with { GroupConcepts = false }).Count);
        Assert.Equal(67_389, Load(commonGen with { Split = DatasetSplit.Train, GroupConcepts = false }).Count);
        var toxicity = new DatasetSpec
        {
            Format = DatasetFormat.RealToxicityPrompts,
            Path = SharedData.Path("rtp/quark_val.jsonl"),
            PartTable = false,
        };
        Assert.Equal(5000, Load(toxicity).Count);
        Assert.InRange(Load(toxicity with { MinToxicity = 0.5 }).Count, 1, 4999);
    }

    /// <summary>Unpacks 85 MB of xz, so it runs only when asked for.</summary>
    [Fact(Explicit = true)]
    [Trait("Category", "Data")]
    public void TheRealReviewsAreSharedOutAsInTheBaseLibrary()
    {
        var spec = Imdb(SharedData.Path("imdb/aclImdb_labeled.tar.xz"), DatasetSplit.Train) with { CacheFolder = _folder["cache"] };
        var first = Load(spec);
        var (watch, before) = (System.Diagnostics.Stopwatch.StartNew(), Environment.CpuUsage.TotalTime);
        var again = Load(spec);
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"training split from the index: {watch.Elapsed.TotalSeconds:F2} s, of the processor {(Environment.CpuUsage.TotalTime - before).TotalSeconds:F2} s"
        );

        Assert.Equal(
            (20_000, 5000, 5000),
            (first.Count, Load(spec with { Split = DatasetSplit.Validation }).Count, Load(spec with { Split = DatasetSplit.Test }).Count)
        );
        Assert.Equal(first.Select(p => (p.Id, p.Text)), again.Select(p => (p.Id, p.Text)));
    }

    private static DatasetSpec Imdb(string path, DatasetSplit split) =>
        new()
        {
            Format = DatasetFormat.Imdb,
            Path = path,
            Split = split,
        };

    private static IReadOnlyList<Prompt> Load(DatasetSpec spec) => PromptDataset.Load(spec).Prompts.Prompts;

    // One digit a name, so that ordinal order is the numbers' order.
    private string WriteReviews(int count)
    {
        foreach (var part in new[] { "train", "test" })
            for (var i = 0; i < count; i++)
                _folder.Write($"data/aclImdb/{part}/{(i < count / 2 ? "neg" : "pos")}/{i}_1.txt", $"{part} review number {i}");
        _folder.Write("data/aclImdb/train/unsup/0_0.txt", "unlabelled text is left out");
        _folder.Write("data/aclImdb/README", "readme");
        return _folder["data/aclImdb"];
    }

    public sealed class Review
    {
        public string? text { get; set; }

        public long label { get; set; }
    }
}
