using System.Buffers.Binary;
using System.Globalization;

namespace OllmNative.Tests.Ptx;

/// <summary>A transaction barrier. Its tensor copies take place when somebody waits for them, unless they float.</summary>
internal sealed class PtxBarrier
{
    private readonly int _arrivals;

    public PtxBarrier(int arrivals) => _arrivals = Pending = arrivals;

    public int Pending { get; set; }
    public long Bytes { get; set; }
    public ulong Parity { get; private set; }
    public Queue<PtxAsync> Copies { get; } = new();

    /// <summary>What those who arrive know, and what of it the phases that are over give to those who wait.</summary>
    public RaceClock? Arrived { get; set; }

    public RaceClock? Completed { get; private set; }

    /// <summary>Begins the next phase when this one's arrivals and bytes have come; says whether it did.</summary>
    public bool Advance(bool someoneWaits)
    {
        while (someoneWaits && Pending == 0 && Copies.TryDequeue(out PtxAsync? copy)) copy.Do();
        if (Pending < 0) throw new PtxException("more arrivals than a barrier expects");
        if (Pending != 0 || Bytes != 0) return false;
        Parity ^= 1;
        Pending = _arrivals;
        Completed = Arrived;
        return true;
    }
}

/// <summary>What a tensor map says, in the interpreter's own 128 bytes; on a GPU they are the driver's.</summary>
internal readonly record struct PtxTensorMap(ulong Address, long Width, long Height, long Pitch, int BoxWidth, int BoxHeight, int ElementSize, int Swizzle)
{
    public byte[] Encode()
    {
        byte[] bytes = new byte[128];
        long[] fields = [(long)Address, Width, Height, Pitch, BoxWidth, BoxHeight, ElementSize, Swizzle];
        for (int i = 0; i < fields.Length; i++) BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(8 * i), fields[i]);
        return bytes;
    }

    public static PtxTensorMap Decode(ReadOnlySpan<byte> bytes)
    {
        long[] fields = new long[8];
        for (int i = 0; i < fields.Length; i++) fields[i] = BinaryPrimitives.ReadInt64LittleEndian(bytes[(8 * i)..]);
        return new PtxTensorMap((ulong)fields[0], fields[1], fields[2], fields[3], (int)fields[4], (int)fields[5], (int)fields[6], (int)fields[7]);
    }
}

/// <summary>Instructions of sm_90 and sm_90a.</summary>
internal sealed partial class PtxDecoder
{
    private Action<PtxThread>? Hopper(PtxInstruction i) => i.Op switch
    {
        "mbarrier.init.shared::cta.b64" => InitBarrier(i),
        "mbarrier.arrive.shared::cta.b64" => Arrive(i, _ => 0),
        "mbarrier.arrive.expect_tx.shared::cta.b64" => Arrive(i, Source(i.Operands[2], 32)),
        "mbarrier.try_wait.parity.shared::cta.b64" => TryWait(i),
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes" => TensorCopy(i),
        "fence.proxy.async" => t => t.Race?.ProxyFence(),
        "griddepcontrol.wait" or "griddepcontrol.launch_dependents" => _ => { }, // the adversary's matter
        _ => null,
    };

    private Action<PtxThread> InitBarrier(PtxInstruction i)
    {
        Func<PtxThread, ulong> address = Address(i.Operands[0]), count = Source(i.Operands[1], 32);
        return t =>
        {
            t.Memory("shared", address(t), 8, i.Text, PtxAccess.Write);
            t.Group.Barriers[address(t)] = new PtxBarrier((int)count(t));
        };
    }

    private static PtxBarrier BarrierAt(PtxThread t, ulong address, PtxInstruction i, bool byCopies = false)
    {
        if (t.Group.Watch is not null) RaceWatch.UseBarrier(t, address, byCopies);
        return t.Group.Barriers.TryGetValue(address, out PtxBarrier? barrier) ? barrier : throw new PtxException($"no barrier at 0x{address:x} in {i.Text}");
    }

    private static Action<PtxThread> Arrive(PtxInstruction i, Func<PtxThread, ulong> bytes)
    {
        if (i.Operands[0].Name != "_") throw new PtxException(i.Text);
        Func<PtxThread, ulong> address = Address(i.Operands[1]);
        return t =>
        {
            PtxBarrier barrier = BarrierAt(t, address(t), i);
            barrier.Bytes += (long)bytes(t);
            barrier.Pending--;
            if (t.Race is { } race) barrier.Arrived = race.Publish().Join(barrier.Arrived);
            barrier.Advance(false);
            t.Group.Progress++;
        };
    }

    /// <summary>A wait in vain gives way to the other warps; nothing that any of them does in a round makes it an error.</summary>
    private Action<PtxThread> TryWait(PtxInstruction i)
    {
        Action<PtxThread, ulong> target = Target(i.Operands[0]);
        Func<PtxThread, ulong> address = Address(i.Operands[1]), parity = Source(i.Operands[2], 32);
        return t =>
        {
            PtxBarrier barrier = BarrierAt(t, address(t), i);
            bool done = barrier.Parity != parity(t) || barrier.Advance(true);
            target(t, done ? 1UL : 0);
            if (done) t.Group.Progress++;
            if (done) t.Race?.Learn(barrier.Completed);
            t.Paused = !done;
        };
    }

    private static Action<PtxThread> TensorCopy(PtxInstruction i)
    {
        Func<PtxThread, ulong> to = Address(i.Operands[0]), bar = Address(i.Operands[2]);
        int map = i.Operands[1].Register;
        int[] place = [.. i.Operands[1].Items.Select(item => item.Register)];
        return t =>
        {
            PtxTensorMap box = PtxTensorMap.Decode(t.Group.Global.At(t.R[map], 128, i.Text));
            (ulong target, int x, int y) = (to(t), (int)t.R[place[0]], (int)t.R[place[1]]);
            if (target % (box.Swizzle == 0 ? 128UL : 1024UL) != 0) throw new PtxException($"target 0x{target:x} in {i.Text}");
            PtxBarrier barrier = BarrierAt(t, bar(t), i, byCopies: true);
            Action complete = WatchBox(t, barrier, bar(t), box, target, x, y);
            barrier.Copies.Enqueue(t.Group.Begin(() =>
            {
                CopyBox(t, box, target, x, y, i.Text);
                barrier.Bytes -= (long)box.BoxWidth * box.BoxHeight * box.ElementSize;
                complete();
                if (t.Group.Moment != PtxMoment.Late) barrier.Advance(false);
            }));
            t.Group.Progress++;
        };
    }

    /// <summary>A copy's accesses as they are started; and how the barrier gets to know that they are over.</summary>
    private static Action WatchBox(PtxThread t, PtxBarrier barrier, ulong at, PtxTensorMap box, ulong target, int x, int y)
    {
        if (t.Group.Watch is not { } watch) return () => { };
        RaceAgent agent = t.Group.Race!.TensorCopies(at);
        int time = t.Group.Race.Tick(agent), piece = 16 / box.ElementSize;
        for (int row = 0; row < box.BoxHeight; row++)
        {
            for (int column = 0; column < box.BoxWidth; column += piece)
            {
                ulong to = target + (ulong)((row * box.BoxWidth + column) * box.ElementSize);
                watch.TouchFor(t, agent, time, true, box.Swizzle == 3 ? Swizzle128(to) : to, 16, PtxAccess.Write);
                bool inside = y + row >= 0 && y + row < box.Height && x + column >= 0 && x + column + piece <= box.Width;
                if (inside) watch.TouchFor(t, agent, time, false, box.Address + (ulong)((y + row) * box.Pitch + (x + column) * box.ElementSize), 16, PtxAccess.Read);
            }
        }
        return () => barrier.Arrived = (barrier.Arrived ?? t.Group.Race.Start).With(agent.Index, time);
    }

    private static void CopyBox(PtxThread t, PtxTensorMap box, ulong target, int x, int y, string text)
    {
        for (int row = 0; row < box.BoxHeight; row++)
        {
            for (int column = 0; column < box.BoxWidth; column++)
            {
                ulong at = target + (ulong)((row * box.BoxWidth + column) * box.ElementSize);
                if (box.Swizzle == 3) at = Swizzle128(at);
                Span<byte> cell = t.Memory("shared", at, box.ElementSize, text);
                bool inside = x + column >= 0 && x + column < box.Width && y + row >= 0 && y + row < box.Height;
                if (!inside) cell.Clear();
                else t.Group.Global.At(box.Address + (ulong)((y + row) * box.Pitch + (x + column) * box.ElementSize), box.ElementSize, text).CopyTo(cell);
            }
        }
    }

    private static ulong Swizzle128(ulong address) => address ^ (address >> 7 & 7) << 4;

    private Action<PtxThread[]>? HopperTogether(PtxInstruction i)
    {
        if (i.Op.StartsWith("wgmma.mma_async.sync.aligned.m64n", StringComparison.Ordinal)) return Product(i);
        switch (i.Op)
        {
            case "wgmma.fence.sync.aligned" or "setmaxnreg.inc.sync.aligned.u32" or "setmaxnreg.dec.sync.aligned.u32": return _ => { };
            case "wgmma.commit_group.sync.aligned": return lanes => Array.ForEach(lanes, lane => lane.CommitProducts());
            case "wgmma.wait_group.sync.aligned":
                int pending = (int)i.Operands[0].Bits;
                return lanes => Array.ForEach(lanes, lane => lane.WaitProducts(pending));
            default: return null;
        }
    }

    /// <summary>Each thread computes its sums at the wait, from what shared memory holds then.</summary>
    private Action<PtxThread[]> Product(PtxInstruction i)
    {
        string[] shape = i.Op["wgmma.mma_async.sync.aligned.m64n".Length..].Split('k', '.');
        int n = int.Parse(shape[0], CultureInfo.InvariantCulture);
        if (i.Op != $"wgmma.mma_async.sync.aligned.m64n{n}k16.f32.bf16.bf16" || i.Operands.Length is < 7 or > 8 || n is < 8 or > 256 || n % 8 != 0) throw new PtxException(i.Text);
        // A and B both in shared memory with K contiguous, or A in registers and B transposed.
        bool inRegisters = i.Operands.Length == 7;
        if (i.Operands[4..].Select(operand => operand.Bits).ToArray() is not ([1, 1, 0 or 1, 0 or 1] or [1, 1, 1])) throw new PtxException(i.Text);
        bool aRows = !inRegisters && i.Operands[6].Bits == 1, bRows = inRegisters || i.Operands[7].Bits == 1;
        int[] sums = [.. i.Operands[0].Items.Select(item => item.Register)];
        if (sums.Length != n / 2 || sums.Distinct().Count() != sums.Length) throw new PtxException(i.Text);
        Func<PtxThread, ulong> b = Source(i.Operands[2]), accumulate = Source(i.Operands[3]);
        Func<PtxThread, ulong>? a = inRegisters ? null : Source(i.Operands[1]);
        int[] fragment = inRegisters ? [.. i.Operands[1].Items.Select(item => item.Register)] : [];
        if (inRegisters && fragment.Length != 4) throw new PtxException(i.Text);
        return lanes =>
        {
            if (lanes.Length != 32) throw new PtxException($"{lanes.Length} lanes at {i.Text}");
            if (lanes[0].Group.Watch is not null) WatchProduct(lanes, a is null ? null : a(lanes[0]), aRows, b(lanes[0]), bRows, n);
            foreach (PtxThread lane in lanes)
            {
                (ulong right, bool add) = (b(lane), accumulate(lane) != 0);
                if (a is null)
                {
                    // The registers are read at the wait, like the sums': what changes them before is an error that shows.
                    lane.StartProduct(() => Sums(lane, sums, (row, k) => InRegisters(lanes, fragment, row, k), Operand(lane, right, bRows, i.Text), add));
                    continue;
                }
                ulong left = a(lane);
                lane.StartProduct(() => Sums(lane, sums, Operand(lane, left, aRows, i.Text), Operand(lane, right, bRows, i.Text), add));
            }
        };
    }

    /// <summary>Element (row, k) of a warp's 16 x 16: PTX ISA 9.7.15.5.2, "Register Fragments"; row counts within the 64 of the four warps.</summary>
    private static float InRegisters(PtxThread[] lanes, int[] fragment, int row, int k)
    {
        var pair = (uint)lanes[row % 8 * 4 + k % 8 / 2].R[fragment[row % 16 / 8 + k / 8 * 2]];
        return BitConverter.UInt32BitsToSingle(k % 2 == 0 ? pair << 16 : pair & 0xffff0000);
    }

    private static void Sums(PtxThread t, int[] registers, Func<int, int, float> a, Func<int, int, float> b, bool add)
    {
        int firstRow = (t.Linear >> 5 & 3) * 16 + t.Lane / 4;
        Span<float> rows = stackalloc float[32], right = stackalloc float[16];
        for (int i = 0; i < rows.Length; i++) rows[i] = a(firstRow + i / 16 * 8, i % 16);
        for (int j = 0; j < registers.Length / 2; j++)
        {
            int column = j / 2 * 8 + 2 * (t.Lane % 4) + j % 2;
            for (int k = 0; k < right.Length; k++) right[k] = b(column, k);
            for (int half = 0; half < 2; half++)
            {
                int register = registers[j / 2 * 4 + 2 * half + j % 2];
                double sum = add ? F(t.R[register]) : 0;
                for (int k = 0; k < right.Length; k++) sum += (double)rows[16 * half + k] * right[k];
                t.R[register] = F((float)sum);
            }
        }
    }

    private static Func<int, int, float> Operand(PtxThread t, ulong descriptor, bool rows, string text) =>
        rows ? (n, k) => RowElement(t, descriptor, n, k, text) : (row, k) => Element(t, descriptor, row, k, text);

    /// <summary>A warp's reads of its 16 rows of A and of all of B, in pieces of 16 bytes.</summary>
    private static void WatchProduct(PtxThread[] lanes, ulong? a, bool aRows, ulong b, bool bRows, int n)
    {
        PtxThread t = lanes[t_lane++ & 31];
        (RaceGroup race, int warp) = (t.Group.Race!, t.Linear >> 5);
        RaceAgent agent = race.Products(warp);
        int time = race.Tick(agent);
        if (a is { } left) Read(left, aRows, warp % 4 * 16, 16);
        Read(b, bRows, 0, n);

        void Read(ulong descriptor, bool rows, int first, int count)
        {
            for (int i = first; i < first + count; i += rows ? 8 : 1)
                for (int k = 0; k < 16; k += rows ? 1 : 8)
                    t.Group.Watch!.TouchFor(t, agent, time, true, Place(descriptor, rows ? RowOffset(descriptor, i, k) : Offset(descriptor, i, k)), 16, PtxAccess.Read);
        }
    }

    // Another lane's knowledge is asked each time: all must know.
    [ThreadStatic] private static int t_lane;

    /// <summary>Row and k of a K-major matrix with a swizzle of 128 bytes.</summary>
    private static float Element(PtxThread t, ulong descriptor, int row, int k, string text) => At(t, descriptor, Offset(descriptor, row, k), text);

    private static ulong Offset(ulong descriptor, int row, int k)
    {
        ulong stride = (descriptor >> 32 & 0x3fff) << 4;
        return (ulong)(row / 8) * stride + (ulong)(row % 8 * 128 + 2 * k);
    }

    /// <summary>Column n and k of an MN-major matrix with a swizzle of 128 bytes: panels of 64 columns, in them eights of rows.</summary>
    private static float RowElement(PtxThread t, ulong descriptor, int n, int k, string text) => At(t, descriptor, RowOffset(descriptor, n, k), text);

    private static ulong RowOffset(ulong descriptor, int n, int k)
    {
        ulong leading = (descriptor >> 16 & 0x3fff) << 4, stride = (descriptor >> 32 & 0x3fff) << 4;
        return (ulong)(n / 64) * leading + (ulong)(k / 8) * stride + (ulong)(k % 8 * 128 + n % 64 * 2);
    }

    private static ulong Place(ulong descriptor, ulong offset) => Swizzle128(((descriptor & 0x3fff) << 4) + offset);

    private static float At(PtxThread t, ulong descriptor, ulong offset, string text)
    {
        if (descriptor >> 62 != 1 || (descriptor >> 49 & 7) != 0) throw new PtxException($"descriptor 0x{descriptor:x} in {text}");
        return BitConverter.UInt32BitsToSingle((uint)PtxThread.Read(t.Memory("shared", Place(descriptor, offset), 2, text)) << 16);
    }
}
