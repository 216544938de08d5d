using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// Which row comes at which place of the endless stream of rows: file order, or a new permutation in every epoch that
/// follows from seed and epoch alone, so that a resumed run needs no state but its place.
/// </summary>
public sealed class RowOrder
{
    private readonly int _rows;
    private readonly ulong? _seed;
    private readonly int[] _permutation;
    private long _epoch = -1;

    /// <summary>Orders <paramref name="rows"/> rows; a null seed keeps file order.</summary>
    public RowOrder(int rows, ulong? seed)
    {
        (_rows, _seed) = (rows, seed);
        _permutation = new int[rows];
    }

    /// <summary>The row at place <paramref name="index"/> of the stream.</summary>
    public int At(long index)
    {
        int place = (int)(index % _rows);
        if (_seed is not ulong seed) return place;
        if (index / _rows != _epoch)
        {
            _epoch = index / _rows;
            Shuffle(Counter.Key(seed, (ulong)_epoch));
        }
        return _permutation[place];
    }

    /// <summary>Fisher and Yates' shuffle.</summary>
    private void Shuffle(ulong key)
    {
        for (int i = 0; i < _rows; i++) _permutation[i] = i;
        for (int i = _rows - 1; i > 0; i--)
        {
            int j = Counter.Below(key, (ulong)i, i + 1);
            (_permutation[i], _permutation[j]) = (_permutation[j], _permutation[i]);
        }
    }
}
