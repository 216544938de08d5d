using OllmNative.Kernels;

namespace OllmNative.Model;

/// <summary>
/// A decoding step from token to token without the host: what picks options and tokens and counts on. Tables of the rows are laid out as
/// <see cref="DecodeRow"/> says.
/// </summary>
public abstract partial class ComputeDevice
{
    /// <summary>The policy's distribution and the option of each row.</summary>
    /// <param name="logits">[N, K].</param>
    /// <param name="rows">[N, <see cref="DecodeRow.Ints"/>].</param>
    /// <param name="pi">Result: softmax of the logits, [N, K].</param>
    /// <param name="hot">Result: one-hot rows, [N, K]; zeros where nobody chooses.</param>
    /// <param name="chosen">Result: option (-1: none) and the bits of its probability, [N, 2].</param>
    /// <param name="columns">K.</param>
    public abstract void ChooseOptions(DeviceView<float> logits, DeviceView<int> rows, DeviceView<float> pi, DeviceView<float> hot, DeviceView<int> chosen, int columns);

    /// <summary>
    /// The second half of a module, for a few rows or a few outputs, where the device does it in one go; otherwise does nothing and returns false:
    /// output = W silu(pre + table[z]) + bias, and with a residual output = residual plus that, where the row has an option.
    /// </summary>
    /// <param name="pre">[N, M].</param>
    /// <param name="w">[O, M].</param>
    /// <param name="bias">[O].</param>
    /// <param name="table">What an option adds to pre, [K, M]; or the default view.</param>
    /// <param name="chosen">[N, 2], with a table.</param>
    /// <param name="residual">[N, O], or the default view.</param>
    /// <param name="output">[N, O].</param>
    public virtual bool AdapterOutput(
        DeviceView<float> pre, DeviceMatrix w, DeviceView<float> bias, DeviceView<float> table, DeviceView<int> chosen, DeviceView<float> residual, DeviceView<float> output) => false;

    /// <summary>b[n] = hidden[n], plus what b[n] held where row n has an option.</summary>
    /// <param name="b">[N, D], in place.</param>
    /// <param name="hidden">[N, D].</param>
    /// <param name="chosen">[N, 2].</param>
    /// <param name="columns">D.</param>
    public abstract void AddChosen(DeviceView<float> b, DeviceView<float> hidden, DeviceView<int> chosen, int columns);

    /// <summary>Picks a token of each row: penalty, temperature, min-p, top-k, top-p, and a draw that follows from seed and count alone.</summary>
    /// <param name="logits">[N, V].</param>
    /// <param name="rows">[N, <see cref="DecodeRow.Ints"/>].</param>
    /// <param name="knobs">[N, <see cref="DecodeRow.Knobs"/>].</param>
    /// <param name="seen">A bit for each id that the sequence has had, [N, ceil(V / 32)].</param>
    /// <param name="picked">Result [N].</param>
    /// <param name="columns">V.</param>
    public abstract void SampleTokens(DeviceView<float> logits, DeviceView<int> rows, DeviceView<float> knobs, DeviceView<int> seen, DeviceView<int> picked, int columns);

    /// <summary>The entropy of each row's distribution, how likely a token is, and the likeliest ones: what is told about logits that stay on the device.</summary>
    /// <param name="logits">[N, V].</param>
    /// <param name="picked">A token of each row, [N], minus infinity where there is no such column; or the default view for the likeliest.</param>
    /// <param name="tokens">Result: the likeliest tokens, likeliest first, [N, T]; -1 past the last.</param>
    /// <param name="numbers">Result: entropy in nats, log p of the picked token and of each of the likeliest, [N, 2 + T].</param>
    /// <param name="columns">V.</param>
    public abstract void ScoreTokens(DeviceView<float> logits, DeviceView<int> picked, DeviceView<int> tokens, DeviceView<float> numbers, int columns);

    /// <summary>pre += z table, in f32 on every device: what options add to the decoder's hidden layer, whether they are chosen or weighed.</summary>
    /// <param name="z">[N, K].</param>
    /// <param name="table">[K, M], f32.</param>
    /// <param name="pre">[N, M].</param>
    public virtual void AddOptions(DeviceView<float> z, DeviceMatrix table, DeviceView<float> pre) => MatMulBackwardInput(z, table, pre, accumulate: true);

    /// <summary>The picked tokens become the batch's, and positions, cache rows, lengths and counts go on by one.</summary>
    /// <param name="picked">[N].</param>
    /// <param name="chosen">[N, 2]; the default view without options.</param>
    /// <param name="batch">Tokens, positions and cache rows, [3, N].</param>
    /// <param name="rows">[N, <see cref="DecodeRow.Ints"/>].</param>
    /// <param name="seen">[N, words].</param>
    /// <param name="results">For even and odd counts, [2, N, <see cref="DecodeRow.Results"/>].</param>
    public abstract void AdvanceRows(DeviceView<int> picked, DeviceView<int> chosen, DeviceView<int> batch, DeviceView<int> rows, DeviceView<int> seen, DeviceView<int> results);

    /// <summary>Tells the device that <see cref="AdvanceRows"/>, run or started from a recording, has moved the sequences of the last attention on by one.</summary>
    public virtual void SequencesAdvanced() { }
}
