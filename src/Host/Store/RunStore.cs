using System.Globalization;
using DfPO.Host.Configuration;
using DfPO.Host.Runs;
using DfPO.Models;
using Microsoft.Data.Sqlite;

namespace DfPO.Host.Store;

/// <summary>
/// An index of the run folders below a folder, in an SQLite file there. The folders are the truth: what changed in them is read again when
/// the store is opened, and a store that is damaged or of another version is made anew.
/// </summary>
internal sealed class RunStore : IDisposable
{
    private const string FileName = "runs.sqlite";
    private const int Version = 2,
        Deepest = 4,
        NotADatabase = 26,
        Corrupt = 11;

    private const string Schema = """
        CREATE TABLE runs (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, stamp TEXT NOT NULL, seed TEXT NOT NULL, objective TEXT NOT NULL, status TEXT NOT NULL, note TEXT NOT NULL, iterations INTEGER NOT NULL, planned INTEGER NOT NULL);
        CREATE TABLE config (run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run, key)) WITHOUT ROWID;
        CREATE TABLE figures (run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, key TEXT NOT NULL, value REAL NOT NULL, PRIMARY KEY (run, key)) WITHOUT ROWID;
        CREATE TABLE points (run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, key TEXT NOT NULL, iteration INTEGER NOT NULL, value REAL NOT NULL, PRIMARY KEY (run, key, iteration)) WITHOUT ROWID;
        """;

    private readonly SqliteConnection _connection;
    private readonly string _root;

    private RunStore(string root, SqliteConnection connection) => (_root, _connection) = (root, connection);

    /// <summary>Opens the store of a folder and brings it up to date.</summary>
    /// <param name="root">Folder that holds run folders, also of studies.</param>
    /// <param name="warn">Takes a line about each run that cannot be read; the others are indexed.</param>
    /// <param name="rebuild">Whether to read everything again.</param>
    /// <exception cref="DfpoException"><c>runs/missing</c>: no such folder; <c>runs/store</c>: the file cannot be written.</exception>
    public static RunStore Open(string root, Action<string> warn, bool rebuild = false)
    {
        root = Path.GetFullPath(root);
        if (!Directory.Exists(root))
            throw new DfpoException("runs/missing", $"'{root}' does not exist: give the folder that runs are made in with --runs-dir.");
        var path = Path.Combine(root, FileName);
        try
        {
            if (rebuild)
                File.Delete(path);
            try
            {
                return Fresh(root, path, warn);
            }
            catch (SqliteException e) when (e.SqliteErrorCode is NotADatabase or Corrupt)
            {
                File.Delete(path);
                return Fresh(root, path, warn);
            }
        }
        catch (Exception e) when (e is SqliteException or IOException or UnauthorizedAccessException)
        {
            throw new DfpoException(
                "runs/store",
                $"The index '{path}' cannot be written ({e.Message}): make the folder writable, or delete the file, which is made anew from the run folders.",
                e
            );
        }
    }

    /// <summary>All runs, by their paths.</summary>
    public IReadOnlyList<IndexedRun> All() =>
        [
            .. Query(
                "SELECT id, path, seed, objective, status, note, iterations, planned FROM runs ORDER BY path",
                [],
                row => new IndexedRun(
                    Path.GetFullPath(row.GetString(1), _root),
                    row.GetString(2),
                    row.GetString(3),
                    row.GetString(4),
                    row.GetString(5),
                    row.GetInt32(6),
                    row.GetInt32(7),
                    Pairs("SELECT key, value FROM config WHERE run = $run", row.GetInt64(0), pair => pair.GetString(1)),
                    Pairs("SELECT key, value FROM figures WHERE run = $run", row.GetInt64(0), pair => pair.GetDouble(1)),
                    Pairs("SELECT key, value, max(iteration) FROM points WHERE run = $run GROUP BY key", row.GetInt64(0), pair =>
                        pair.GetDouble(1)
                    )
                )
            ),
        ];

    /// <summary>The run of a name or a path.</summary>
    /// <exception cref="DfpoException"><c>runs/unknown</c>, with the nearest name.</exception>
    public IndexedRun Find(string run)
    {
        var all = All();
        return all.FirstOrDefault(candidate => candidate.Name == run || candidate.Path == Path.GetFullPath(run).TrimEnd('/'))
            ?? throw new DfpoException(
                "runs/unknown",
                all.Count == 0
                    ? $"There is no run in '{_root}': give another folder with --runs-dir."
                    : $"No run '{run}' in '{_root}'; the nearest is '{Kebab.Nearest(run, all.Select(candidate => candidate.Name))}'."
            );
    }

    /// <inheritdoc/>
    public void Dispose() => _connection.Dispose();

    private static RunStore Fresh(string root, string path, Action<string> warn)
    {
        var connection = new SqliteConnection(
            new SqliteConnectionStringBuilder
            {
                DataSource = path,
                ForeignKeys = true,
                Pooling = false,
            }.ToString()
        );
        try
        {
            connection.Open();
            var store = new RunStore(root, connection);
            using var transaction = connection.BeginTransaction();
            if (store.Scalar("PRAGMA user_version") != Version)
            {
                store.Execute(
                    "DROP TABLE IF EXISTS points; DROP TABLE IF EXISTS figures; DROP TABLE IF EXISTS config; DROP TABLE IF EXISTS runs"
                );
                store.Execute(Schema);
                store.Execute($"PRAGMA user_version = {Version}");
            }
            store.Refresh(warn);
            transaction.Commit();
            return store;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private void Refresh(Action<string> warn)
    {
        var known = Query("SELECT path, stamp FROM runs", [], row => (Path: row.GetString(0), Stamp: row.GetString(1)))
            .ToDictionary(run => run.Path, run => run.Stamp);
        var found = Folders(_root, Deepest).ToDictionary(folder => Path.GetRelativePath(_root, folder), RunRecord.Stamp);
        foreach (var gone in known.Where(run => found.GetValueOrDefault(run.Key) != run.Value))
            Execute("DELETE FROM runs WHERE path = $path", ("$path", gone.Key));
        foreach (var (path, stamp) in found.Where(run => known.GetValueOrDefault(run.Key) != run.Value))
            try
            {
                Add(path, stamp, RunRecord.Open(Path.Combine(_root, path)));
            }
            catch (DfpoException e)
            {
                warn(e.Message);
            }
    }

    private static IEnumerable<string> Folders(string folder, int depth) =>
        Directory
            .GetDirectories(folder)
            .SelectMany(child =>
                RunFolder.IsOne(child) ? [child]
                : depth > 1 ? Folders(child, depth - 1)
                : []
            );

    private void Add(string path, string stamp, RunRecord run)
    {
        Execute(
            "INSERT INTO runs (path, stamp, seed, objective, status, note, iterations, planned) VALUES ($path, $stamp, $seed, $objective, $status, $note, $iterations, $planned)",
            ("$path", path),
            ("$stamp", stamp),
            ("$seed", run.Setting("seed")),
            ("$objective", run.Setting("learner.objective")),
            ("$status", run.Standing),
            ("$note", run.Note),
            ("$iterations", run.Iterations),
            ("$planned", int.TryParse(run.Setting("iterations"), CultureInfo.InvariantCulture, out var planned) ? planned : 0)
        );
        var id = Scalar("SELECT last_insert_rowid()");
        foreach (var (key, value) in run.Config)
            Execute("INSERT INTO config VALUES ($run, $key, $value)", ("$run", id), ("$key", key), ("$value", value));
        foreach (var (policy, metric, value) in run.Figures())
            Execute(
                "INSERT OR REPLACE INTO figures VALUES ($run, $key, $value)",
                ("$run", id),
                ("$key", $"{policy}/{metric}"),
                ("$value", value)
            );
        foreach (var (metric, iteration, value) in run.Points())
            Execute(
                "INSERT OR REPLACE INTO points VALUES ($run, $key, $iteration, $value)",
                ("$run", id),
                ("$key", metric),
                ("$iteration", iteration),
                ("$value", value)
            );
    }

    private Dictionary<string, T> Pairs<T>(string sql, long run, Func<SqliteDataReader, T> value) =>
        Query(sql, [("$run", run)], row => (row.GetString(0), value(row))).ToDictionary(pair => pair.Item1, pair => pair.Item2);

    private List<T> Query<T>(string sql, (string, object)[] parameters, Func<SqliteDataReader, T> row)
    {
        using var command = Command(sql, parameters);
        using var reader = command.ExecuteReader();
        List<T> rows = [];
        while (reader.Read())
            rows.Add(row(reader));
        return rows;
    }

    private long Scalar(string sql)
    {
        using var command = Command(sql, []);
        return (long)command.ExecuteScalar()!;
    }

    private void Execute(string sql, params (string, object)[] parameters)
    {
        using var command = Command(sql, parameters);
        command.ExecuteNonQuery();
    }

    private SqliteCommand Command(string sql, (string Name, object Value)[] parameters)
    {
        var command = _connection.CreateCommand();
        command.CommandText = sql;
        foreach (var (name, value) in parameters)
            command.Parameters.AddWithValue(name, value);
        return command;
    }
}
