using System.Runtime.InteropServices;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli;

/// <summary>What is made of a data row, and how it travels from the process that made it to the others.</summary>
/// <typeparam name="T">What a row becomes.</typeparam>
/// <param name="Make">Makes it; the work that processes share.</param>
/// <param name="Write">Writes what the other processes need of it.</param>
/// <param name="Read">Reads that back beside the row, which every process has.</param>
internal sealed record RowForm<T>(Func<DataRow, T> Make, Action<BinaryWriter, T> Write, Func<BinaryReader, DataRow, T> Read);

/// <summary>
/// Makes something of every row of a data set, token ids above all. Of several processes each makes every N-th row and sends it to the
/// others, a block of rows at a time: all of them get all rows in the order of the data, and tokenizing takes an N-th of the time.
/// </summary>
internal static class SharedRows
{
    // Rows of each process in a block.
    private const int RowsAtATime = 64;

    /// <summary>One row: what it became, or why it could not.</summary>
    public readonly record struct Made<T>(DataRow Row, T? Item, string? Error);

    /// <summary>Streams the rows; all processes must take equally many.</summary>
    public static IEnumerable<Made<T>> Make<T>(IEnumerable<DataRow> rows, RowForm<T> form, ProcessGroup group)
    {
        foreach (DataRow[] block in rows.Chunk(group.IsDistributed ? RowsAtATime * group.Size : 1))
        {
            var made = new Made<T>[block.Length];
            for (int i = group.Rank; i < block.Length; i += group.Size) made[i] = Try(block[i], form);
            if (group.IsDistributed) Exchange(block, made, form, group);
            foreach (Made<T> row in made) yield return row;
        }
    }

    private static Made<T> Try<T>(DataRow row, RowForm<T> form)
    {
        try
        {
            return new Made<T>(row, form.Make(row), null);
        }
        catch (OllmException error)
        {
            return new Made<T>(row, default, error.Message);
        }
    }

    private static void Exchange<T>(DataRow[] block, Made<T>[] made, RowForm<T> form, ProcessGroup group)
    {
        using var own = new MemoryStream();
        using (var writer = new BinaryWriter(own, System.Text.Encoding.UTF8, leaveOpen: true))
        {
            for (int i = group.Rank; i < block.Length; i += group.Size)
            {
                writer.Write(made[i].Error ?? "");
                if (made[i].Error is null) form.Write(writer, made[i].Item!);
            }
        }
        byte[][] all = group.Gather(own.ToArray());
        for (int rank = 0; rank < group.Size; rank++)
        {
            if (rank == group.Rank) continue;
            using var reader = new BinaryReader(new MemoryStream(all[rank]));
            for (int i = rank; i < block.Length; i += group.Size)
            {
                string error = reader.ReadString();
                made[i] = error.Length > 0 ? new Made<T>(block[i], default, error) : new Made<T>(block[i], form.Read(reader, block[i]), null);
            }
        }
    }

    /// <summary>Token ids, for <see cref="RowForm{T}.Write"/>.</summary>
    public static void WriteIds(BinaryWriter writer, int[] ids)
    {
        writer.Write(ids.Length);
        writer.Write(MemoryMarshal.AsBytes<int>(ids));
    }

    /// <summary>Reads what <see cref="WriteIds"/> has written.</summary>
    public static int[] ReadIds(BinaryReader reader)
    {
        var ids = new int[reader.ReadInt32()];
        reader.BaseStream.ReadExactly(MemoryMarshal.AsBytes(ids.AsSpan()));
        return ids;
    }
}
