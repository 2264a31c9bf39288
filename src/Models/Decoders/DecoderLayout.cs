namespace DfPO.Models.Decoders;

/// <summary>Kinds of norm.</summary>
internal enum NormKind
{
    /// <summary><c>x / rms(x) * weight</c>.</summary>
    Rms,

    /// <summary><c>x / rms(x) * (1 + weight)</c>.</summary>
    RmsPlusOne,

    /// <summary>Layer norm with weight and bias.</summary>
    Layer,
}

/// <summary>How the parts of a block are added up.</summary>
internal enum ResidualKind
{
    /// <summary>Attention, then the perceptron of the sum.</summary>
    Serial,

    /// <summary>Both read the block's input.</summary>
    Parallel,

    /// <summary>Serial, with the norms after the sums.</summary>
    NormedSums,
}

/// <summary>How queries, keys and values lie in what is projected.</summary>
internal enum ProjectionLayout
{
    /// <summary>Three projections.</summary>
    Apart,

    /// <summary>One: all heads' queries, then keys, then values.</summary>
    Blocks,

    /// <summary>One: query, key and value of a head, then of the next.</summary>
    ByHead,
}

/// <summary>Norms of queries and keys before they turn.</summary>
internal enum HeadNorm
{
    None,

    /// <summary>Of every head, with one weight for all.</summary>
    Each,

    /// <summary>Of all heads together.</summary>
    Whole,

    /// <summary>A layer norm for each head, with a weight of its own and no bias.</summary>
    Own,
}
