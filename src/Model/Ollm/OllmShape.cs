namespace OllmNative.Model;

/// <summary>Sizes of the three trained modules.</summary>
/// <param name="HiddenSize">D, the backbone's hidden size.</param>
/// <param name="LatentWidth">M, the width of the hidden layer in each module.</param>
/// <param name="Options">K, the number of options for the next token.</param>
/// <param name="Epsilon">The backbone's rms_norm_eps.</param>
public sealed record OllmShape(int HiddenSize, int LatentWidth, int Options, float Epsilon)
{
    /// <summary>Default M: 7D/3 rounded to a multiple of 64, which makes the trainable share of a 1.7B model 1.56 %.</summary>
    public static int DefaultLatentWidth(int hiddenSize) =>
        Math.Max(64, (int)Math.Round(7.0 * hiddenSize / 3 / 64, MidpointRounding.AwayFromZero) * 64);

    /// <summary>Names and shapes of all tensors, in the order in which they lie in the parameter buffer and in the file.</summary>
    public IReadOnlyList<(string Name, int[] Shape)> Tensors
    {
        get
        {
            int d = HiddenSize, m = LatentWidth, k = Options;
            return
            [
                ("encoder.norm_hidden.weight", [d]), ("encoder.norm_target.weight", [d]),
                ("encoder.in.weight", [m, 2 * d]), ("encoder.in.bias", [m]), ("encoder.out.weight", [k, m]), ("encoder.out.bias", [k]),
                ("decoder.norm.weight", [d]), ("decoder.in.weight", [m, d]), ("decoder.in.bias", [m]),
                ("decoder.options.weight", [k, m]), ("decoder.out.weight", [d, m]), ("decoder.out.bias", [d]),
                ("policy.norm.weight", [d]), ("policy.in.weight", [m, d]), ("policy.in.bias", [m]),
                ("policy.out.weight", [k, m]), ("policy.out.bias", [k]),
            ];
        }
    }

    /// <summary>Trainable parameters.</summary>
    public long ParameterCount => Tensors.Sum(t => t.Shape.Aggregate(1L, (product, extent) => product * extent));
}
