using System.Runtime.InteropServices;

namespace OllmNative.Training;

/// <summary>What the rollouts of the informative groups say: one row for each choice.</summary>
public sealed class RlExperience
{
    private readonly int _d;

    internal RlExperience(int hiddenSize) => _d = hiddenSize;

    /// <summary>h at each choice, [N, D].</summary>
    internal List<float> Hidden { get; } = [];

    /// <summary>What was chosen, [N].</summary>
    internal List<int> Choices { get; } = [];

    /// <summary>Advantage of the rollout, [N].</summary>
    internal List<float> Advantage { get; } = [];

    /// <summary>log pi when it was chosen, [N].</summary>
    internal List<float> OldLog { get; } = [];

    /// <summary>Rows that are left.</summary>
    public int Rows => Choices.Count;

    /// <summary>Choices of the rollouts, dropped rows and those of other processes included: the denominator of all means.</summary>
    public long Total { get; internal set; }

    /// <summary>Starts over in the same memory.</summary>
    internal void Clear()
    {
        Hidden.Clear();
        Choices.Clear();
        Advantage.Clear();
        OldLog.Clear();
        Total = 0;
    }

    internal void Add(List<float> hidden, IReadOnlyList<int> choices, IReadOnlyList<float> logs, float advantage)
    {
        Hidden.AddRange(hidden);
        for (int t = 0; t < choices.Count; t++)
        {
            Choices.Add(choices[t]);
            OldLog.Add(logs[t]);
            Advantage.Add(advantage);
        }
        Total += choices.Count;
    }

    /// <summary>Drops the rows that are not to be kept.</summary>
    internal void Keep(ReadOnlySpan<bool> keep)
    {
        int to = 0;
        Span<float> hidden = CollectionsMarshal.AsSpan(Hidden);
        for (int from = 0; from < keep.Length; from++)
        {
            if (!keep[from]) continue;
            hidden.Slice(from * _d, _d).CopyTo(hidden.Slice(to * _d, _d));
            (Choices[to], Advantage[to], OldLog[to]) = (Choices[from], Advantage[from], OldLog[from]);
            to++;
        }
        Hidden.RemoveRange(to * _d, Hidden.Count - to * _d);
        Choices.RemoveRange(to, Choices.Count - to);
        Advantage.RemoveRange(to, Advantage.Count - to);
        OldLog.RemoveRange(to, OldLog.Count - to);
    }

    internal static Span<T> Slice<T>(List<T> list, int start, int count) => CollectionsMarshal.AsSpan(list).Slice(start, count);
}
