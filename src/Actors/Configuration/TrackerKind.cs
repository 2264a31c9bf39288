namespace DfPO.Actors.Configuration;

/// <summary>Where a run's figures go beside its folder.</summary>
public enum TrackerKind
{
    /// <summary>Event files of TensorBoard, in the folder <c>tensorboard</c> of the run.</summary>
    Tensorboard,

    /// <summary>The MLflow server that the environment variable <c>MLFLOW_TRACKING_URI</c> names.</summary>
    Mlflow,
}
