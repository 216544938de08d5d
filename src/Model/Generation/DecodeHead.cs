using System.Runtime.InteropServices;

namespace OllmNative.Model;

/// <summary>
/// From hidden states to tokens: chooses options, bends the rows, multiplies with the head once for all of them, and picks
/// a token for each row. Rows that explain themselves bring K + 1 copies: one for the backbone and one for each option.
/// </summary>
internal sealed class DecodeHead : IDisposable
{
    private readonly ComputeDevice _device;
    private readonly int _vocab, _d, _k;
    private readonly DeviceMatrix _head;
    private readonly DeviceBuffer<float> _logits;
    private readonly DeviceBuffer<int> _picked;
    private readonly OptionHead? _options;
    private readonly Sampler _sampler = new();
    private readonly float[] _row, _scratch, _hostHidden;
    private readonly int[] _hostPicked, _firstCopy;

    public DecodeHead(QwenBackbone backbone, OllmModel? ollm, int rows, int explainRows, int vocabulary)
    {
        (_device, _d, _k) = (backbone.Device, backbone.Config.HiddenSize, ollm?.Shape.Options ?? 0);
        _vocab = Math.Min(vocabulary, backbone.Config.VocabSize);
        _head = _device.FirstRows(backbone.DecodeHead, _vocab);
        int copies = ollm is null ? 0 : explainRows * (_k + 1);
        _logits = _device.Allocate<float>((long)(rows + copies) * _vocab);
        _picked = _device.Allocate<int>(rows + copies);
        _options = ollm is null ? null : new OptionHead(backbone, ollm, rows, copies);
        (_row, _scratch) = (new float[_vocab], new float[_vocab]);
        _hostHidden = new float[(long)rows * _d];
        (_hostPicked, _firstCopy) = (new int[rows + copies], new int[rows]);
    }

    /// <summary>Computes the logits of hidden [N, D], whose rows belong to the slots' sequences.</summary>
    public void Begin(DeviceView<float> hidden, List<DecodeSlot> slots)
    {
        int n = slots.Count;
        if (slots.Exists(slot => slot.Owner!.Record)) hidden.Download(_hostHidden.AsSpan(0, n * _d));
        if (_options is not null && slots.Exists(slot => slot.Owner!.Explain || slot.Owner.NextChoice.Choice != LatentChoice.Backbone))
        {
            _options.Begin(hidden);
            for (int i = 0; i < n; i++) Choose(slots[i].Owner!, i);
            hidden = _options.Bend(hidden);                                                // h' [n + copies, D]
        }
        int rows = checked((int)(hidden.Length / _d));
        DeviceView<float> logits = _logits.First((long)rows * _vocab);
        _device.MatMul(hidden, _head, default, logits);                                    //    [n + copies, V]
        _device.ArgMaxRows(logits, _picked.First(rows), _vocab);
        _picked.First(rows).Download(_hostPicked.AsSpan(0, rows));
    }

    /// <summary>The token of a row; also writes down what the request wants to know about it.</summary>
    public int Pick(GenerationRequest request, int row)
    {
        if (request.Explain) request.Explained.Add(Explain(request, row));
        int token = _hostPicked[row];
        if (request.Sampler.IsGreedy && request.TopScores is null) return token;
        ReadLogits(row);
        if (!request.Sampler.IsGreedy)
        {
            _row.CopyTo(_scratch, 0); // The sampler may change what it gets.
            ReadOnlySpan<int> generated = CollectionsMarshal.AsSpan(request.Generated);
            token = _sampler.Pick(_scratch, request.Sampler, request.Prompt, generated, Counter.Key(request.Seed, (ulong)request.Generated.Count));
        }
        if (request.TopScores is int count) request.Scores.Add(Score(token, count));
        return token;
    }

    /// <summary>Adds the scores of tokens of a prompt, each after the row of hidden [N, D] of the same place.</summary>
    public void ScoreRows(DeviceView<float> hidden, GenerationRequest request, ReadOnlySpan<int> tokens)
    {
        if (_options is not null && request.Latent != LatentChoice.Backbone)
        {
            _options.Begin(hidden);
            for (int i = 0; i < tokens.Length; i++)
                _options.Set(i, request.Latent == LatentChoice.Force ? request.ForcedOption : LogitMath.IndexOfMax(_options.Probabilities(i)));
            hidden = _options.Bend(hidden);                                                // h' [N, D]
        }
        _device.MatMul(hidden, _head, default, _logits.First((long)tokens.Length * _vocab)); //  [N, V]
        for (int i = 0; i < tokens.Length; i++)
        {
            ReadLogits(i);
            request.PromptScores.Add(Score(tokens[i], request.TopScores ?? 0));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _options?.Dispose();
        _logits.Dispose();
        _picked.Dispose();
    }

    /// <summary>Fixes the option of a row and records what training needs.</summary>
    private void Choose(GenerationRequest request, int row)
    {
        if (request.Explain)
        {
            _firstCopy[row] = _options!.AddCopy(row, null);
            for (int k = 0; k < _k; k++) _options.AddCopy(row, k);
        }
        (LatentChoice choice, int fixedOption) = request.NextChoice;
        if (choice == LatentChoice.Backbone)
        {
            _options!.SetNone(row);
            return;
        }
        ReadOnlySpan<float> pi = _options!.Probabilities(row);
        int z = choice switch
        {
            LatentChoice.Force => fixedOption,
            LatentChoice.Sample => Generator.DrawOption(pi, request.Seed, request.Generated.Count),
            _ => LogitMath.IndexOfMax(pi),
        };
        _options.Set(row, z);
        request.Options.Add(z);
        request.LogProbabilities.Add(MathF.Log(MathF.Max(pi[z], float.Epsilon)));
        if (request.Record) request.Hidden.AddRange(_hostHidden.AsSpan(row * _d, _d));
    }

    private TokenScore Score(int token, int count)
    {
        double sum = LogitMath.LogSumExp(_row);
        // Only ids that may be generated have logits; a prompt may hold others.
        float score = token < _row.Length ? (float)(_row[token] - sum) : float.NegativeInfinity;
        return new TokenScore(score, [.. LogitMath.Top(_row, count).Select(top => (top.Index, (float)(top.Value - sum)))]);
    }

    private ExplainedToken Explain(GenerationRequest request, int row)
    {
        if (_options is null)
        {
            ReadLogits(row);
            return new ExplainedToken(null, LogitMath.Entropy(_row), []);
        }
        int first = _firstCopy[row];
        ReadLogits(first);
        float entropy = LogitMath.Entropy(_row);
        ReadOnlySpan<float> pi = _options.Probabilities(row);
        var options = new ExploredOption[_k];
        for (int k = 0; k < _k; k++)
        {
            ReadLogits(first + 1 + k);
            int best = _hostPicked[first + 1 + k];
            options[k] = new ExploredOption(best, (float)Math.Exp(_row[best] - LogitMath.LogSumExp(_row)), pi[k]);
        }
        return new ExplainedToken(request.NextChoice.Choice == LatentChoice.Backbone ? null : request.Options[^1], entropy, options);
    }

    private void ReadLogits(int row) => _logits.View.Slice((long)row * _vocab, _vocab).Download(_row);
}
