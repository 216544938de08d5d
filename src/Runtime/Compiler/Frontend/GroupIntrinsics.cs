using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Frontend;

/// <summary>Group, Grid and Warp.</summary>
internal static class GroupIntrinsics
{
    private const int FullWarp = -1;

    public static void Add(Dictionary<string, Func<IntrinsicCall, StackValue?>> table)
    {
        (string Name, SpecialRegister First)[] axes =
            [("Group.get_Idx", SpecialRegister.TidX), ("Group.get_Dim", SpecialRegister.NtidX), ("Grid.get_Idx", SpecialRegister.CtaidX), ("Grid.get_Dim", SpecialRegister.NctaidX)];
        foreach ((string name, SpecialRegister first) in axes)
        {
            for (int axis = 0; axis < 3; axis++)
            {
                SpecialRegister register = first + axis;
                table[name + "XYZ"[axis]] = call => call.Result(call.Kernel.Special(register));
            }
        }
        table["Group.get_Index"] = call => Triple(call, SpecialRegister.TidX);
        table["Group.get_Dimension"] = call => Triple(call, SpecialRegister.NtidX);
        table["Grid.get_Index"] = call => Triple(call, SpecialRegister.CtaidX);
        table["Grid.get_Dimension"] = call => Triple(call, SpecialRegister.NctaidX);
        table["Group.get_LinearIndex"] = call => call.Result(LinearThread(call));
        table["Group.Barrier"] = call => Nothing(call.B.Emit(Op.Barrier, IrType.Void));
        table["Group.BarrierPopCount"] = call => BarrierVote(call, VoteKind.Ballot);
        table["Group.BarrierAnd"] = call => BarrierVote(call, VoteKind.All);
        table["Group.BarrierOr"] = call => BarrierVote(call, VoteKind.Any);
        table["Group.Broadcast"] = Broadcast;

        table["Warp.get_LaneIdx"] = call => call.Result(call.Kernel.Special(SpecialRegister.LaneId));
        table["Warp.get_WarpIdx"] = call => call.Result(call.B.Emit(Op.ShrU, IrType.I32, LinearThread(call), call.Kernel.Int(5)));
        table["Warp.get_WarpSize"] = call => call.Result(call.Kernel.Int(32));
        table["Warp.Barrier"] = call => Nothing(call.B.Emit(Op.WarpBarrier, IrType.Void));
        table["Warp.Shuffle"] = call => Shuffle(call, ShuffleKind.Index);
        table["Warp.ShuffleUp"] = call => Shuffle(call, ShuffleKind.Up);
        table["Warp.ShuffleDown"] = call => Shuffle(call, ShuffleKind.Down);
        table["Warp.ShuffleXor"] = call => Shuffle(call, ShuffleKind.Xor);
        table["Warp.Broadcast"] = call => Shuffle(call, ShuffleKind.Index);
        table["WarpVote.Ballot"] = call => Vote(call, VoteKind.Ballot, IrType.I32);
        table["WarpVote.Any"] = call => Vote(call, VoteKind.Any, IrType.I1);
        table["WarpVote.All"] = call => Vote(call, VoteKind.All, IrType.I1);

        table["MemoryFence.GroupLevel"] = call => Nothing(call.B.EmitSub(Op.Fence, 0, IrType.Void));
        table["MemoryFence.DeviceLevel"] = call => Nothing(call.B.EmitSub(Op.Fence, 1, IrType.Void));
        table["MemoryFence.SystemLevel"] = call => Nothing(call.B.EmitSub(Op.Fence, 2, IrType.Void));
    }

    public static Value LinearThread(IntrinsicCall call)
    {
        (IrBuilder b, KernelIr k) = (call.B, call.Kernel);
        Value row = b.Add(b.Mul(k.Special(SpecialRegister.TidZ), k.Special(SpecialRegister.NtidY)), k.Special(SpecialRegister.TidY));
        return b.Add(b.Mul(row, k.Special(SpecialRegister.NtidX)), k.Special(SpecialRegister.TidX));
    }

    private static StructValue Triple(IntrinsicCall call, SpecialRegister first) =>
        new StructValue(call.ReturnType, [call.Kernel.Special(first), call.Kernel.Special(first + 1), call.Kernel.Special(first + 2)]);

    private static StackValue? Nothing(Value _) => null;

    private static StackValue BarrierVote(IntrinsicCall call, VoteKind kind) =>
        call.Result(call.B.EmitSub(Op.BarrierReduce, (int)kind, kind == VoteKind.Ballot ? IrType.I32 : IrType.I1, call.B.ToBool(call.Arg(0))));

    private static StackValue Vote(IntrinsicCall call, VoteKind kind, IrType type) =>
        call.Result(call.B.EmitSub(Op.Vote, (int)kind, type, call.B.ToBool(call.Arg(0))));

    /// <summary>A value of any struct moves register by register; narrow ones travel as 32 bits, wide ones as two halves.</summary>
    private static StackValue Shuffle(IntrinsicCall call, ShuffleKind kind)
    {
        Value lane = call.Arg(1);
        Value width = call.Args.Length > 2 ? call.Arg(2) : call.Kernel.Int(32);
        IrBuilder b = call.B;
        // PTX: bits 8 to 12 hold the segment mask, bits 0 to 4 the last lane (the first for .up).
        Value segment = b.Emit(Op.Shl, IrType.I32, b.Emit(Op.Sub, IrType.I32, call.Kernel.Int(32), width), call.Kernel.Int(8));
        Value clamp = kind == ShuffleKind.Up ? segment : b.Emit(Op.Or, IrType.I32, segment, call.Kernel.Int(31));
        // C# says "within the segment" for an index; the hardware cuts it to the segment by itself.
        Type type = call.TypeArgument;
        Value[] leaves = Translation.Leaves(call.Args[0], type, call.Place);
        return Translation.FromLeaves(type, [.. leaves.Select(leaf => ShuffleLeaf(b, kind, leaf, lane, clamp))]);
    }

    private static Value ShuffleLeaf(IrBuilder b, ShuffleKind kind, Value leaf, Value lane, Value clamp)
    {
        if (leaf.Type is IrType.I32 or IrType.F32) return b.EmitSub(Op.Shuffle, (int)kind, leaf.Type, leaf, lane, clamp);
        Value bits = leaf.Type == IrType.F64 ? b.Emit(Op.Bits, IrType.I64, leaf) : leaf;
        Value low = b.EmitSub(Op.Shuffle, (int)kind, IrType.I32, b.ToInt(bits), lane, clamp);
        Value high = b.EmitSub(Op.Shuffle, (int)kind, IrType.I32, b.ToInt(b.Emit(Op.ShrU, IrType.I64, bits, b.Kernel.Int(32))), lane, clamp);
        Value whole = b.Emit(Op.Or, IrType.I64, b.ToLong(low, false), b.Emit(Op.Shl, IrType.I64, b.ToLong(high, false), b.Kernel.Int(32)));
        return leaf.Type == IrType.F64 ? b.Emit(Op.Bits, IrType.F64, whole) : whole;
    }

    /// <summary>One thread writes to shared memory, all read it, with a barrier before and after so that calls may follow each other.</summary>
    private static StackValue Broadcast(IntrinsicCall call)
    {
        Type type = call.TypeArgument;
        TypeLayout layout = TypeLayout.Of(type);
        IrBuilder b = call.B;
        Value cell = b.Emit(Op.SharedAlloc, IrType.Ptr, call.Kernel.Int(layout.Size));
        Value chosen = b.Compare(CompareKind.Eq, LinearThread(call), call.Arg(1));
        Block write = call.Kernel.NewBlock(), after = call.Kernel.NewBlock();
        b.Block.BranchTo(chosen, write, after);
        SsaVariables variables = call.Shared.Variables;
        variables.Edge(b.Block, write);
        variables.Edge(b.Block, after);
        variables.Seal(write);
        b.Block = write;
        call.Translator.StoreTo(new Scalar(cell), type, call.Args[0]);
        write.JumpTo(after);
        variables.Edge(write, after);
        variables.Seal(after);
        b.Block = after;
        b.Emit(Op.Barrier, IrType.Void);
        StackValue result = call.Translator.LoadFrom(new Scalar(cell), type);
        b.Emit(Op.Barrier, IrType.Void);
        return result;
    }
}
