using OllmNative.Kernels;

namespace OllmNative.Model;

/// <summary>What a device needs of sequences to choose their options and draw their tokens: <see cref="DecodeRow"/>, filled from requests and sent.</summary>
internal sealed class DecodeTables : IDisposable
{
    private readonly DeviceBuffer<int> _rows, _seen;
    private readonly DeviceBuffer<float> _knobs;
    private readonly int[] _hostRows, _hostSeen;
    private readonly float[] _hostKnobs;
    private readonly int _vocab, _words;

    /// <summary>Allocates for up to so many sequences, whose generated ids are below <paramref name="vocabulary"/>.</summary>
    public DecodeTables(ComputeDevice device, int sequences, int vocabulary)
    {
        // Tokens of a prompt may lie above the ids that may be generated; they have no bit.
        (_vocab, _words) = (vocabulary, (vocabulary + 31) / 32);
        _rows = device.Allocate<int>(sequences * DecodeRow.Ints);
        _knobs = device.Allocate<float>(sequences * DecodeRow.Knobs);
        _seen = device.Allocate<int>((long)sequences * _words);
        (_hostRows, _hostKnobs, _hostSeen) = (new int[sequences * DecodeRow.Ints], new float[sequences * DecodeRow.Knobs], new int[sequences * _words]);
    }

    /// <summary>Whether any of the sequences needs more than its likeliest token.</summary>
    public bool Draws { get; private set; }

    /// <summary>[N, <see cref="DecodeRow.Ints"/>].</summary>
    public DeviceView<int> Rows(int count) => _rows.First(count * DecodeRow.Ints);

    /// <summary>[N, <see cref="DecodeRow.Knobs"/>].</summary>
    public DeviceView<float> Knobs(int count) => _knobs.First(count * DecodeRow.Knobs);

    /// <summary>[N, words].</summary>
    public DeviceView<int> Seen(int count) => _seen.First((long)count * _words);

    /// <summary>Sends the tables as they are for the next token of each slot's sequence.</summary>
    public void Send(ReadOnlySpan<DecodeSlot> slots)
    {
        Draws = false;
        bool penalty = false;
        for (int i = 0; i < slots.Length; i++)
        {
            GenerationRequest request = slots[i].Owner!;
            Draws |= !request.Sampler.IsGreedy;
            Fill(request, _hostRows.AsSpan(i * DecodeRow.Ints, DecodeRow.Ints), _hostKnobs.AsSpan(i * DecodeRow.Knobs, DecodeRow.Knobs));
            if (request.Sampler.RepetitionPenalty == 1) continue;
            penalty = true;
            Mark(request, _hostSeen.AsSpan(i * _words, _words));
        }
        int n = slots.Length;
        Rows(n).Upload(_hostRows.AsSpan(0, n * DecodeRow.Ints));
        if (Draws) Knobs(n).Upload(_hostKnobs.AsSpan(0, n * DecodeRow.Knobs));
        if (penalty) Seen(n).Upload(_hostSeen.AsSpan(0, n * _words));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _rows.Dispose();
        _knobs.Dispose();
        _seen.Dispose();
    }

    private static void Fill(GenerationRequest request, Span<int> row, Span<float> knobs)
    {
        row.Clear();
        SamplerOptions sampler = request.Sampler;
        (row[DecodeRow.Count], row[DecodeRow.TopK]) = (request.Generated.Count, sampler.TopK);
        (row[DecodeRow.SeedLow], row[DecodeRow.SeedHigh]) = ((int)(uint)request.Seed, (int)(request.Seed >> 32));
        (LatentChoice choice, int option) = request.NextChoice;
        (row[DecodeRow.Latent], row[DecodeRow.Option]) = ((int)choice, option);
        row[DecodeRow.Stops] = Math.Min(request.StopTokens.Count, DecodeRow.MostStops);
        for (int i = 0; i < row[DecodeRow.Stops]; i++) row[DecodeRow.FirstStop + i] = request.StopTokens[i];
        (knobs[DecodeRow.Temperature], knobs[DecodeRow.TopP]) = (sampler.Temperature, sampler.TopP);
        (knobs[DecodeRow.MinP], knobs[DecodeRow.Penalty]) = (sampler.MinP, sampler.RepetitionPenalty);
    }

    private void Mark(GenerationRequest request, Span<int> bits)
    {
        bits.Clear();
        foreach (int token in request.Prompt) Set(bits, token);
        foreach (int token in request.Generated) Set(bits, token);

        void Set(Span<int> bits, int token)
        {
            if (token < _vocab) bits[token / 32] |= 1 << (token % 32);
        }
    }
}
