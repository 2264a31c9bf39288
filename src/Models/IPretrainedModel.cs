namespace DfPO.Models;

/// <summary>A module that a checkpoint folder can hold.</summary>
public interface IPretrainedModel
{
    /// <summary>What its <c>config.json</c> says.</summary>
    ModelConfig Config { get; }

    /// <summary>Its class in HF's transformers.</summary>
    string Architecture { get; }
}
