using System.Runtime.Loader;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace DfPO.Actors.Tests.Simulation;

/// <summary>
/// The simulator with a bug in the decisions that it simulates: their source with the bug, compiled anew beside the program.
/// </summary>
internal static class MutantProgram
{
    // What is decided; everything else is taken from the program as it is built.
    private static readonly string[] s_decisions =
    [
        "Work/WorkLedger.cs",
        "Work/WorkQueue.cs",
        "Work/QueueEffect.cs",
        "Work/WorkQueueOptions.cs",
        "Work/QueuedWorker.cs",
        "Work/WorkerHealth.cs",
        "Work/ResultCheck.cs",
        "Work/UnitResultBits.cs",
        "Work/PullingWorker.cs",
        "Work/WorkerEffect.cs",
        "Work/WorkProtocol.cs",
        "Work/WorkUnits.cs",
        "Work/WorkEvent.cs",
        "Timing/ActiveClock.cs",
        "Experiments/AsyncSchedule.cs",
        "Experiments/IUnitSchedule.cs",
        "Experiments/TrainingUnit.cs",
        "Weights/WeightsDigest.cs",
    ];

    private static readonly string[] s_simulation =
    [
        "FakeRef.cs",
        "Fault.cs",
        "World.cs",
        "LearnerNode.cs",
        "WorkerNode.cs",
        "StrangerNode.cs",
        "Simulator.cs",
    ];

    private const string Folder = "tests/Actors.Tests/Simulation/";

    private const string Usings = """
        global using global::System;
        global using global::System.Collections.Generic;
        global using global::System.IO;
        global using global::System.Linq;
        global using global::System.Net.Http;
        global using global::System.Threading;
        global using global::System.Threading.Tasks;
        """;

    private static readonly Lazy<MetadataReference[]> s_references = new(() =>
        [
            .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!)
                .Split(Path.PathSeparator)
                .Where(path => !path.EndsWith("DfPO.Actors.Tests.dll", StringComparison.Ordinal))
                .Select(path => MetadataReference.CreateFromFile(path)),
        ]
    );

    /// <summary>What <see cref="Simulator.FirstFailure"/> says of the program with a bug; without one where it is null.</summary>
    public static string? FirstFailure(Mutant? mutant, ulong first, int count)
    {
        var trees = s_decisions
            .Select(file => (Path: $"src/Actors/{file}", Text: Text(file, mutant)))
            .Concat(s_simulation.Select(file => (Path: file, Text: File.ReadAllText(Repository.Path(Folder + file)))))
            .Append(("usings", Usings))
            .Select(file => CSharpSyntaxTree.ParseText(file.Item2, new CSharpParseOptions(LanguageVersion.Preview), file.Item1));
        var compilation = CSharpCompilation.Create(
            // The name that may see the program's internals.
            typeof(MutantProgram).Assembly.GetName().Name,
            trees,
            s_references.Value,
            new CSharpCompilationOptions(
                OutputKind.DynamicallyLinkedLibrary,
                optimizationLevel: OptimizationLevel.Release,
                nullableContextOptions: NullableContextOptions.Enable
            )
        );
        using var image = new MemoryStream();
        var emitted = compilation.Emit(image);
        if (!emitted.Success)
        {
            var errors = emitted.Diagnostics.Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error);
            throw new InvalidOperationException(string.Join('\n', errors.Take(5)));
        }
        image.Position = 0;
        var context = new AssemblyLoadContext(mutant?.Bug ?? "as it is", isCollectible: true);
        try
        {
            var simulator = context.LoadFromStream(image).GetType(typeof(Simulator).FullName!)!;
            return (string?)simulator.GetMethod(nameof(Simulator.FirstFailure))!.Invoke(null, [first, count]);
        }
        finally
        {
            context.Unload();
        }
    }

    /// <summary>A source file with a bug in it.</summary>
    /// <exception cref="InvalidOperationException">What the bug changes does not stand there once.</exception>
    public static string Text(string file, Mutant? mutant)
    {
        var text = File.ReadAllText(Repository.Path($"src/Actors/{file}")).ReplaceLineEndings("\n");
        if (mutant?.File != file)
            return text;
        var parts = text.Split(mutant.Right);
        return parts.Length == 2
            ? string.Join(mutant.Wrong, parts)
            : throw new InvalidOperationException($"'{mutant.Right}' stands {parts.Length - 1} times in {file}: {mutant.Bug}.");
    }
}
