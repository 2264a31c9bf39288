using System.Text;
using DfPO.Host.Configuration;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Tables;

namespace DfPO.Security.Tests.Fuzz;

/// <summary>Data and settings, which others wrote.</summary>
public sealed class DataFuzzTests : IDisposable
{
    private readonly FuzzFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Hocon() =>
        Fuzzing.Feed(
            new Mutator(
                [.. Directory.GetFiles(Repository.Path("hocon"), "*.conf", SearchOption.AllDirectories).Order().Take(6).Select(File.ReadAllBytes)],
                "{", "}", "[", "]", "=", "\"\"\"", "${", "${?", "include", "+=", "\n", "//", "a.b.c", "null"
            ),
            input => HoconFile.Parse(Encoding.UTF8.GetString(input), "fuzz.conf")
        );

    [Fact]
    public void Json_lines() =>
        Fuzzing.Feed(
            new Mutator(
                [
                    Encoding.UTF8.GetBytes(
                        """
                        {"id":"a","text":"One","references":["x","y"],"concepts":["c"]}
                        {"id":"b","messages":[{"role":"user","content":"Hello"}]}
                        """
                    ),
                ],
                "null", "[", "{", "\"id\"", "\n", "\\ud800", "\"messages\""
            ),
            input => PromptSet.Read(At(input, "prompts.jsonl"))
        );

    [Fact]
    public void Tables_of_json_lines() =>
        Fuzzing.Feed(
            new Mutator(["""{"text":"a","n":1,"list":[1,2],"o":{"x":null}}"""u8.ToArray(), "{\"text\":\"b\"}\n{\"text\":\"c\"}\n"u8.ToArray()], "[", "{", "\n", "1e999"),
            input => Drain(At(input, "table.jsonl"))
        );

    [Fact]
    public void Tables_of_comma_separated_values() =>
        Fuzzing.Feed(
            new Mutator(["text,label\n\"a, b\",1\nc,0\n"u8.ToArray(), "text,label\r\n\"x \"\"y\"\"\",1\r\n"u8.ToArray()], "\"", ",", "\n", "\"\"", "\0"),
            input => Drain(At(input, "table.csv"))
        );

    [Fact]
    public void Parquet() =>
        Fuzzing.Feed(
            new Mutator([
                .. Directory
                    .GetFiles(Repository.Path("tests/cases"), "*.parquet", SearchOption.AllDirectories)
                    .Where(file => new FileInfo(file).Length < 4096)
                    .Select(File.ReadAllBytes),
            ]),
            input => Drain(At(input, "table.parquet")),
            // The library never comes to an end with some: those are left to a deadline, and too many would wait too long here.
            most: 30
        );

    [Fact]
    public void Gzip() =>
        Fuzzing.Feed(
            new Mutator([Packed("""{"text":"a"}""" + "\n" + """{"text":"b"}""" + "\n")]),
            input => Drain(At(input, "table.jsonl.gz"))
        );

    private static byte[] Packed(string text)
    {
        using var packed = new MemoryStream();
        using (var gzip = new System.IO.Compression.GZipStream(packed, System.IO.Compression.CompressionLevel.Fastest))
            gzip.Write(Encoding.UTF8.GetBytes(text));
        return packed.ToArray();
    }

    private static void Drain(string path)
    {
        foreach (var row in Table.Read(path, new MalformedRows(0)))
            _ = row;
    }

    private string At(byte[] content, string name)
    {
        File.WriteAllBytes(_folder[name], content);
        return _folder[name];
    }
}
