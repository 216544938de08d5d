namespace OllmNative.Model;

/// <summary>One option of a step.</summary>
/// <param name="Token">The likeliest token under the option.</param>
/// <param name="Probability">Its probability.</param>
/// <param name="PolicyProbability">How likely the policy is to take the option.</param>
public readonly record struct ExploredOption(int Token, float Probability, float PolicyProbability);

/// <summary>A generated token and what the other options would have said.</summary>
/// <param name="Token">The token that the chosen option gave.</param>
/// <param name="Chosen">The chosen option.</param>
/// <param name="Options">All K options.</param>
public sealed record ExploredStep(int Token, int Chosen, IReadOnlyList<ExploredOption> Options);

/// <summary>
/// Generates one sequence and shows all K options of every token at the price of one: the backbone runs once, the decoder
/// bends K copies of its hidden state, and the head reads its weights once for all of them (the paper's Appendix C).
/// </summary>
public sealed class OptionExplorer : IDisposable
{
    private readonly QwenBackbone _backbone;
    private readonly ComputeDevice _device;
    private readonly DeviceMatrix _head;
    private readonly Policy _policy;
    private readonly Decoder _decoder;
    private readonly KvCache _cache;
    private readonly TokenBatch _batch;
    private readonly ForwardBuffers _buffers;
    private readonly DeviceBuffer<float> _hidden, _policyLogits, _copies, _z, _bent, _logits;
    private readonly DeviceBuffer<int> _repeat;
    private readonly int _d, _k, _vocab, _capacity;
    private readonly float[] _pi, _row;

    /// <summary>Allocates for a sequence of up to <paramref name="capacity"/> tokens; ids from <paramref name="vocabulary"/> on are never generated.</summary>
    public OptionExplorer(QwenBackbone backbone, OllmModel ollm, int capacity, int vocabulary = int.MaxValue)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        ArgumentNullException.ThrowIfNull(ollm);
        (_backbone, _device, _capacity) = (backbone, backbone.Device, capacity);
        (_d, _k, _vocab) = (ollm.Shape.HiddenSize, ollm.Shape.Options, Math.Min(vocabulary, backbone.Config.VocabSize));
        _head = _device.FirstRows(backbone.DecodeHead, _vocab);
        _policy = new Policy(_device, ollm.Parameters, null, 1);
        _decoder = new Decoder(_device, ollm.Parameters, null, _k);
        int rows = Math.Min(512, capacity);
        (_cache, _batch, _buffers) = (new KvCache(_device, backbone.Config, capacity), new TokenBatch(_device, rows), new ForwardBuffers(_device, backbone.Config, rows));
        DeviceBuffer<float> Floats(long length) => _device.Allocate<float>(length);
        (_hidden, _policyLogits, _copies) = (Floats((long)rows * _d), Floats(_k), Floats((long)_k * _d));
        (_z, _bent, _logits) = (Floats((long)_k * _k), Floats((long)_k * _d), Floats((long)_k * _vocab));
        _repeat = _device.Allocate<int>(_k);
        (_pi, _row) = (new float[_k], new float[_vocab]);
        var identity = new float[_k * _k];
        for (int k = 0; k < _k; k++) identity[k * _k + k] = 1;
        _z.Upload(0, identity);
    }

    /// <summary>
    /// Generates up to <paramref name="maxTokens"/> tokens. The option of each step is the policy's likeliest, or what
    /// <paramref name="choose"/> says, given the policy's distribution and the step.
    /// </summary>
    /// <exception cref="OllmException">The prompt is empty or longer than the capacity.</exception>
    public IEnumerable<ExploredStep> Run(
        IReadOnlyList<int> prompt, int maxTokens, IReadOnlyList<int> stopTokens, Func<float[], int, int>? choose = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(stopTokens);
        if (prompt.Count == 0) throw new OllmException("the prompt is empty: expected at least one token");
        if (prompt.Count >= _capacity) throw new OllmException($"the prompt has {prompt.Count} tokens, but there is room for {_capacity} in all");
        return Steps([.. prompt], maxTokens, stopTokens, choose, cancellation);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        IDisposable[] owned = [_policy, _decoder, _cache, _batch, _buffers, _hidden, _policyLogits, _copies, _z, _bent, _logits, _repeat];
        foreach (IDisposable item in owned) item.Dispose();
    }

    private IEnumerable<ExploredStep> Steps(int[] prompt, int maxTokens, IReadOnlyList<int> stopTokens, Func<float[], int, int>? choose, CancellationToken cancellation)
    {
        int past = 0;
        int[] next = prompt;
        for (int step = 0; step < maxTokens && past + next.Length <= _capacity; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            int last = Forward(next, past);
            past += next.Length;
            ExploredStep explored = Explore(last, step, choose);
            yield return explored;
            if (stopTokens.Contains(explored.Token)) yield break;
            next = [explored.Token];
        }
    }

    /// <summary>Runs new tokens and returns the row of the last one.</summary>
    private int Forward(int[] tokens, int past)
    {
        for (int at = 0; at < tokens.Length; at += _batch.Capacity)
        {
            _batch.Clear();
            _batch.Add(tokens.AsSpan(at, Math.Min(_batch.Capacity, tokens.Length - at)), past + at, 0);
            _batch.Upload();
            _backbone.Forward(_batch, _cache, _buffers, _hidden.First((long)_batch.Rows * _d));
        }
        return _batch.Rows - 1;
    }

    private ExploredStep Explore(int row, int step, Func<float[], int, int>? choose)
    {
        _policy.Forward(_hidden.View.Slice((long)row * _d, _d), _policyLogits.View);
        _device.Softmax(_policyLogits.View, _policyLogits.View, _k);
        _policyLogits.Download(0, _pi);
        var rows = new int[_k];
        Array.Fill(rows, row);
        _repeat.Upload(0, rows);
        _device.GatherRows(_hidden.View, _repeat.View, _copies.View, _d);                    // h  [K, D]
        _decoder.Forward(_copies.View, _z.View, _bent.View);                                 // h' [K, D]
        _device.MatMul(_bent.View, _head, default, _logits.View);                            //    [K, V]
        var options = new ExploredOption[_k];
        int likeliest = 0;
        for (int k = 0; k < _k; k++)
        {
            _logits.Download((long)k * _vocab, _row);
            (int token, float probability) = Top(_row);
            options[k] = new ExploredOption(token, probability, _pi[k]);
            if (_pi[k] > _pi[likeliest]) likeliest = k;
        }
        int chosen = choose?.Invoke(_pi, step) ?? likeliest;
        return new ExploredStep(options[chosen].Token, chosen, options);
    }

    private static (int Token, float Probability) Top(ReadOnlySpan<float> logits)
    {
        int best = LogitMath.IndexOfMax(logits);
        double sum = 0;
        foreach (float logit in logits) sum += Math.Exp(logit - logits[best]);
        return (best, (float)(1 / sum));
    }
}
