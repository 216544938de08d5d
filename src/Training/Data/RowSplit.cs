using System.Collections;
using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// Takes rows out of a data set for validation. Each row has a key that follows from seed and place alone; the rows with the
/// smallest keys are held out, so the same data and seed give the same split on every machine.
/// </summary>
public static class RowSplit
{
    /// <summary>Splits <paramref name="rows"/>; both parts keep the order of the data.</summary>
    /// <param name="rows">All rows.</param>
    /// <param name="validation">Rows to hold out; 0 holds out none.</param>
    /// <param name="seed">Names the split.</param>
    /// <exception cref="OllmException">Nothing would be left to train on.</exception>
    public static (ITokenRows Training, ITokenRows Validation) Of(ITokenRows rows, int validation, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(rows);
        if (validation == 0) return (rows, new Subset(rows, []));
        if (validation >= rows.Count) throw new OllmException($"--validation-rows {validation}: the data has {rows.Count} usable rows, expected to leave at least one to train on");
        var keys = new ulong[rows.Count];
        var places = new int[rows.Count];
        for (int i = 0; i < places.Length; i++) (keys[i], places[i]) = (Counter.Key(seed, (ulong)i), i);
        Array.Sort(keys, places);
        Array.Sort(places, 0, validation);
        Array.Sort(places, validation, places.Length - validation);
        return (new Subset(rows, places[validation..]), new Subset(rows, places[..validation]));
    }

    /// <summary>Some rows of others.</summary>
    private sealed class Subset(ITokenRows rows, int[] places) : ITokenRows
    {
        public int Count => places.Length;

        // An upper bound is enough for those who allocate by it.
        public int Longest => places.Length == 0 ? 0 : rows.Longest;

        public TokenRow this[int index] => rows[places[index]];

        public IEnumerator<TokenRow> GetEnumerator() => places.Select(place => rows[place]).GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
