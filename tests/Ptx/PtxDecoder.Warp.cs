namespace OllmNative.Tests.Ptx;

/// <summary>Atomics, and what a whole warp or group does together.</summary>
internal sealed partial class PtxDecoder
{
    private Action<PtxThread> Atomic(PtxInstruction i, string[] parts)
    {
        string space = parts[1] is "global" or "shared" ? parts[1] : "generic", type = parts[^1], op = parts[^2];
        int bits = SizeOf(type), size = bits / 8;
        Func<PtxThread, ulong> address = Address(i.Operands[1]), a = Source(i.Operands[2], bits);
        Func<PtxThread, ulong> b = i.Operands.Length > 3 ? Source(i.Operands[3], bits) : _ => 0;
        Action<PtxThread, ulong> target = Target(i.Operands[0]);
        Func<ulong, ulong, ulong, ulong> update = (op, type) switch
        {
            ("add", "f32") => (old, x, _) => F(F(old) + F(x)),
            ("add", "f64") => (old, x, _) => D(D(old) + D(x)),
            ("add", _) => (old, x, _) => old + x,
            ("min", "s32") => (old, x, _) => (uint)Math.Min((int)old, (int)x),
            ("max", "s32") => (old, x, _) => (uint)Math.Max((int)old, (int)x),
            ("min", "s64") => (old, x, _) => (ulong)Math.Min((long)old, (long)x),
            ("max", "s64") => (old, x, _) => (ulong)Math.Max((long)old, (long)x),
            ("min", "u32" or "u64") => (old, x, _) => Math.Min(old, x),
            ("max", "u32" or "u64") => (old, x, _) => Math.Max(old, x),
            ("and", _) => (old, x, _) => old & x,
            ("or", _) => (old, x, _) => old | x,
            ("xor", _) => (old, x, _) => old ^ x,
            ("exch", _) => (_, x, _) => x,
            ("cas", _) => (old, compare, x) => old == compare ? x : old,
            _ => throw new PtxException(i.Text),
        };
        return t =>
        {
            Span<byte> memory = t.Memory(space, address(t), size, i.Text, PtxAccess.Atomic);
            ulong old = PtxThread.Read(memory);
            PtxThread.Write(memory, update(old, a(t), b(t)));
            target(t, old);
        };
    }

    public static void BarrierReduce(PtxInstruction i, PtxThread[] threads)
    {
        (int target, int predicate) = (i.Operands[0].Register, i.Operands[2].Register);
        Func<PtxThread, bool> holds = i.Operands[2].Kind == OperandKind.Immediate ? _ => i.Operands[2].Bits != 0 : t => t.R[predicate] != 0;
        int count = threads.Count(holds);
        ulong result = i.Op switch
        {
            "bar.red.popc.u32" => (ulong)count,
            "bar.red.or.pred" => count > 0 ? 1UL : 0,
            _ => count == threads.Length ? 1UL : 0,
        };
        foreach (PtxThread thread in threads) thread.R[target] = result;
    }

    private Action<PtxThread[]>? Collective(PtxInstruction i)
    {
        string[] p = i.Op.Split('.');
        if (i.Op == "bar.warp.sync") return lanes => MeetWarp(lanes);
        return p[0] switch
        {
            "shfl" => Shuffle(i, p[2]),
            "vote" => Vote(i, p[2]),
            "ldmatrix" => LoadMatrix(i),
            "mma" => MultiplyAdd(i),
            _ => HopperTogether(i),
        };
    }

    /// <summary>The one instruction of a warp that orders its threads' memory accesses.</summary>
    private static void MeetWarp(PtxThread[] lanes)
    {
        if (lanes[0].Race is not null) RaceThread.Meet([.. lanes.Select(lane => lane.Race!)]);
    }

    private Action<PtxThread[]> Shuffle(PtxInstruction i, string mode)
    {
        Func<PtxThread, ulong> value = Source(i.Operands[1], 32), b = Source(i.Operands[2], 32), c = Source(i.Operands[3], 32);
        Action<PtxThread, ulong> target = Target(i.Operands[0]);
        if (Source(i.Operands[4], 32)(null!) != uint.MaxValue) throw new PtxException(i.Text);
        return lanes =>
        {
            ulong[] values = new ulong[32];
            foreach (PtxThread lane in lanes) values[lane.Lane] = value(lane);
            foreach (PtxThread lane in lanes)
            {
                int word = (int)c(lane), segment = word >> 8 & 31, clamp = word & 31, own = lane.Lane, by = (int)b(lane) & 31;
                int last = own & segment | clamp & ~segment, first = own & segment;
                (int from, bool valid) = mode switch
                {
                    "up" => (own - by, own - by >= last),
                    "down" => (own + by, own + by <= last),
                    "bfly" => (own ^ by, (own ^ by) <= last),
                    "idx" => (first | by & ~segment, (first | by & ~segment) <= last),
                    _ => throw new PtxException(i.Text),
                };
                // A lane that does not exist or has ended has no value: hardware leaves the result open.
                target(lane, valid && lanes.Any(other => other.Lane == from) ? values[from] : values[own]);
            }
        };
    }

    private Action<PtxThread[]> Vote(PtxInstruction i, string mode)
    {
        Func<PtxThread, ulong> predicate = Source(i.Operands[1]);
        Action<PtxThread, ulong> target = Target(i.Operands[0]);
        return lanes =>
        {
            uint ballot = 0;
            foreach (PtxThread lane in lanes)
                if (predicate(lane) != 0) ballot |= 1u << lane.Lane;
            ulong result = mode switch
            {
                "ballot" => ballot,
                "any" => ballot != 0 ? 1UL : 0,
                "all" => lanes.All(lane => predicate(lane) != 0) ? 1UL : 0,
                _ => throw new PtxException(i.Text),
            };
            foreach (PtxThread lane in lanes) target(lane, result);
        };
    }

    private static Action<PtxThread[]> LoadMatrix(PtxInstruction i)
    {
        bool transposed = i.Op.Contains(".trans", StringComparison.Ordinal);
        Action<PtxThread, ulong>[] targets = [.. i.Operands[0].Items.Select(Target)];
        if (!i.Op.Contains($".x{targets.Length}", StringComparison.Ordinal)) throw new PtxException(i.Text);
        Func<PtxThread, ulong> address = Address(i.Operands[1]);
        return lanes =>
        {
            if (lanes.Length != 32) throw new PtxException($"{lanes.Length} lanes at {i.Text}");
            for (int matrix = 0; matrix < targets.Length; matrix++)
            {
                ushort[,] m = new ushort[8, 8];
                for (int row = 0; row < 8; row++)
                {
                    PtxThread owner = lanes[matrix * 8 + row];
                    Span<byte> memory = owner.Memory("shared", address(owner), 16, i.Text, PtxAccess.Read);
                    for (int column = 0; column < 8; column++) m[row, column] = (ushort)PtxThread.Read(memory.Slice(2 * column, 2));
                }
                foreach (PtxThread lane in lanes)
                {
                    int g = lane.Lane / 4, k = 2 * (lane.Lane % 4);
                    (ushort low, ushort high) = transposed ? (m[k, g], m[k + 1, g]) : (m[g, k], m[g, k + 1]);
                    targets[matrix](lane, (uint)(low | high << 16));
                }
            }
        };
    }

    private Action<PtxThread[]> MultiplyAdd(PtxInstruction i)
    {
        Func<uint, float> element = i.Op switch
        {
            "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32" => bits => BitConverter.UInt32BitsToSingle(bits << 16),
            "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32" => bits => (float)BitConverter.UInt16BitsToHalf((ushort)bits),
            _ => throw new PtxException(i.Text),
        };
        Action<PtxThread, ulong>[] d = [.. i.Operands[0].Items.Select(Target)];
        Func<PtxThread, ulong>[] a = [.. i.Operands[1].Items.Select(item => Source(item, 32))], b = [.. i.Operands[2].Items.Select(item => Source(item, 32))];
        Func<PtxThread, ulong>[] c = [.. i.Operands[3].Items.Select(item => Source(item, 32))];
        return lanes =>
        {
            if (lanes.Length != 32) throw new PtxException($"{lanes.Length} lanes at {i.Text}");
            float[,] left = new float[16, 16], right = new float[16, 8];
            foreach (PtxThread lane in lanes)
            {
                int g = lane.Lane / 4, k = 2 * (lane.Lane % 4);
                for (int r = 0; r < 4; r++)
                    for (int half = 0; half < 2; half++) left[g + 8 * (r % 2), k + 8 * (r / 2) + half] = element((uint)a[r](lane) >> (16 * half) & 0xffff);
                for (int r = 0; r < 2; r++)
                    for (int half = 0; half < 2; half++) right[k + 8 * r + half, g] = element((uint)b[r](lane) >> (16 * half) & 0xffff);
            }
            foreach (PtxThread lane in lanes)
            {
                for (int r = 0; r < 4; r++)
                {
                    int row = lane.Lane / 4 + 8 * (r / 2), column = 2 * (lane.Lane % 4) + r % 2;
                    double sum = F(c[r](lane));
                    for (int k = 0; k < 16; k++) sum += (double)left[row, k] * right[k, column];
                    d[r](lane, F((float)sum));
                }
            }
        };
    }
}
