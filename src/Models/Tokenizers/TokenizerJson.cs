using System.Text.Json;
using DfPO.Models.Tokenizers.AddedTokens;
using DfPO.Models.Tokenizers.Decoders;
using DfPO.Models.Tokenizers.Normalizers;
using DfPO.Models.Tokenizers.PreTokenizers;
using DfPO.Models.Tokenizers.Processors;
using DfPO.Models.Tokenizers.Segmentation;

namespace DfPO.Models.Tokenizers;

/// <summary>Reads HF's <c>tokenizer.json</c>: every step is known, or the file is refused by its field.</summary>
/// <remarks>Not read is what belongs to a call: <c>truncation</c> and <c>padding</c>, which transformers sets anew with each.</remarks>
internal static class TokenizerJson
{
    public const string FileName = "tokenizer.json";

    /// <param name="path">The file, for errors.</param>
    /// <param name="content">What it holds.</param>
    /// <param name="settings">What the files beside it say.</param>
    /// <exception cref="DfpoException"><c>tokenizer/corrupt</c>, or <c>tokenizer/unsupported</c> with file and field.</exception>
    public static TokenizerPipeline Read(string path, ReadOnlyMemory<byte> content, TokenizerSettings settings)
    {
        try
        {
            using var document = JsonDocument.Parse(content, new JsonDocumentOptions { AllowDuplicateProperties = false });
            return Read(new JsonField(path, "", document.RootElement), settings);
        }
        catch (Exception e) when (TokenizerFiles.IsDefect(e))
        {
            throw TokenizerFiles.Corrupt(path, $"it does not make a tokenizer ({e.Message})", e);
        }
    }

    private static TokenizerPipeline Read(JsonField file, TokenizerSettings settings)
    {
        file.Only("version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model");
        var sections = SettingOverrides.Apply(settings, file["normalizer"], file["pre_tokenizer"], file["decoder"]);
        var normalizer = NormalizerReader.Read(sections.Normalizer);
        RequireOrigin(sections);
        var segmenter = SegmenterReader.Read(file["model"]);
        var added = AddedTokenReader.Read(file["added_tokens"], segmenter.Vocabulary, settings);
        var pipeline = new TokenizerPipeline(
            new AddedVocabulary(added, normalizer),
            PreTokenizerReader.Read(sections.PreTokenizer),
            segmenter,
            TemplateReader.Read(file["post_processor"]),
            DecoderReader.Read(sections.Decoder)
        )
        {
            SplitSpecial = settings.SplitSpecialTokens,
            // transformers 5 leaves what BPE decodes as it is: there the spaces are the text's own.
            CleanUpText = settings.CleanUpText && segmenter is not BytePairSegmenter,
        };
        foreach (var part in pipeline.Template.Single.Concat(pipeline.Template.Pair))
            foreach (var id in part.Special)
                file["post_processor"].Require(pipeline.Token(id) is not null, $"made of tokens, which {id} is not");
        SettingOverrides.CheckTemplate(settings, pipeline);
        return pipeline;
    }

    /// <summary>Where a text begins is not kept through steps that take something away from its front.</summary>
    private static void RequireOrigin((JsonField Normalizer, JsonField PreTokenizer, JsonField Decoder) sections)
    {
        if (
            sections
                .PreTokenizer.Steps("pretokenizers")
                .All(step => step.Kind != "Metaspace" || PreTokenizerReader.Scheme(step) != PrependScheme.First)
        )
            return;
        foreach (var step in sections.Normalizer.Steps("normalizers"))
            step.Require(
                step.Kind is "NFC" or "NFD" or "NFKC" or "NFKD" or "Lowercase" or "Prepend"
                    || (step.Kind == "Replace" && step["content"].Text().Length > 0),
                "a step that takes nothing away, before a Metaspace whose prepend_scheme is 'first'"
            );
    }
}
