using System.CommandLine;
using System.Net;
using DfPO.Host.Generation;
using DfPO.Host.Serving;

namespace DfPO.Host.Commands;

/// <summary><c>serve</c>: a policy behind OpenAI's HTTP interface.</summary>
internal static class ServeCommand
{
    private static readonly ServeSettings s_defaults = new();

    public static Command Create()
    {
        var model = new Argument<string>("model")
        {
            Description = "Model folder, GGUF file, checkpoint, or a run's folder, whose best weights are served.",
        };
        var experiment = Options.Experiment();
        var reference = Options.Optional<string>(
            "--reference",
            "Checkpoint folder of pi_0, for requests with the policy pi-; otherwise the run's."
        );
        var host = Options.Of("--host", "Address to listen on. Others than loopback need a key.", "127.0.0.1");
        var port = Options.Port("--port", "Port to listen on.", 8000);
        var variable = Options.Of(
            "--key-variable",
            "Environment variable with the key that requests must bear; unset or empty for none.",
            "DFPO_SERVE_KEY"
        );
        var name = Options.Optional<string>("--name", "The model's name in requests; otherwise that of its folder or file.");
        var concurrency = Options.AtLeast("--concurrency", "Continuations decoded side by side.", 1, s_defaults.Concurrency);
        var queue = Options.AtLeast("--queue", "Continuations that wait at most; further ones are answered with 429.", 1, s_defaults.Queue);
        var tokens = Options.AtLeast("--max-tokens", "New tokens of a continuation at most.", 1, s_defaults.MaxTokens);
        var seconds = Options.AtLeast("--request-seconds", "How long a request may take.", 1, (int)s_defaults.RequestTime.TotalSeconds);
        var dtype = Options.Of("--dtype", "float32 or bfloat16.", "float32");
        var device = Options.Of("--device", "cpu, cuda or cuda:N.", "cpu");
        var threads = Options.Of("--threads", "Torch threads; 0 leaves torch's own choice.", 0);
        var command = new Command(
            "serve",
            """
            Serve a policy to OpenAI's clients: /v1/models, /v1/completions and /v1/chat/completions. Requests may set policy (pi_theta, pi-) and tolerance beside OpenAI's fields. Examples:
              dfpo serve models/imdb-tiny/policy --port 8000
              curl localhost:8000/v1/completions -H 'content-type: application/json' -d '{"model": "policy", "prompt": "This film was"}'
            """
        )
        {
            model,
            experiment,
            reference,
            host,
            port,
            variable,
            name,
            concurrency,
            queue,
            tokens,
            seconds,
            dtype,
            device,
            threads,
        };
        host.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !IPAddress.TryParse(result.Tokens[0].Value, out _))
                result.AddError($"--host '{result.Tokens[0].Value}' must be an IP address.");
        });
        command.SetAction(
            async (result, cancellation) =>
            {
                var path = result.GetValue(model)!;
                var trained = TrainedPolicy.Open(path, result.GetValue(experiment), result.GetValue(reference), whole: false);
                using var served = ServedModel.Load(
                    trained,
                    result.GetValue(name) ?? NameOf(path),
                    result.GetValue(device)!,
                    result.GetValue(dtype)!
                );
                await using var server = await OpenAiServer.Start(
                    served,
                    new ServeSettings
                    {
                        Address = IPAddress.Parse(result.GetValue(host)!),
                        Port = result.GetValue(port),
                        Key = Environment.GetEnvironmentVariable(result.GetValue(variable)!) is { Length: > 0 } key ? key : null,
                        Concurrency = result.GetValue(concurrency),
                        Queue = result.GetValue(queue),
                        MaxTokens = result.GetValue(tokens),
                        RequestTime = TimeSpan.FromSeconds(result.GetValue(seconds)),
                        Threads = result.GetValue(threads),
                    },
                    cancellation
                );
                Console.WriteLine($"{served.Id} at {server.Url}/v1");
                await Task.Delay(Timeout.Infinite, cancellation).ContinueWith(_ => { }, TaskScheduler.Default);
                return 0;
            }
        );
        return command;
    }

    private static string NameOf(string path)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        return full.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) ? Path.GetFileNameWithoutExtension(full) : Path.GetFileName(full);
    }
}
