namespace OllmNative.Tests.Ptx;

/// <summary>Device memory: separate allocations, so that an access beside one is an error.</summary>
internal sealed class PtxMemory
{
    // Addresses only grow, so the list is in their order. An address is never given out twice: use after free is found.
    private readonly List<(ulong Start, byte[] Data)> _allocations = [];
    private ulong _next = 0x7f00_0000_0000;
    private int _last;

    /// <summary>Bytes that are allocated now.</summary>
    public long Bytes { get; private set; }

    public int Count => _allocations.Count;

    public ulong Allocate(byte[] data)
    {
        ulong start = _next;
        _allocations.Add((start, data));
        _next += ((ulong)data.Length + 511) / 256 * 256;
        Bytes += data.Length;
        return start;
    }

    /// <summary>False for an address that no allocation starts at.</summary>
    public bool Free(ulong address)
    {
        int index = Find(address);
        if (index < 0 || _allocations[index].Start != address) return false;
        Bytes -= _allocations[index].Data.Length;
        _allocations.RemoveAt(index);
        return true;
    }

    /// <summary>What all allocations hold now; calling it puts that back.</summary>
    public Action Snapshot()
    {
        (byte[] Data, byte[] Copy)[] saved = [.. _allocations.Select(allocation => (allocation.Data, (byte[])allocation.Data.Clone()))];
        return () =>
        {
            foreach ((byte[] data, byte[] copy) in saved) copy.CopyTo(data, 0);
        };
    }

    public Span<byte> At(ulong address, int bytes, string what)
    {
        // A kernel reads the same buffer many times over.
        int index = _last < _allocations.Count && Holds(_allocations[_last], address) ? _last : _last = Find(address);
        if (index >= 0)
        {
            (ulong start, byte[] data) = _allocations[index];
            if (address + (ulong)bytes <= start + (ulong)data.Length) return data.AsSpan((int)(address - start), bytes);
        }
        _last = 0;
        throw new PtxException($"global access outside of every buffer at 0x{address:x} in {what}");
    }

    private static bool Holds((ulong Start, byte[] Data) allocation, ulong address) =>
        address >= allocation.Start && address < allocation.Start + (ulong)allocation.Data.Length;

    private int Find(ulong address)
    {
        int low = 0, high = _allocations.Count - 1;
        while (low <= high)
        {
            int middle = (low + high) / 2;
            if (Holds(_allocations[middle], address)) return middle;
            if (address < _allocations[middle].Start) high = middle - 1;
            else low = middle + 1;
        }
        return -1;
    }
}
