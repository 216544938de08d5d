namespace OllmNative.Model;

/// <summary>Rows of a packed batch that belong to one sequence, and where its keys and values lie.</summary>
/// <param name="FirstRow">First row of the batch.</param>
/// <param name="Count">Rows (new tokens) of the sequence in the batch.</param>
/// <param name="Past">Tokens before them, already in the cache: the first new token has this position.</param>
/// <param name="CacheRow">Row of the key and value matrices that holds position 0 of the sequence.</param>
public readonly record struct SequenceSpan(int FirstRow, int Count, int Past, int CacheRow);

/// <summary>
/// The operations that the model is made of, on memory of one device. The backbone, the OLLM modules, the trainer and
/// the generator are written once over this class.
/// <para>Sizes: N rows (tokens), D hidden, H query heads, Hkv key/value heads, Dh head size, V vocabulary, K options.
/// Matrices are row-major f32 unless they are weights. Operands come in the order inputs, weights, results.</para>
/// <para>The gradient rule, stated once: gradients of parameters are added to (<c>+=</c>), gradients of activations are
/// written (<c>=</c>).</para>
/// </summary>
public abstract partial class ComputeDevice : IDisposable
{
    /// <summary>What the device is, for reports: <c>cpu (2 threads, AVX-512)</c>.</summary>
    public abstract string Description { get; }

    /// <summary>Allocates zeroed memory.</summary>
    public abstract DeviceBuffer<T> Allocate<T>(long length) where T : unmanaged;

    /// <summary>Makes a tensor of the mapped file usable as a weight; on the CPU nothing is copied.</summary>
    /// <exception cref="OllmException">The tensor is not a matrix of F32, F16 or BF16.</exception>
    public abstract DeviceMatrix Matrix(MappedTensor tensor);

    /// <summary>Views a stretch of parameters as a matrix [rows, columns].</summary>
    public abstract DeviceMatrix Matrix(DeviceView<float> parameters, int rows, int columns);

    /// <summary>The first rows of a matrix, without copying: a head cut to the ids that the tokenizer knows.</summary>
    public abstract DeviceMatrix FirstRows(DeviceMatrix matrix, int rows);

    /// <summary>A copy of a weight matrix that takes half the memory traffic of 16-bit weights: 8 bits and a scale for each row.</summary>
    /// <exception cref="OllmException">The device computes with weights as they are stored only.</exception>
    public virtual DeviceMatrix Quantize(DeviceMatrix matrix) =>
        throw new OllmException($"--quantize int8: {Description} computes with weights as stored; expected --quantize none, or --device cpu");

    /// <summary>output[n] = table[ids[n]]: [N, D].</summary>
    public abstract void Embedding(DeviceView<int> ids, DeviceMatrix table, DeviceView<float> output);

    /// <summary>output[n] = input[rows[n]]: picks N rows of <paramref name="columns"/> floats.</summary>
    public abstract void GatherRows(DeviceView<float> input, DeviceView<int> rows, DeviceView<float> output, int columns);

    /// <summary>
    /// output = gain * x / sqrt(mean(x²) + eps) for each row of <paramref name="gain"/>.Length floats. Rows of the output
    /// are <paramref name="outputStride"/> floats apart (0: packed), so that a result can land inside a wider matrix.
    /// </summary>
    public abstract void RmsNorm(DeviceView<float> x, DeviceView<float> gain, DeviceView<float> output, float eps, int outputStride = 0);

    /// <summary>
    /// dGain[j] = sum_i W[i,j] dW[i,j] / gain[j]: the gradient of the gain of a norm that stands before a linear layer, out of that layer's own,
    /// since y = W (gain x / rms(x)). The inputs of every trained norm are frozen, so nothing else needs the gradient of the layer's input. Written, not
    /// added: dW holds all that was added to it. A gain of zero, which hides its gradient, gets 0.
    /// </summary>
    /// <param name="gain">[D].</param>
    /// <param name="w">[M, D].</param>
    /// <param name="dW">[M, D], complete.</param>
    /// <param name="dGain">Result [D].</param>
    public abstract void NormGainGradient(DeviceView<float> gain, DeviceView<float> w, DeviceView<float> dW, DeviceView<float> dGain);

    /// <summary>output [N, rows(W)] = x [N, columns(W)] Wᵀ + bias; with <paramref name="accumulate"/> it is added to the output.</summary>
    public abstract void MatMul(DeviceView<float> x, DeviceMatrix w, DeviceView<float> bias, DeviceView<float> output, bool accumulate = false);

    /// <summary>The products of one x [N, columns] with several matrices, in one pass where the device gains by it.</summary>
    /// <param name="x">Shared input.</param>
    /// <param name="projections">Matrices, biases and outputs; no output is another one's or overlaps x.</param>
    public virtual void MatMulEach(DeviceView<float> x, params ReadOnlySpan<Projection> projections)
    {
        foreach (Projection projection in projections) MatMul(x, projection.W, projection.Bias, projection.Output);
    }

    /// <summary>dx [N, columns(W)] = dy [N, rows(W)] W; with <paramref name="accumulate"/> it is added.</summary>
    public abstract void MatMulBackwardInput(DeviceView<float> dy, DeviceMatrix w, DeviceView<float> dx, bool accumulate = false);

    /// <summary>dW [rows, columns] += dyᵀ x and dBias [rows] += column sums of dy (when given).</summary>
    public abstract void MatMulBackwardWeight(DeviceView<float> dy, DeviceView<float> x, DeviceMatrix dW, DeviceView<float> dBias);

    /// <summary>
    /// Rotates pairs (i, i + Dh/2) of every head of x [N, heads * Dh] by the angle of the row's position:
    /// <c>cosSin</c> [positions, Dh] holds Dh/2 cosines, then Dh/2 sines. Rotary embedding, arXiv 2104.09864.
    /// </summary>
    public abstract void Rope(DeviceView<float> x, DeviceView<int> positions, DeviceView<float> cosSin, int headSize);

    /// <summary>Copies row n of x [N, columns] to row cacheRows[n] of the cache.</summary>
    public abstract void ScatterRows(DeviceView<float> x, DeviceView<int> cacheRows, DeviceView<float> cache, int columns);

    /// <summary>
    /// Causal attention with grouped queries: for each sequence, output = softmax(q kᵀ / sqrt(Dh)) v over the positions up
    /// to the query's own. q and output [N, H * Dh]; keys and values [cache rows, Hkv * Dh].
    /// </summary>
    public abstract void Attention(
        DeviceView<float> q, CacheView keys, CacheView values, ReadOnlySpan<SequenceSpan> sequences,
        DeviceView<float> output, int heads, int kvHeads, int headSize);

    /// <summary>output = silu(gate) * up, elementwise. May be in place.</summary>
    public abstract void SwiGlu(DeviceView<float> gate, DeviceView<float> up, DeviceView<float> output);

    /// <summary>output = a + b, elementwise. May be in place.</summary>
    public abstract void Add(DeviceView<float> a, DeviceView<float> b, DeviceView<float> output);

    /// <summary>output = silu(x) = x * sigmoid(x), elementwise.</summary>
    public abstract void Silu(DeviceView<float> x, DeviceView<float> output);

    /// <summary>dx = dy * sigmoid(x) (1 + x (1 - sigmoid(x))), elementwise. May be in place over dy.</summary>
    public abstract void SiluBackward(DeviceView<float> x, DeviceView<float> dy, DeviceView<float> dx);

    /// <summary>x[n] *= scale[n] for each row.</summary>
    public abstract void ScaleRows(DeviceView<float> x, DeviceView<float> scale, int columns);

    /// <summary>x *= scale.</summary>
    public abstract void Scale(DeviceView<float> x, float scale);

    /// <summary>
    /// The output head and the cross-entropy loss in one pass over the vocabulary; no [N, V] matrix exists. For each row:
    /// loss = -log softmax(W x)_target; prediction = argmax of W x; and, when <paramref name="gradient"/> is given, the
    /// gradient of the loss for x: sum_v p_v W_v - W_target.
    /// </summary>
    public abstract void HeadCrossEntropy(
        DeviceView<float> x, DeviceMatrix w, DeviceView<int> targets,
        DeviceView<float> loss, DeviceView<int> prediction, DeviceView<float> gradient);

    /// <summary>index[n] = position of the largest entry of row n of x [N, columns]; the first one among equals.</summary>
    public abstract void ArgMaxRows(DeviceView<float> x, DeviceView<int> index, int columns);

    /// <summary>p = softmax(x) for each row of <paramref name="columns"/> floats.</summary>
    public abstract void Softmax(DeviceView<float> x, DeviceView<float> p, int columns);

    /// <summary>dx = p * (dp - sum(p dp)) * scale for each row of <paramref name="columns"/> floats; added when asked.</summary>
    public abstract void SoftmaxBackward(DeviceView<float> p, DeviceView<float> dp, DeviceView<float> dx, int columns, float scale, bool accumulate);

    /// <summary>
    /// Straight-through Gumbel-softmax (arXiv 1611.01144): soft = softmax((logits + g) / temperature), hard = one-hot of its
    /// largest entry, for rows of <paramref name="columns"/> options. The noise of row n is a function of keys[n] alone.
    /// </summary>
    public abstract void GumbelSoftmax(
        DeviceView<float> logits, DeviceView<ulong> keys, float temperature, DeviceView<float> soft, DeviceView<float> hard, int columns);

    /// <summary>
    /// KL of q against the uniform prior over K options: kl[n] = sum_k q_k (log q_k + log K), and its gradient for the
    /// logits of q, dLogits += scale * factor[0] * q_k (log q_k + log K - kl); without a factor it counts as 1.
    /// </summary>
    public abstract void UniformKl(DeviceView<float> q, DeviceView<float> kl, DeviceView<float> dLogits, int columns, float scale, DeviceView<double> factor = default);

    /// <summary>
    /// Cross-entropy of the policy against the encoder: loss[n] = -sum_k q_k log softmax(logits)_k and
    /// dLogits = scale * (softmax(logits) - q). q is a constant here.
    /// </summary>
    public abstract void PolicyCrossEntropy(DeviceView<float> logits, DeviceView<float> q, DeviceView<float> loss, DeviceView<float> dLogits, int columns, float scale);

    /// <summary>
    /// The exact mixture over options: ce [N, K] holds each option's -log p_k(y). loss[n] = -log sum_k q_k p_k(y);
    /// dq[n, k] = -scale * p_k(y) / sum_j q_j p_j(y); share[n, k] = scale * q_k p_k(y) / sum_j q_j p_j(y), by which the
    /// gradient of ce[n, k] is weighted.
    /// </summary>
    public abstract void MarginalLoss(DeviceView<float> q, DeviceView<float> ce, DeviceView<float> loss, DeviceView<float> dq, DeviceView<float> share, int columns, float scale);

    /// <summary>
    /// One clipped policy-gradient step on option choices (PPO's surrogate, arXiv 1707.06347): with r = pi(z)/exp(oldLog),
    /// loss[n] = -min(r A, clip(r, 1 ± clip) A) - entropy * H(pi); dLogits is its gradient times scale. Also returns each
    /// row's log pi(z) in <paramref name="logProbability"/>.
    /// </summary>
    public abstract void PolicyGradient(
        DeviceView<float> logits, DeviceView<int> options, DeviceView<float> advantage, DeviceView<float> oldLogProbability,
        float clip, float entropyBonus, DeviceView<float> loss, DeviceView<float> logProbability, DeviceView<float> dLogits, int columns, float scale);

    /// <summary>
    /// One AdamW step (arXiv 1711.05101) over a flat parameter buffer; <see cref="AdamWStep.GradientScale"/> is the clipping factor.
    /// </summary>
    public abstract void AdamW(
        DeviceView<float> parameters, DeviceView<float> gradients, DeviceView<float> firstMoment, DeviceView<float> secondMoment, in AdamWStep step);

    /// <summary>Sum of squares, accumulated in f64 in a fixed order.</summary>
    public abstract double SquaredNorm(DeviceView<float> x);

    /// <summary>x = 0.</summary>
    public abstract void Clear(DeviceView<float> x);

    /// <summary>destination = source.</summary>
    public abstract void Copy(DeviceView<float> source, DeviceView<float> destination);

    /// <summary>normed = rms(x; gain), then its products with several matrices. A device that keeps the norm to itself leaves normed as it is.</summary>
    /// <param name="x">[N, D].</param>
    /// <param name="gain">[D].</param>
    /// <param name="eps">Of the norm.</param>
    /// <param name="normed">Room for the norm, [N, D]; its contents afterwards are not defined.</param>
    /// <param name="projections">Matrices, biases and outputs; no output is another one's or overlaps x.</param>
    public virtual void NormMatMulEach(DeviceView<float> x, DeviceView<float> gain, float eps, DeviceView<float> normed, params ReadOnlySpan<Projection> projections)
    {
        RmsNorm(x, gain, normed, eps);
        MatMulEach(normed, projections);
    }

    /// <summary>The first half of the MLP: output = silu(normed Gateᵀ) * (normed Upᵀ), normed = rms(x; gain).</summary>
    /// <param name="x">[N, D].</param>
    /// <param name="gain">[D].</param>
    /// <param name="eps">Of the norm.</param>
    /// <param name="normed">Room for the norm, [N, D]; its contents afterwards are not defined.</param>
    /// <param name="gate">[F, D].</param>
    /// <param name="up">[F, D].</param>
    /// <param name="output">[N, F].</param>
    /// <param name="upOutput">Room, [N, F]; its contents afterwards are not defined.</param>
    public virtual void NormGateUp(
        DeviceView<float> x, DeviceView<float> gain, float eps, DeviceView<float> normed, DeviceMatrix gate, DeviceMatrix up,
        DeviceView<float> output, DeviceView<float> upOutput)
    {
        NormMatMulEach(x, gain, eps, normed, new Projection(gate, default, output), new Projection(up, default, upOutput));
        SwiGlu(output, upOutput, output);
    }

    /// <summary>The MLP behind its norm: x += (silu(normed Gateᵀ) * (normed Upᵀ)) Downᵀ, normed = rms(x; gain).</summary>
    /// <param name="x">[N, D], in place.</param>
    /// <param name="gain">[D].</param>
    /// <param name="eps">Of the norm.</param>
    /// <param name="normed">Room for the norm, [N, D]; its contents afterwards are not defined, nor are those of the other rooms.</param>
    /// <param name="gate">[F, D].</param>
    /// <param name="up">[F, D].</param>
    /// <param name="down">[D, F].</param>
    /// <param name="hidden">Room, [N, F].</param>
    /// <param name="upOutput">Room, [N, F].</param>
    public virtual void NormMlp(
        DeviceView<float> x, DeviceView<float> gain, float eps, DeviceView<float> normed, DeviceMatrix gate, DeviceMatrix up, DeviceMatrix down,
        DeviceView<float> hidden, DeviceView<float> upOutput)
    {
        NormGateUp(x, gain, eps, normed, gate, up, hidden, upOutput);
        MatMul(hidden, down, default, x, accumulate: true);
    }

    /// <summary>Turns q and k by their positions (<see cref="Rope"/>) and writes k and v into the rows of the cache; k's own contents afterwards are not defined.</summary>
    /// <param name="q">[N, H * Dh], in place.</param>
    /// <param name="k">[N, Hkv * Dh].</param>
    /// <param name="v">[N, Hkv * Dh].</param>
    /// <param name="positions">[N].</param>
    /// <param name="cosSin">[positions, Dh].</param>
    /// <param name="cacheRows">[N], all different.</param>
    /// <param name="keys">[cache rows, Hkv * Dh].</param>
    /// <param name="values">[cache rows, Hkv * Dh].</param>
    /// <param name="headSize">Dh.</param>
    public virtual void RopeToCache(
        DeviceView<float> q, DeviceView<float> k, DeviceView<float> v, DeviceView<int> positions, DeviceView<float> cosSin, DeviceView<int> cacheRows,
        CacheView keys, CacheView values, int headSize)
    {
        if (positions.Length == 0) return;
        int columns = checked((int)(k.Length / positions.Length));
        Rope(q, positions, cosSin, headSize);
        Rope(k, positions, cosSin, headSize);
        ScatterRows(k, cacheRows, keys.Floats, columns);
        ScatterRows(v, cacheRows, values.Floats, columns);
    }

    /// <summary>
    /// <see cref="NormMatMulEach"/> of q, k and v, and <see cref="RopeToCache"/>, for one token of each sequence, where the device does it in one go;
    /// otherwise does nothing and returns false. The outputs of k and v are not written. The rows are the last of their sequences, of which
    /// an <see cref="Attention"/> that follows may ask.
    /// </summary>
    /// <param name="x">[N, D].</param>
    /// <param name="gain">[D].</param>
    /// <param name="eps">Of the norm.</param>
    /// <param name="q">Queries, output [N, H * Dh].</param>
    /// <param name="k">Keys.</param>
    /// <param name="v">Values.</param>
    /// <param name="positions">[N], written by no operation since the last copy.</param>
    /// <param name="cosSin">[positions, Dh].</param>
    /// <param name="cacheRows">[N], all different.</param>
    /// <param name="keys">[cache rows, Hkv * Dh].</param>
    /// <param name="values">[cache rows, Hkv * Dh].</param>
    /// <param name="headSize">Dh.</param>
    public virtual bool NormRopeToCache(
        DeviceView<float> x, DeviceView<float> gain, float eps, in Projection q, in Projection k, in Projection v, DeviceView<int> positions,
        DeviceView<float> cosSin, DeviceView<int> cacheRows, CacheView keys, CacheView values, int headSize) => false;

    /// <summary>How the device keeps keys and values of heads of this size: F32, or BF16 where half the memory is half the time.</summary>
    public virtual DType CacheType(int headSize) => DType.F32;

    /// <summary>destination = source: rows of a cache, from one sequence to another or to another place.</summary>
    public virtual void CopyCache(CacheView source, CacheView destination) => Copy(source.Floats, destination.Floats);

    /// <summary>
    /// Runs work that for an equal key always asks for the same operations on the same memory, with sequences that differ in their
    /// lengths alone: a decoding step. A device may record it and start the recording instead; then nothing in it may be up- or downloaded.
    /// </summary>
    public virtual void Repeat(in RepeatKey key, ReadOnlySpan<SequenceSpan> sequences, Action work)
    {
        ArgumentNullException.ThrowIfNull(work);
        work();
    }

    /// <summary>
    /// Devices of one thread each that work on this device's buffers and matrices, all at the same time inside <see cref="Together"/>;
    /// empty where one operation at a time is all that the device does.
    /// </summary>
    public virtual IReadOnlyList<ComputeDevice> Lanes => [];

    /// <summary>Calls work(0) to work(count - 1) on threads of the device, each free to use the lane of its number, and returns when all have ended.</summary>
    /// <exception cref="NotSupportedException">The device has no <see cref="Lanes"/>.</exception>
    public virtual void Together(int count, Action<int> work) => throw new NotSupportedException($"{Description} has no lanes");

    /// <summary>Waits until everything that was asked for is done. Downloads wait by themselves; this is for clocks.</summary>
    public virtual void Synchronize() { }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Gives threads and memory back.</summary>
    protected abstract void Dispose(bool disposing);
}

/// <summary>What a repeated piece of work works on: everything whose change would change its operations or their memory.</summary>
/// <param name="Batch">The batch.</param>
/// <param name="Cache">The keys and values.</param>
/// <param name="Buffers">The activations.</param>
/// <param name="Table">The rotary table.</param>
/// <param name="Output">Memory of the result.</param>
/// <param name="Offset">Place of the result in it.</param>
/// <param name="Rows">Rows of the batch.</param>
public readonly record struct RepeatKey(object Batch, object Cache, object Buffers, object Table, object Output, long Offset, int Rows);

/// <summary>One linear layer of <see cref="ComputeDevice.MatMulEach"/>: output [N, rows(W)] = x Wᵀ + bias.</summary>
/// <param name="W">Weights [rows, columns].</param>
/// <param name="Bias">[rows], or the default view for none.</param>
/// <param name="Output">[N, rows].</param>
public readonly record struct Projection(DeviceMatrix W, DeviceView<float> Bias, DeviceView<float> Output);

/// <summary>What one AdamW step needs beside the buffers.</summary>
/// <param name="Step">1 for the first step; bias correction depends on it.</param>
/// <param name="LearningRate">Learning rate of this step.</param>
/// <param name="Beta1">Decay of the first moment.</param>
/// <param name="Beta2">Decay of the second moment.</param>
/// <param name="Epsilon">Added to the square root of the second moment.</param>
/// <param name="WeightDecay">Decoupled: parameters shrink by LearningRate * WeightDecay first.</param>
/// <param name="GradientScale">Factor on the gradient (clipping by global norm).</param>
public readonly record struct AdamWStep(
    int Step, float LearningRate, float Beta1, float Beta2, float Epsilon, float WeightDecay, float GradientScale);
