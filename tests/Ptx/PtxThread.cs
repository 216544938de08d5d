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

    /// <summary>Races are looked for when there is one.</summary>
    public RaceGroup? Race { get; init; }

    public RaceWatch? Watch { get; init; }

    /// <summary>When asynchronous work takes effect.</summary>
    public PtxMoment Moment { get; init; }

    /// <summary>Copies under way that may take effect at any moment.</summary>
    public List<PtxAsync> Floating { get; } = [];

    /// <summary>Work that has been started: done at once, at the wait, or in between.</summary>
    public PtxAsync Begin(Action work)
    {
        var begun = new PtxAsync(work);
        if (Moment == PtxMoment.Early) begun.Do();
        else if (Moment == PtxMoment.Random) Floating.Add(begun);
        return begun;
    }
}

/// <summary>When asynchronous work takes effect: at its wait, at once, or at a moment of the adversary's choice.</summary>
internal enum PtxMoment { Late, Early, Random }

/// <summary>Something asynchronous, which happens once.</summary>
internal sealed class PtxAsync(Action work)
{
    public bool Done { get; private set; }

    public void Do()
    {
        if (Done) return;
        Done = true;
        work();
    }
}

/// <summary>One thread: registers, place, local memory, unfinished asynchronous copies.</summary>
internal sealed class PtxThread(PtxGroup group, int linear, int registers, long localBytes)
{
    /// <summary>Windows of the generic address space.</summary>
    public const ulong SharedWindow = 0x2000_0000_0000, LocalWindow = 0x3000_0000_0000;

    private readonly byte[] _local = new byte[localBytes];
    private readonly List<List<PtxAsync>> _groups = [], _productGroups = [];
    private List<PtxAsync> _open = [], _openProducts = [];

    public PtxGroup Group { get; } = group;
    public int Linear { get; } = linear;
    public int Lane => Linear & 31;
    public ulong[] R { get; } = new ulong[registers];
    public int Pc { get; set; }
    public bool Done { get; set; }
    public bool Waiting { get; set; }

    /// <summary>Its time and knowledge where races are looked for.</summary>
    public RaceThread? Race { get; } = group.Race is null ? null : new RaceThread(group.Race, linear);

    /// <summary>It found a barrier's phase unfinished and lets others run first.</summary>
    public bool Paused { get; set; }

    public int TidX => Linear % Group.GroupDim.X;
    public int TidY => Linear / Group.GroupDim.X % Group.GroupDim.Y;
    public int TidZ => Linear / Group.GroupDim.X / Group.GroupDim.Y;

    public Span<byte> Memory(string space, ulong address, int bytes, string what, PtxAccess access = PtxAccess.None)
    {
        if (address % (ulong)bytes != 0) throw new PtxException($"address 0x{address:x} is not a multiple of {bytes} in {what}");
        switch (space)
        {
            case "global": return Global(address, bytes, what, access);
            case "shared": return Shared(address, bytes, what, access);
            case "local": return Window(_local, address, bytes, what);
            default:
                if (address is >= SharedWindow and < LocalWindow) return Shared(address - SharedWindow, bytes, what, access);
                if (address is >= LocalWindow and < 0x4000_0000_0000) return Window(_local, address - LocalWindow, bytes, what);
                return Global(address, bytes, what, access);
        }
    }

    private Span<byte> Global(ulong address, int bytes, string what, PtxAccess access)
    {
        Span<byte> memory = Group.Global.At(address, bytes, what);
        if (access != PtxAccess.None) Group.Watch?.Touch(this, false, address, bytes, access);
        return memory;
    }

    private Span<byte> Shared(ulong address, int bytes, string what, PtxAccess access)
    {
        Span<byte> memory = Window(Group.Shared, address, bytes, what);
        if (access != PtxAccess.None) Group.Watch?.Touch(this, true, address, bytes, access);
        return memory;
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

    public void StartCopy(Action copy) => _open.Add(Group.Begin(copy));

    public void CommitCopies()
    {
        _groups.Add(_open);
        _open = [];
        Race?.CommitCopies();
    }

    /// <summary>Products of a thread follow each other: one that floats takes those before it along.</summary>
    public void StartProduct(Action product)
    {
        var begun = new PtxAsync(product);
        _openProducts.Add(begun);
        if (Group.Moment == PtxMoment.Early) begun.Do();
    }

    public void CommitProducts()
    {
        _productGroups.Add(_openProducts);
        _openProducts = [];
    }

    public void WaitProducts(int pending)
    {
        while (_productGroups.Count > pending)
        {
            foreach (PtxAsync product in _productGroups[0]) product.Do();
            _productGroups.RemoveAt(0);
        }
    }

    /// <summary>The oldest product that has not been made yet, sooner than it must.</summary>
    public void MakeProduct() => _productGroups.Append(_openProducts).SelectMany(products => products).FirstOrDefault(product => !product.Done)?.Do();

    /// <summary>Copies happen as late as they may unless they are told to float: data read without a wait is stale here.</summary>
    public void WaitCopies(int pending)
    {
        while (_groups.Count > pending)
        {
            foreach (PtxAsync copy in _groups[0]) copy.Do();
            _groups.RemoveAt(0);
        }
        Race?.WaitCopies(pending);
    }
}
