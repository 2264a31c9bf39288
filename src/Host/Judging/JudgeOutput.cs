using DfPO.Learner.Supervised;
using DfPO.Models;
using DfPO.Models.Tokenizers;

namespace DfPO.Host.Judging;

/// <summary>What both kinds of judges are saved with.</summary>
internal static class JudgeOutput
{
    private const string CardName = "README.md";

    /// <summary>Adds card and tokenizer to saved weights.</summary>
    public static void Complete(string output, string source, string card)
    {
        File.WriteAllText(Path.Combine(output, CardName), card);
        ModelFolder.Complete(output, source);
    }

    /// <summary>Refuses blocks without room for a text.</summary>
    /// <exception cref="DfpoException"><c>train/options</c>.</exception>
    public static void CheckBlock(TextTokenizer tokenizer, SupervisedOptions options)
    {
        if (options.BlockSize <= tokenizer.SpecialTokens + 1)
            throw new DfpoException(
                "train/options",
                $"Training option 'block-size' is {options.BlockSize} but must be above the {tokenizer.SpecialTokens} special tokens of an input."
            );
    }

    /// <summary>The last name of a path: a card names no folder of the machine that it was made on.</summary>
    public static string NameOf(string path) => Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
}
