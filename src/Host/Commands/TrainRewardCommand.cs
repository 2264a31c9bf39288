using System.CommandLine;
using DfPO.Host.Judging;
using DfPO.Tasks.Corpora;

namespace DfPO.Host.Commands;

/// <summary><c>train-reward</c>: a judge on the body of a language model or encoder, of labelled texts or of preferences.</summary>
internal static class TrainRewardCommand
{
    private static readonly LabeledColumns s_columns = new();
    private static readonly TextWindows s_windows = new();

    public static Command Create()
    {
        var train = Options.Optional<string>(
            "--train",
            "Labelled texts: a folder or archive with a sub-folder of .txt files a class, IMDB's folder or archive, or a table (.jsonl, .csv, .tsv, .parquet)."
        );
        var pairs = Options.Optional<string>(
            "--pairs",
            "Preferences in place of labelled texts: a table with 'chosen' and 'rejected', texts or lists of messages, and optionally 'prompt' and 'margin'."
        );
        var test = Options.Optional<string>(
            "--test",
            "The same, for the final figures; without it the data's own test part, or a tenth that is not learnt from."
        );
        var body = Options.Required<string>(
            "--base",
            "Checkpoint of a decoder-only language model or of an encoder, whose body and tokenizer are taken over."
        );
        var output = Options.Required<string>("--output", "Checkpoint folder to write; its state is resumed from <output>.state.");
        var text = Options.Of("--text-column", "Column of the text in a table of --train.", s_columns.Text);
        var label = Options.Of("--label-column", "Column of the class.", s_columns.Label);
        var least = Options.Of("--least-words", "Words of the shortest random piece of a text.", s_windows.LeastWords);
        var most = Options.Of("--most-words", "Words of the longest one.", s_windows.MostWords);
        var whole = Options.Of("--whole-share", "Share of draws that see the whole text instead of a piece.", s_windows.WholeShare);
        var limit = Options.AtLeast("--test-limit", "Most test texts or pairs; 0 takes all.", 0, 5000);
        var center = Options.Of("--center-rewards", "With --pairs: coefficient of mean (chosen + rejected)^2; 0.01 is usual.", 0.0);
        var template = Options.Optional<string>(
            "--template",
            "With --pairs: checkpoint whose chat template writes messages, which is that of the policy to be judged; --base by default."
        );
        var training = new TrainingOptions();
        var command = new Command(
            "train-reward",
            "Train a judge for rewards, on labelled texts or on preferences. Example: dfpo train-reward --train aclImdb --base my-encoder --output my-judge --steps 1500 --learning-rate 1e-4 --bf16"
        )
        {
            train,
            pairs,
            test,
            body,
            output,
            text,
            label,
            least,
            most,
            whole,
            limit,
            center,
            template,
        };
        training.AddTo(command);
        command.Validators.Add(result =>
        {
            if (result.GetResult(train) is null == result.GetResult(pairs) is null)
                result.AddError("Give one of --train (labelled texts) and --pairs (preferences).");
        });
        command.SetAction(
            (result, cancellation) =>
                Task.Run(
                    () =>
                        result.GetValue(pairs) is { } preferences
                            ? PairJudge.Run(
                                new(
                                    result.GetValue(body)!,
                                    preferences,
                                    result.GetValue(test),
                                    result.GetValue(template) ?? result.GetValue(body)!,
                                    result.GetValue(center),
                                    result.GetValue(limit),
                                    training.Read(result)
                                ),
                                result.GetValue(output)!,
                                p => TrainingOptions.Print(p, "held-out accuracy"),
                                cancellation
                            )
                            : LabelJudge.Run(
                                new(
                                    result.GetValue(body)!,
                                    result.GetValue(train)!,
                                    result.GetValue(test),
                                    new(result.GetValue(text)!, result.GetValue(label)!),
                                    new(result.GetValue(least), result.GetValue(most), result.GetValue(whole)),
                                    result.GetValue(limit),
                                    training.Read(result)
                                ),
                                result.GetValue(output)!,
                                p => TrainingOptions.Print(p, "held-out accuracy"),
                                cancellation
                            ),
                    CancellationToken.None
                )
        );
        return command;
    }
}
