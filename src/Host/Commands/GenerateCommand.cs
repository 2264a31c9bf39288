using System.CommandLine;
using System.Text.Json.Nodes;
using DfPO.Actors.Evaluation;
using DfPO.Host.Generation;
using DfPO.Host.Runs;
using DfPO.Host.Telemetry;
using DfPO.Models;
using DfPO.Models.Policies;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Tables;

namespace DfPO.Host.Commands;

/// <summary><c>generate</c>: continues prompts with a checkpoint or a run's policy.</summary>
internal static class GenerateCommand
{
    public static Command Create()
    {
        var checkpoint = new Argument<string>("checkpoint")
        {
            Description = "Checkpoint folder of the policy, or a run's folder, whose best weights, sampling and masks are taken.",
        };
        var experiment = Options.Experiment();
        var prompt = new Option<string[]>("--prompt") { Description = "A prompt; may be repeated." };
        var file = Options.Optional<string>(
            "--file",
            "Prompts: a .jsonl file with id and text (or messages), or a text file with one a line. Without --prompt and --file they are read from stdin."
        );
        var chat = new Option<bool>("--chat")
        {
            Description =
                "Each prompt is a user's message, written by the checkpoint's chat template. Prompts of a .jsonl file with messages are so anyway.",
        };
        var policy = Options.Policy(
            "What is sampled: the policy itself (of an NLPO run: under its mask), or masked by the reference: negative (pi-) or positive (pi+)."
        );
        var reference = Options.Optional<string>(
            "--reference",
            "Checkpoint folder of pi_0, which the masked policies need; otherwise the experiment's."
        );
        var json = new Option<bool>("--json") { Description = "One JSON object a prompt." };
        var sampling = new SamplingOptions();
        var command = new Command(
            "generate",
            """
            Continue prompts with a checkpoint, or with a run's best policy as the run draws it. Examples:
              dfpo generate models/imdb-tiny/policy --prompt "This film was"
              dfpo generate runs/NAME --policy negative --file prompts.txt --json
              dfpo generate SmolLM2-135M-Instruct.Q4_1.gguf --chat --prompt "What is the capital of France?"
              dfpo generate my-copy --experiment runs/NAME/experiment.conf --prompt "This film was"
            A policy trained by NLPO is drawn under its mask, as in its run. A copy of its checkpoint with a folder mask in it needs --experiment for that, and is refused without.
            """
        )
        {
            checkpoint,
            experiment,
            prompt,
            file,
            chat,
            policy,
            reference,
            json,
        };
        sampling.AddTo(command);
        command.SetAction((result, cancellation) => Task.Run(() => Run(result, cancellation), CancellationToken.None));
        return command;

        int Run(ParseResult result, CancellationToken cancellation)
        {
            var trained = TrainedPolicy.Open(
                result.GetValue(checkpoint)!,
                result.GetValue(experiment),
                result.GetValue(reference),
                whole: false
            );
            var options = sampling.Generation(result, trained.Decoding(trained.Evaluated, Options.ParsePolicy(result.GetValue(policy)!)));
            if (options.Policy != DecodingPolicy.Policy && trained.Reference is null)
                throw new DfpoException(
                    "usage/reference",
                    $"--policy {options.Policy.Name()} masks the policy by the reference model: give its checkpoint folder with --reference, or the experiment with --experiment."
                );
            var prompts = PromptSource.Read(result.GetValue(prompt) ?? [], result.GetValue(file));
            if (result.GetValue(chat))
                prompts = [.. prompts.Select(one => one.Messages is null ? ChatPrompts.Ask(one.Id, one.Text) : one)];
            using var telemetry = HostTelemetry.Start("generate");
            var (seed, dtype, device, batch) = sampling.Engine(result);
            using var generator = trained.Load([options], scored: false, device, dtype);
            foreach (var continuation in generator.Generate(prompts, options, seed, batch, null, cancellation))
                Console.WriteLine(
                    result.GetValue(json)
                        ? Line(continuation).ToJsonString(JsonLinesFile.Format)
                        : Shown(continuation.Prompt.Text + continuation.Text) + "\n"
                );
            return 0;
        }
    }

    /// <summary>As it is where it goes to a file or a program; without control characters where it goes to a terminal.</summary>
    private static string Shown(string text) => Console.IsOutputRedirected ? text : PlainText.Of(text);

    private static JsonObject Line(Continuation continuation) =>
        new()
        {
            ["id"] = continuation.Prompt.Id,
            ["prompt"] = continuation.Prompt.Text,
            ["continuation"] = continuation.Text,
            ["tokens"] = continuation.Sequence.Tokens.Length,
            ["finished"] = continuation.Sequence.Finished,
        };
}

/// <summary>Where the prompts of a command come from.</summary>
internal static class PromptSource
{
    public static IReadOnlyList<Prompt> Read(IReadOnlyList<string> prompts, string? file)
    {
        if (prompts.Count > 0 && file is not null)
            throw new DfpoException("usage/prompts", "Give prompts with --prompt or with --file, not both.");
        if (file is not null && file.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase))
            return PromptSet.Read(file).Prompts;
        if (file is not null && !File.Exists(file))
            throw new DfpoException("prompts/missing", $"Prompt file '{file}' does not exist.");
        if (prompts.Count == 0 && file is null && !Console.IsInputRedirected)
            throw new DfpoException("usage/prompts", "There is no prompt: give --prompt, --file, or lines on stdin.");
        var texts =
            prompts.Count > 0 ? prompts
            : file is not null ? Utf8Lines.Read(file, "prompts/malformed")
            : Utf8Lines.Read(Console.OpenStandardInput(), "Standard input", "prompts/malformed");
        Prompt[] read = [.. texts.Where(text => text.Trim().Length > 0).Select((text, index) => new Prompt($"prompt-{index + 1}", text))];
        return read.Length > 0 ? read : throw new DfpoException("usage/prompts", "There is no prompt: every line is blank.");
    }
}
