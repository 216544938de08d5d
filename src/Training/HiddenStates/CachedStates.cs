using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// Hidden states through the cache: rows that it lacks are computed and written first, then every row is read from it. So a
/// row has the same states however often it comes and whether or not the cache was there before. Where the disk fails, the
/// backbone runs in every epoch, and its states are rounded to bf16 all the same.
/// </summary>
internal sealed class CachedStates(TargetStates backbone, HiddenCache? cache, int hiddenSize)
{
    private readonly List<int> _group = [];
    private float[] _host = [];

    /// <summary>Whether rows can be read.</summary>
    public bool IsUsable => cache is { IsUsable: true };

    /// <summary>Computes and writes the rows that the cache lacks; packed as a step without a cache packs them.</summary>
    /// <param name="rows">Some rows.</param>
    /// <param name="numbers">Their numbers in the cache.</param>
    /// <param name="cancellation">Stops between two passes; what is written stays.</param>
    public void Fill(IReadOnlyList<TokenRow> rows, ReadOnlySpan<int> numbers, CancellationToken cancellation)
    {
        backbone.Clear();
        _group.Clear();
        for (int i = 0; i < numbers.Length && IsUsable; i++)
        {
            if (cache!.Has(numbers[i]) || _group.Contains(numbers[i])) continue;
            if (!backbone.Takes(rows[i])) Flush();
            backbone.Add(rows[i]);
            _group.Add(numbers[i]);
        }
        if (IsUsable) Flush();

        void Flush()
        {
            if (_group.Count == 0) return;
            cancellation.ThrowIfCancellationRequested();
            DeviceView<float> states = backbone.Run();
            long at = 0;
            foreach (int number in _group)
            {
                int length = cache!.TargetsOf(number) * hiddenSize;
                Span<float> host = Host(length);
                states.Slice(at, length).Download(host);
                at += length;
                if (!cache.Write(number, host)) break;
            }
            backbone.Clear();
            _group.Clear();
        }
    }

    /// <summary>Reads a row's states into <paramref name="states"/> [targets, D].</summary>
    public void Read(int number, DeviceView<float> states)
    {
        Span<float> host = Host((int)states.Length);
        cache!.Read(number, host);
        states.Upload(host);
    }

    /// <summary>states = bf16(states).</summary>
    public void Round(DeviceView<float> states)
    {
        const int Piece = 1 << 20;
        Span<ushort> rounded = stackalloc ushort[4096];
        for (long first = 0; first < states.Length; first += Piece)
        {
            int length = (int)Math.Min(Piece, states.Length - first);
            Span<float> host = Host(length);
            states.Slice(first, length).Download(host);
            for (int i = 0; i < length; i += rounded.Length)
            {
                Span<float> part = host.Slice(i, Math.Min(rounded.Length, length - i));
                Bf16Rows.Round(part, rounded);
                Bf16Rows.Widen(rounded[..part.Length], part);
            }
            states.Slice(first, length).Upload(host);
        }
    }

    private Span<float> Host(int length)
    {
        if (_host.Length < length) _host = new float[length];
        return _host.AsSpan(0, length);
    }
}
