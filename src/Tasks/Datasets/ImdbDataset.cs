using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using DfPO.Models;
using DfPO.Tasks.Corpora;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Tables;

namespace DfPO.Tasks.Datasets;

/// <summary>
/// The text continuation task on IMDB reviews (Maas et al., 2011), split and parted into prompt and reference as the base library does.
/// </summary>
/// <remarks>
/// The training reviews are shuffled: the first 80 % train, the others validate. The test reviews are shuffled, the first 5,000 test. The
/// shuffle is NumPy's, as there, so on the hub's parquet files the splits are the base library's; folder and archive list the reviews in
/// the order of their names, which gives splits of our own.
/// </remarks>
internal static class ImdbDataset
{
    private const int TestReviews = 5000;

    public static IEnumerable<Prompt> Read(DatasetSpec spec, MalformedRows malformed)
    {
        var part = spec.Split == DatasetSplit.Test ? "test" : "train";
        if (Table.IsTable(spec.Path))
            return Prompts(PromptDataset.Part(spec, [.. TableReviews(spec.Path, malformed, Labelled(spec))]), spec, malformed);
        Review[] reviews = [.. Reviews(spec, part, malformed)];
        var order = NumpyRandom.Permutation(reviews.Length, spec.Seed);
        var train = (int)(reviews.Length * 0.8);
        var range = spec.Split switch
        {
            DatasetSplit.Train => ..train,
            DatasetSplit.Validation => train..,
            _ => ..Math.Min(TestReviews, reviews.Length),
        };
        return Prompts(order[range].Select(index => reviews[index]), spec, malformed);
    }

    // Labels are looked at after the parting, so that they change no split.
    private static IEnumerable<Prompt> Prompts(IEnumerable<Review> reviews, DatasetSpec spec, MalformedRows malformed) =>
        reviews.Where(review => !Labelled(spec) || review.Label == spec.TrainLabel).SelectMany(review => PromptOf(review, spec, malformed));

    private static bool Labelled(DatasetSpec spec) => spec.Split == DatasetSplit.Train && spec.TrainLabel.Length > 0;

    private static IEnumerable<Review> Reviews(DatasetSpec spec, string part, MalformedRows malformed)
    {
        if (File.Exists(spec.Path))
            return FromArchive(spec, part);
        if (!Directory.Exists(spec.Path))
            throw new DfpoException(
                "dataset/missing",
                $"IMDB '{spec.Path}' does not exist: give the folder aclImdb, its .tar.gz or .tar.xz archive, or a table."
            );
        string[] tables = [.. Directory.GetFiles(spec.Path, $"{part}*").Where(Table.IsTable).Order(StringComparer.Ordinal)];
        if (tables.Length > 0)
            return tables.SelectMany(table => TableReviews(table, malformed, Labelled(spec)));
        var root = new[] { spec.Path, Path.Combine(spec.Path, "aclImdb") }.FirstOrDefault(folder =>
            Directory.Exists(Path.Combine(folder, part, "pos"))
        )
            ?? throw new DfpoException(
                "dataset/missing",
                $"'{spec.Path}' holds neither {part}/pos and {part}/neg with a review a file, nor {part}*.parquet, .csv or .jsonl."
            );
        return new[] { "neg", "pos" }.SelectMany(label =>
            Directory
                .GetFiles(Path.Combine(root, part, label), "*.txt")
                .Where(file => !Table.IsHidden(root, file))
                .Order(StringComparer.Ordinal)
                .Select(file => new Review($"{part}/{label}/{Path.GetFileNameWithoutExtension(file)}", ReadText(file)) { Label = label })
        );
    }

    private static string ReadText(string path)
    {
        using var reader = Table.OpenText(path);
        return reader.ReadToEnd();
    }

    private static IEnumerable<Review> TableReviews(string path, MalformedRows malformed, bool labelled)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        // "review" is the name in the widespread CSV form of the data.
        return Table
            .Read(path, malformed)
            .Select(row =>
                PromptDataset.TryRow(malformed, () =>
                    new Review($"{name}/{row.Line}", row.Text(row.Has("review") ? "review" : "text"))
                    {
                        Label = labelled ? LabelOf(row) : null,
                    }
                )
            )
            .OfType<Review>();
    }

    // The hub's files have 0 and 1 under "label", the widespread CSV form has words under "sentiment".
    private static string LabelOf(DataRow row)
    {
        var column = row.Has("sentiment") ? "sentiment" : "label";
        return row.Text(column).ToLowerInvariant() switch
        {
            "1" or "pos" or "positive" => "pos",
            "0" or "neg" or "negative" => "neg",
            var other => throw row.Malformed($"'{column}' is '{other}', but must be 0, 1, neg, pos, negative or positive."),
        };
    }

    private static IEnumerable<Prompt> PromptOf(Review review, DatasetSpec spec, MalformedRows malformed)
    {
        if (!Table.IsDecoded(review.Text))
        {
            malformed.Add($"'{spec.Path}', review {review.Id}: not valid UTF-8; convert the file to UTF-8.");
            return [];
        }
        var text = spec.CleanText ? TextCorpus.Clean(review.Text) : review.Text;
        var prompt = FirstWords(text, spec);
        if (!string.IsNullOrWhiteSpace(prompt))
            return [new Prompt(review.Id, prompt) { References = [text] }];
        malformed.Add($"'{spec.Path}', review {review.Id}: too short to be parted.");
        return [];
    }

    // Words stand between single blanks; found by counting, because tens of thousands of reviews are parted at each start.
    private static string FirstWords(string text, DatasetSpec spec)
    {
        var all = text.AsSpan().Count(' ') + 1;
        var words = spec.PromptWords > 0 ? spec.PromptWords : (int)(all * spec.PromptShare);
        if (words >= all)
            return "";
        var end = 0;
        for (var word = 0; word < words; word++)
            end = text.IndexOf(' ', end) + 1;
        return end == 0 ? "" : text[..(end - 1)];
    }

    // An archive has to be unpacked from its beginning; so its reviews are kept as lines once, named by the archive's digest.
    private static IEnumerable<Review> FromArchive(DatasetSpec spec, string part)
    {
        using var file = File.OpenRead(spec.Path);
        var digest = Convert.ToHexStringLower(SHA256.HashData(file))[..16];
        var folder =
            spec.CacheFolder.Length > 0
                ? spec.CacheFolder
                : Path.Combine(
                    Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.Create),
                    "dfpo",
                    "datasets"
                );
        string Index(string name) => Path.Combine(folder, $"imdb-2-{digest}-{name}.jsonl");
        if (!File.Exists(Index(part)))
        {
            var reviews = TarArchive
                .Read(spec.Path)
                .Select(TryReview)
                .OfType<Review>()
                .OrderBy(review => review.Id, StringComparer.Ordinal)
                .ToLookup(review => review.Id[..review.Id.IndexOf('/')]);
            if (!reviews.Contains(part))
                throw new DfpoException("dataset/missing", $"Archive '{spec.Path}' holds no review under {part}/pos and {part}/neg.");
            Directory.CreateDirectory(folder);
            foreach (var group in reviews)
                WriteIndex(Index(group.Key), group);
        }
        return File.ReadLines(Index(part))
            .Select(line => JsonSerializer.Deserialize<Review>(line)!)
            .Select(review => review with { Label = review.Id.Split('/')[1] });
    }

    private static Review? TryReview(ArchiveFile file)
    {
        var path = file.Name.Split('/');
        if (
            path.Length < 3
            || path[^3] is not ("train" or "test")
            || path[^2] is not ("pos" or "neg")
            || path[^1].StartsWith('.')
            || !path[^1].EndsWith(".txt", StringComparison.Ordinal)
        )
            return null;
        using var reader = Table.OpenText(file.Content);
        return new Review($"{path[^3]}/{path[^2]}/{Path.GetFileNameWithoutExtension(path[^1])}", reader.ReadToEnd());
    }

    private static void WriteIndex(string path, IEnumerable<Review> reviews)
    {
        // Two processes may index at once: each writes its own file, and the last one to finish stays.
        var unfinished = $"{path}.{Guid.NewGuid():N}.tmp";
        File.WriteAllLines(unfinished, reviews.Select(review => JsonSerializer.Serialize(review)));
        File.Move(unfinished, path, overwrite: true);
    }

    private sealed record Review(string Id, string Text)
    {
        /// <summary><c>pos</c> or <c>neg</c>; of a table's reviews only where it is asked for.</summary>
        [JsonIgnore]
        public string? Label { get; init; }
    }
}
