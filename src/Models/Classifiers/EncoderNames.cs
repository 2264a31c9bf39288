namespace DfPO.Models.Classifiers;

/// <summary>What PyTorch calls the parts of an encoder, so that state-dict keys match.</summary>
internal sealed record EncoderNames(
    string Layers,
    string Query,
    string Key,
    string Value,
    string AttentionOutput,
    string AttentionNorm,
    string Up,
    string Down,
    string OutputNorm
)
{
    /// <summary>BERT and RoBERTa.</summary>
    public static readonly EncoderNames Bert = new(
        "encoder.layer",
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
        "attention.output.LayerNorm",
        "intermediate.dense",
        "output.dense",
        "output.LayerNorm"
    );

    /// <summary>DistilBERT.</summary>
    public static readonly EncoderNames DistilBert = new(
        "transformer.layer",
        "attention.q_lin",
        "attention.k_lin",
        "attention.v_lin",
        "attention.out_lin",
        "sa_layer_norm",
        "ffn.lin1",
        "ffn.lin2",
        "output_layer_norm"
    );
}
