using System.Buffers.Binary;

namespace OllmNative.Tests.Ptx;

internal readonly record struct Dim3(int X, int Y = 1, int Z = 1)
{
    public int Size => X * Y * Z;
}

/// <summary>The state that a group's threads share.</summary>
internal sealed class PtxGroup(PtxMemory global, byte[] shared, Dim3 index, Dim3 gridDim, Dim3 groupDim)
{
    public PtxMemory Global { get; } = global;
    public byte[] Shared { get; } = shared;
    public Dim3 Index { get; } = index;
    public Dim3 GridDim { get; } = gridDim;
    public Dim3 GroupDim { get; } = groupDim;
    public Dictionary<ulong, PtxBarrier> Barriers { get; } = [];

    /// <summary>Counts what may end a wait of another thread.</summary>
    public long Progress { get; set; }
}

/// <summary>One thread: registers, place, local memory, unfinished asynchronous copies.</summary>
internal sealed class PtxThread(PtxGroup group, int linear, int registers, long localBytes)
{
    /// <summary>Windows of the generic address space.</summary>
    public const ulong SharedWindow = 0x2000_0000_0000, LocalWindow = 0x3000_0000_0000;

    private readonly byte[] _local = new byte[localBytes];
    private readonly List<List<Action>> _groups = [], _productGroups = [];
    private List<Action> _open = [], _openProducts = [];

    public PtxGroup Group { get; } = group;
    public int Linear { get; } = linear;
    public int Lane => Linear & 31;
    public ulong[] R { get; } = new ulong[registers];
    public int Pc { get; set; }
    public bool Done { get; set; }
    public bool Waiting { get; set; }

    /// <summary>It found a barrier's phase unfinished and lets others run first.</summary>
    public bool Paused { get; set; }

    public int TidX => Linear % Group.GroupDim.X;
    public int TidY => Linear / Group.GroupDim.X % Group.GroupDim.Y;
    public int TidZ => Linear / Group.GroupDim.X / Group.GroupDim.Y;

    public Span<byte> Memory(string space, ulong address, int bytes, string what)
    {
        if (address % (ulong)bytes != 0) throw new PtxException($"address 0x{address:x} is not a multiple of {bytes} in {what}");
        switch (space)
        {
            case "global": return Group.Global.At(address, bytes, what);
            case "shared": return Window(Group.Shared, address, bytes, what);
            case "local": return Window(_local, address, bytes, what);
            default:
                if (address is >= SharedWindow and < LocalWindow) return Window(Group.Shared, address - SharedWindow, bytes, what);
                if (address is >= LocalWindow and < 0x4000_0000_0000) return Window(_local, address - LocalWindow, bytes, what);
                return Group.Global.At(address, bytes, what);
        }
    }

    private static Span<byte> Window(byte[] memory, ulong address, int bytes, string what) => address + (ulong)bytes <= (ulong)memory.Length
        ? memory.AsSpan((int)address, bytes)
        : throw new PtxException($"access at 0x{address:x} outside of {memory.Length} bytes in {what}");

    public static ulong Read(Span<byte> memory) => memory.Length switch
    {
        1 => memory[0],
        2 => BinaryPrimitives.ReadUInt16LittleEndian(memory),
        4 => BinaryPrimitives.ReadUInt32LittleEndian(memory),
        _ => BinaryPrimitives.ReadUInt64LittleEndian(memory),
    };

    public static void Write(Span<byte> memory, ulong bits)
    {
        switch (memory.Length)
        {
            case 1: memory[0] = (byte)bits; break;
            case 2: BinaryPrimitives.WriteUInt16LittleEndian(memory, (ushort)bits); break;
            case 4: BinaryPrimitives.WriteUInt32LittleEndian(memory, (uint)bits); break;
            default: BinaryPrimitives.WriteUInt64LittleEndian(memory, bits); break;
        }
    }

    public void StartCopy(Action copy) => _open.Add(copy);

    public void CommitCopies()
    {
        _groups.Add(_open);
        _open = [];
    }

    public void StartProduct(Action product) => _openProducts.Add(product);

    public void CommitProducts()
    {
        _productGroups.Add(_openProducts);
        _openProducts = [];
    }

    public void WaitProducts(int pending)
    {
        while (_productGroups.Count > pending)
        {
            foreach (Action product in _productGroups[0]) product();
            _productGroups.RemoveAt(0);
        }
    }

    /// <summary>Copies happen as late as they may: data read without a wait is stale here.</summary>
    public void WaitCopies(int pending)
    {
        while (_groups.Count > pending)
        {
            foreach (Action copy in _groups[0]) copy();
            _groups.RemoveAt(0);
        }
    }
}
