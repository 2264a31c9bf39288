namespace DfPO.Models.Tokenizers.Processors;

/// <summary>Reads <c>post_processor</c> of <c>tokenizer.json</c>.</summary>
internal static class TemplateReader
{
    /// <exception cref="DfpoException"><c>tokenizer/unsupported</c>, with the field.</exception>
    public static Template Read(JsonField field)
    {
        Template? found = null;
        foreach (var step in field.Steps("processors"))
        {
            if (Step(step) is not { } template)
                continue;
            step.Require(found is null, "the only step that adds tokens");
            found = template;
        }
        return found ?? Template.Plain;
    }

    private static Template? Step(JsonField field)
    {
        switch (field.Kind)
        {
            case "ByteLevel":
                // It moves offsets, which are not kept here.
                field.Only("type", "add_prefix_space", "trim_offsets", "use_regex");
                return null;
            case "BertProcessing":
                field.Only("type", "sep", "cls");
                var (cls, sep) = (Second(field["cls"]), Second(field["sep"]));
                return new(
                    [Special(cls, 0), Text(0, 0), Special(sep, 0)],
                    [Special(cls, 0), Text(0, 0), Special(sep, 0), Text(1, 1), Special(sep, 1)]
                );
            case "RobertaProcessing":
                field.Only("type", "sep", "cls", "trim_offsets", "add_prefix_space");
                var (bos, eos) = (Second(field["cls"]), Second(field["sep"]));
                return new(
                    [Special(bos, 0), Text(0, 0), Special(eos, 0)],
                    [Special(bos, 0), Text(0, 0), Special(eos, 0), Special(eos, 0), Text(1, 0), Special(eos, 0)]
                );
            case "TemplateProcessing":
                field.Only("type", "single", "pair", "special_tokens");
                return new(Parts(field, "single", 1), Parts(field, "pair", 2));
            default:
                throw field["type"].Refused("Sequence, ByteLevel, BertProcessing, RobertaProcessing or TemplateProcessing");
        }
    }

    private static TemplatePart[] Parts(JsonField field, string name, int texts)
    {
        var parts = field[name]
            .Items()
            .Select(part =>
            {
                part.Only("Sequence", "SpecialToken");
                var (text, special) = (part["Sequence"], part["SpecialToken"]);
                part.Require(text.IsAbsent != special.IsAbsent, "one Sequence or one SpecialToken");
                if (!text.IsAbsent)
                    return Text(
                        text["id"].Text() switch
                        {
                            "A" => 0,
                            "B" => 1,
                            _ => throw text["id"].Refused("A or B"),
                        },
                        text["type_id"].Integer()
                    );
                var ids = field["special_tokens"][special["id"].Text()]["ids"];
                ids.Require(ids.Items().Any(), "the ids of a token in the template");
                return new TemplatePart(null, [.. ids.Items().Select(id => id.Integer())], special["type_id"].Integer());
            })
            .ToArray();
        field[name]
            .Require(
                parts.Where(part => part.Text is not null).Select(part => part.Text!.Value).SequenceEqual(Enumerable.Range(0, texts)),
                texts == 1 ? "a template with the text A once" : "a template with the texts A and B once"
            );
        return parts;
    }

    private static TemplatePart Text(int number, int type) => new(number, [], type);

    private static TemplatePart Special(int id, int type) => new(null, [id], type);

    private static int Second(JsonField pair) =>
        pair.Items().ToArray() is [_, var id] ? id.Integer() : throw pair.Refused("a token and its id");
}
