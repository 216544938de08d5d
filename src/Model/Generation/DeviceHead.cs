using OllmNative.Kernels;

namespace OllmNative.Model;

/// <summary>
/// From hidden states to tokens on the device: options, h', logits, tokens, and what requests want to know of them. Sequences that explain
/// themselves bring K + 1 copies of their row, one for the backbone and one for each option, so that one pass over the head's weights serves
/// all of them. Logits never leave the device: of each row go the likeliest tokens and a few numbers.
/// </summary>
internal sealed class DeviceHead : IDisposable
{
    /// <summary>Likeliest tokens that a row can be told of.</summary>
    public const int MostScores = 20;

    private readonly ComputeDevice _device;
    private readonly int _d, _k, _vocab, _mostCopies;
    private readonly DeviceMatrix _head;
    private readonly DecodeTables _tables;
    private readonly Policy? _policy;
    private readonly Decoder? _decoder;
    private readonly DeviceBuffer<float> _copied, _bent, _logits, _policyLogits, _pi, _hot, _numbers, _facts;
    private readonly DeviceBuffer<int> _sources, _picked, _chosen, _tokens, _tops;
    private readonly HostPlaces<float> _hostHidden, _hostPi, _hostNumbers, _hostFacts;
    private readonly HostPlaces<int> _hostTokens, _hostTops;
    private readonly int[] _firstCopy, _hostSources, _hostChosen;
    private readonly float[] _hostHot;
    private int _rows, _copies, _scores, _place;
    private bool _latent, _records;

    /// <summary>Allocates for so many sequences, so many of which may explain themselves.</summary>
    public DeviceHead(QwenBackbone backbone, OllmModel? ollm, int sequences, int explain, int vocabulary)
    {
        (_device, _d, _k, _vocab) = (backbone.Device, backbone.Config.HiddenSize, ollm?.Shape.Options ?? 0, Math.Min(vocabulary, backbone.Config.VocabSize));
        _head = _device.FirstRows(backbone.DecodeHead, _vocab);
        _tables = new DecodeTables(_device, sequences, _vocab);
        // Without modules every row is its own copy: the backbone's.
        _mostCopies = explain == 0 ? 0 : ollm is null ? sequences : Math.Min(explain, sequences) * (_k + 1);
        int all = sequences + (ollm is null ? 0 : _mostCopies);
        if (ollm is not null) (_policy, _decoder) = (new Policy(_device, ollm.Parameters, null, sequences), new Decoder(_device, ollm.Parameters, null, all));
        (_copied, _bent, _logits) = (Floats(_mostCopies == 0 ? 0 : (long)all * _d), Floats((long)all * _d), Floats((long)all * _vocab));
        (_policyLogits, _pi, _hot) = (Floats((long)sequences * _k), Floats((long)sequences * _k), Floats((long)all * _k));
        (_numbers, _facts) = (Floats(sequences * (ScoreTokens.Fixed + MostScores)), Floats(_mostCopies * RowScores.Facts));
        (_sources, _picked, _chosen) = (Ints(all), Ints(sequences), Ints(2 * all));
        (_tokens, _tops) = (Ints(sequences * MostScores), Ints(_mostCopies));
        (_hostHidden, _hostPi) = (Places<float>((long)sequences * _d), Places<float>(_pi.Length));
        (_hostNumbers, _hostFacts) = (Places<float>(_numbers.Length), Places<float>(_facts.Length));
        (_hostTokens, _hostTops) = (Places<int>(_tokens.Length), Places<int>(_tops.Length));
        (_firstCopy, _hostSources, _hostChosen, _hostHot) = (new int[sequences], new int[all], new int[2 * all], new float[all * _k]);
    }

    /// <summary>What <see cref="Run"/> does, as a number: sequences that differ in it have recordings of their own.</summary>
    public int Kind => (_latent ? 1 : 0) + (_tables.Draws ? 2 : 0) + (_records ? 4 : 0) + 8 * (Tells ? _place : 0) + 16 * (_scores + 1) + 16 * (MostScores + 2) * _copies;

    /// <summary>The picked tokens, [N].</summary>
    public DeviceView<int> Picked => _picked.First(_rows);

    /// <summary>(option, bits of its probability), [N, 2]; the default view where nobody chooses.</summary>
    public DeviceView<int> Chosen => _latent ? _chosen.First(2 * _rows) : default;

    /// <summary>The sequences' tables.</summary>
    public DecodeTables Tables => _tables;

    // More than tokens and options.
    private bool Tells => _records || _scores >= 0 || _copies > 0;

    /// <summary>Whether everything that the requests want to know can be told.</summary>
    public bool CanTell(ReadOnlySpan<DecodeSlot> slots)
    {
        int copies = 0;
        foreach (DecodeSlot slot in slots)
        {
            if (slot.Owner!.TopScores > MostScores) return false;
            if (slot.Owner.Explain) copies += _k + 1;
        }
        return copies <= _mostCopies;
    }

    /// <summary>Sends what picking the next tokens of these sequences begins with.</summary>
    public void Prepare(ReadOnlySpan<DecodeSlot> slots)
    {
        _tables.Send(slots);
        // What was told last has been read, or is not wanted.
        (_place, _rows, _copies, _scores, _latent, _records) = (0, slots.Length, 0, -1, false, false);
        for (int i = 0; i < slots.Length; i++)
        {
            GenerationRequest request = slots[i].Owner!;
            _latent |= request.NextChoice.Choice != LatentChoice.Backbone;
            _records |= request.Record;
            _scores = Math.Max(_scores, request.TopScores ?? -1);
            if (!request.Explain) continue;
            _firstCopy[i] = _policy is null ? i : AddCopies(i);
            if (_policy is null) _copies = _rows;
        }
        if (_copies == 0 || _policy is null) return;
        _latent = true;
        SendCopies();
    }

    /// <summary>
    /// Where the next <see cref="Run"/> leaves what is to be told, 0 or 1: while the host reads what one step has left, the device may be at the next one.
    /// </summary>
    public void TellAt(int place) => _place = place;

    /// <summary>Picks the tokens of hidden [N, D], top to bottom; nothing in it needs the host.</summary>
    public void Run(DeviceView<float> hidden)
    {
        int all = _policy is null ? _rows : _rows + _copies;
        if (_records) _hostHidden.Copy(hidden, _place);
        if (_latent) hidden = Bend(hidden, all);                                                  // h'   [N + copies, D]
        DeviceView<float> logits = _logits.First((long)all * _vocab), own = logits.Slice(0, (long)_rows * _vocab);
        _device.MatMul(hidden, _head, default, logits);                                           //      [N + copies, V]
        if (_tables.Draws) _device.SampleTokens(own, _tables.Rows(_rows), _tables.Knobs(_rows), _tables.Seen(_rows), Picked, _vocab);
        else _device.ArgMaxRows(own, Picked, _vocab);
        if (_scores >= 0)
        {
            DeviceView<float> numbers = _numbers.First(_rows * (ScoreTokens.Fixed + _scores));
            DeviceView<int> tokens = _tokens.First(_rows * _scores);
            _device.ScoreTokens(own, Picked, tokens, numbers, _vocab);
            _hostNumbers.Copy(numbers, _place);
            if (_scores > 0) _hostTokens.Copy(tokens, _place);
        }
        if (_copies == 0) return;
        DeviceView<float> facts = _facts.First(_copies * RowScores.Facts);
        DeviceView<int> tops = _tops.First(_copies);
        _device.ScoreTokens(logits.Slice((long)(all - _copies) * _vocab, (long)_copies * _vocab), default, tops, facts, _vocab);
        _hostFacts.Copy(facts, _place);
        _hostTops.Copy(tops, _place);
        if (_policy is not null) _hostPi.Copy(_pi.First((long)_rows * _k), _place);
    }

    /// <summary>Writes down what a request wants to know, once the device has come to the end of <see cref="Run"/>.</summary>
    /// <param name="request">The request of row <paramref name="row"/>.</param>
    /// <param name="row">Its row.</param>
    /// <param name="option">The option that was chosen; -1 for none.</param>
    /// <param name="probability">How likely the policy held it.</param>
    /// <param name="place">Where that run left it.</param>
    public void Tell(GenerationRequest request, int row, int option, float probability, int place)
    {
        if (option >= 0)
        {
            request.Options.Add(option);
            request.LogProbabilities.Add(MathF.Log(MathF.Max(probability, float.Epsilon)));
            if (request.Record) request.Hidden.AddRange(_hostHidden.Values(place).Slice(row * _d, _d));
        }
        if (request.Explain) request.Explained.Add(Explained(row, option, place));
        if (request.TopScores is int count) request.Scores.Add(Score(row, count, place));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        IDisposable?[] owned =
        [
            _tables, _policy, _decoder, _copied, _bent, _logits, _policyLogits, _pi, _hot, _numbers, _facts, _sources, _picked, _chosen, _tokens, _tops,
            _hostHidden, _hostPi, _hostNumbers, _hostFacts, _hostTokens, _hostTops,
        ];
        foreach (IDisposable? item in owned) item?.Dispose();
    }

    private DeviceBuffer<float> Floats(long length) => _device.Allocate<float>(length);

    private DeviceBuffer<int> Ints(long length) => _device.Allocate<int>(length);

    private HostPlaces<T> Places<T>(long capacity) where T : unmanaged => _device.NewHostPlaces<T>(capacity, 2, beside: false);

    /// <summary>A row's copies, after all rows: the backbone's, then each option's.</summary>
    private int AddCopies(int row)
    {
        int first = _copies;
        for (int option = -1; option < _k; option++)
        {
            int at = _rows + _copies++;
            (_hostSources[at], _hostChosen[2 * at]) = (row, option);
            Span<float> hot = _hostHot.AsSpan(at * _k, _k);
            hot.Clear();
            if (option >= 0) hot[option] = 1;
        }
        return first;
    }

    private void SendCopies()
    {
        for (int row = 0; row < _rows; row++) _hostSources[row] = row;
        _sources.First(_rows + _copies).Upload(_hostSources.AsSpan(0, _rows + _copies));
        _chosen.View.Slice(2 * _rows, 2 * _copies).Upload(_hostChosen.AsSpan(2 * _rows, 2 * _copies));
        _hot.View.Slice((long)_rows * _k, (long)_copies * _k).Upload(_hostHot.AsSpan(_rows * _k, _copies * _k));
    }

    private DeviceView<float> Bend(DeviceView<float> hidden, int all)
    {
        DeviceView<float> logits = _policyLogits.First((long)_rows * _k), bent = _bent.First((long)all * _d);
        _policy!.Decide(hidden, logits);                                                          //      [N, K]
        _device.ChooseOptions(logits, _tables.Rows(_rows), _pi.First((long)_rows * _k), _hot.First((long)_rows * _k), _chosen.First(2 * _rows), _k);
        if (_copies > 0)
        {
            DeviceView<float> copied = _copied.First((long)all * _d);
            _device.GatherRows(hidden, _sources.First(all), copied, _d);                          // h    [N + copies, D]
            hidden = copied;
        }
        _decoder!.Forward(hidden, _hot.First((long)all * _k), _chosen.First(2 * all), bent);
        return bent;
    }

    private ExplainedToken Explained(int row, int option, int place)
    {
        int first = _firstCopy[row];
        ReadOnlySpan<float> facts = _hostFacts.Values(place)[(first * RowScores.Facts)..];
        ExploredOption[] options = RowScores.Options(_hostTops.Values(place)[(first + 1)..], facts[RowScores.Facts..], _hostPi.Values(place).Slice(row * _k, _k));
        return new ExplainedToken(option < 0 ? null : option, facts[0], options);
    }

    private TokenScore Score(int row, int count, int place) =>
        RowScores.Score(_hostNumbers.Values(place)[(row * (ScoreTokens.Fixed + _scores))..], _hostTokens.Values(place).Slice(row * _scores, _scores), count);
}
