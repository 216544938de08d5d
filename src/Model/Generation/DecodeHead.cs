using System.Runtime.InteropServices;
using OllmNative.Kernels;

namespace OllmNative.Model;

/// <summary>
/// From hidden states to tokens: chooses options, bends the rows, multiplies with the head once for all of them, and picks
/// a token for each row. Rows that explain themselves bring K + 1 copies: one for the backbone and one for each option. Where logits are not
/// in the host's memory they stay there: <see cref="DeviceHead"/> says the same with even less of the host.
/// </summary>
internal sealed class DecodeHead : IDisposable
{
    private readonly ComputeDevice _device;
    private readonly int _vocab, _d, _k;
    private readonly DeviceMatrix _head;
    private readonly DeviceBuffer<float> _logits, _facts;
    private readonly DeviceBuffer<int> _picked, _tops;
    private readonly DecodeTables? _tables;
    private readonly OptionHead? _options;
    private readonly Sampler _sampler = new();
    private readonly float[] _row, _hostHidden;
    private readonly int[] _hostPicked, _firstCopy;
    private float[] _hostFacts = [], _hostNumbers = [];
    private int[] _hostTops = [], _hostTokens = [];
    private DeviceBuffer<float>? _numbers;
    private DeviceBuffer<int>? _tokens;
    private bool _drawn;

    public DecodeHead(QwenBackbone backbone, OllmModel? ollm, int rows, int explainRows, int vocabulary)
    {
        (_device, _d, _k) = (backbone.Device, backbone.Config.HiddenSize, ollm?.Shape.Options ?? 0);
        _vocab = Math.Min(vocabulary, backbone.Config.VocabSize);
        _head = _device.FirstRows(backbone.DecodeHead, _vocab);
        int copies = ollm is null ? 0 : explainRows * (_k + 1), explained = ollm is null && explainRows > 0 ? rows : copies;
        _logits = _device.Allocate<float>((long)(rows + copies) * _vocab);
        _picked = _device.Allocate<int>(rows + copies);
        _options = ollm is null ? null : new OptionHead(backbone, ollm, rows, copies);
        (_facts, _tops) = (_device.Allocate<float>(explained * RowScores.Facts), _device.Allocate<int>(explained));
        if (_device.RunsAhead) _tables = new DecodeTables(_device, rows, _vocab);
        _row = new float[_vocab];
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
        Draw(logits, slots);
        _picked.First(rows).Download(_hostPicked.AsSpan(0, rows));
        if (slots.Exists(slot => slot.Owner!.Explain)) ReadFacts(logits, _options is null ? n : rows - n);
    }

    /// <summary>The token of a row; also writes down what the request wants to know about it.</summary>
    public int Pick(GenerationRequest request, int row)
    {
        if (request.Explain) request.Explained.Add(Explain(request, row));
        int token = _hostPicked[row];
        if (!request.Sampler.IsGreedy && !_drawn)
        {
            _logits.View.Slice((long)row * _vocab, _vocab).Download(_row);
            ReadOnlySpan<int> generated = CollectionsMarshal.AsSpan(request.Generated);
            token = _sampler.Pick(_row, request.Sampler, request.Prompt, generated, Counter.Key(request.Seed, (ulong)request.Generated.Count));
        }
        if (request.TopScores is int count) request.Scores.Add(Score(row, token, count));
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
        _picked.First(tokens.Length).Upload(tokens);
        ReadScores(0, tokens.Length, request.TopScores ?? 0);
        for (int i = 0; i < tokens.Length; i++) request.PromptScores.Add(ScoreOf(i, request.TopScores ?? 0));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _options?.Dispose();
        foreach (IDisposable? item in (IDisposable?[])[_logits, _picked, _facts, _tops, _tables, _numbers, _tokens]) item?.Dispose();
    }

    /// <summary>Fixes the option of a row and records what training needs.</summary>
    private void Choose(GenerationRequest request, int row)
    {
        if (request.Explain)
        {
            _firstCopy[row] = _options!.AddCopy(row, null) - _options.Rows;
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

    /// <summary>Draws the tokens where the logits are not the host's.</summary>
    private void Draw(DeviceView<float> logits, List<DecodeSlot> slots)
    {
        _drawn = _tables is not null && slots.Exists(slot => !slot.Owner!.Sampler.IsGreedy);
        if (!_drawn) return;
        int n = slots.Count;
        _tables!.Send(CollectionsMarshal.AsSpan(slots));
        _device.SampleTokens(logits.Slice(0, (long)n * _vocab), _tables.Rows(n), _tables.Knobs(n), _tables.Seen(n), _picked.First(n), _vocab);
    }

    /// <summary>What the last rows of the logits are: copies of rows that explain themselves, or without options the rows themselves.</summary>
    private void ReadFacts(DeviceView<float> logits, int count)
    {
        if (_hostFacts.Length == 0) (_hostFacts, _hostTops) = (new float[_facts.Length], new int[_tops.Length]);
        DeviceView<float> last = logits.Slice(logits.Length - (long)count * _vocab, (long)count * _vocab);
        _device.ScoreTokens(last, default, _tops.First(count), _facts.First(count * RowScores.Facts), _vocab);
        _facts.Download(0, _hostFacts.AsSpan(0, count * RowScores.Facts));
        _tops.Download(0, _hostTops.AsSpan(0, count));
    }

    private TokenScore Score(int row, int token, int count)
    {
        if (token != _hostPicked[row]) _picked.View.Slice(row, 1).Upload([token]);
        ReadScores(row, 1, count);
        return ScoreOf(0, count);
    }

    /// <summary>How likely the tokens in the picks' place are, in some rows of the logits, and the likeliest ones.</summary>
    private void ReadScores(int first, int rows, int count)
    {
        (int numbers, int tokens) = (rows * (ScoreTokens.Fixed + count), rows * count);
        if (_numbers is null || _numbers.Length < numbers || _tokens!.Length < tokens)
        {
            _numbers?.Dispose();
            _tokens?.Dispose();
            (_numbers, _tokens) = (_device.Allocate<float>(numbers), _device.Allocate<int>(tokens));
            (_hostNumbers, _hostTokens) = (new float[numbers], new int[tokens]);
        }
        DeviceView<float> logits = _logits.View.Slice((long)first * _vocab, (long)rows * _vocab);
        _device.ScoreTokens(logits, _picked.View.Slice(first, rows), _tokens.First(tokens), _numbers.First(numbers), _vocab);
        _numbers.Download(0, _hostNumbers.AsSpan(0, numbers));
        if (tokens > 0) _tokens.Download(0, _hostTokens.AsSpan(0, tokens));
    }

    private TokenScore ScoreOf(int row, int count) =>
        RowScores.Score(_hostNumbers.AsSpan(row * (ScoreTokens.Fixed + count)), _hostTokens.AsSpan(row * count, count), count);

    private ExplainedToken Explain(GenerationRequest request, int row)
    {
        if (_options is null) return new ExplainedToken(null, _hostFacts[row * RowScores.Facts], []);
        // Copies come after the rows, as do the facts of them alone: the backbone's, then each option's.
        int first = _firstCopy[row];
        ExploredOption[] options = RowScores.Options(
            _hostTops.AsSpan(first + 1), _hostFacts.AsSpan((first + 1) * RowScores.Facts), _options.Probabilities(row));
        return new ExplainedToken(request.NextChoice.Choice == LatentChoice.Backbone ? null : request.Options[^1], _hostFacts[first * RowScores.Facts], options);
    }
}
