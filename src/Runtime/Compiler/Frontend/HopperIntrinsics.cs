using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Frontend;

/// <summary>The extensions for sm_90: transaction barriers, tensor copies, products of warp groups, dependent launches.</summary>
internal static class HopperIntrinsics
{
    // Of a matrix descriptor: rows of 128 bytes, eight of them 1024 bytes, swizzled; the address / 16 comes into bits 0 to 13.
    private const long DescriptorForm = 1L << 62 | 64L << 32 | 1L << 16;

    public static void Add(Dictionary<string, Func<IntrinsicCall, StackValue?>> table)
    {
        table["TransactionBarrier.Init"] = call => Barrier(call, HopperKind.BarrierInit, call.Arg(2));
        table["TransactionBarrier.FenceInit"] = call => Plain(call, HopperKind.FenceProxyAsync);
        table["TransactionBarrier.Arrive"] = call => Barrier(call, HopperKind.BarrierArrive);
        table["TransactionBarrier.ArriveExpect"] = call => Barrier(call, HopperKind.BarrierArriveExpect, call.Arg(2));
        table["TransactionBarrier.Wait"] = call => Barrier(call, HopperKind.BarrierWait, call.Arg(2));
        table["TensorCopy.Load"] = TensorCopy;
        table["WarpGroup.Describe"] = Describe;
        table["WarpGroup.Fence"] = call => Plain(call, HopperKind.ProductFence);
        table["WarpGroup.Commit"] = call => Plain(call, HopperKind.ProductCommit);
        table["WarpGroup.Wait"] = call => Plain(call, HopperKind.ProductWait, call.Arg(0));
        table["WarpGroup.IncreaseRegisters"] = call => Plain(call, HopperKind.IncreaseRegisters, call.Arg(0));
        table["WarpGroup.DecreaseRegisters"] = call => Plain(call, HopperKind.DecreaseRegisters, call.Arg(0));
        table["WarpGroup.MultiplyAddBf16"] = MultiplyAdd;
        table["GridDependency.Wait"] = call => Plain(call, HopperKind.GridWait);
        table["GridDependency.LaunchDependents"] = call => Plain(call, HopperKind.GridLaunch);
    }

    private static StackValue? Plain(IntrinsicCall call, HopperKind kind, params Value[] args)
    {
        call.B.EmitSub(Op.Hopper, (int)kind, IrType.Void, args);
        return null;
    }

    private static StackValue? Barrier(IntrinsicCall call, HopperKind kind, params Value[] args) =>
        Plain(call, kind, [MemoryIntrinsics.Element(call, 0, 1, sizeof(long)), .. args]);

    private static StackValue? TensorCopy(IntrinsicCall call)
    {
        Value target = MemoryIntrinsics.Element(call, 1, 2, call.SizeOf(call.TypeArgument));
        return Plain(call, HopperKind.TensorCopy, target, call.Arg(0), call.Arg(3), call.Arg(4), MemoryIntrinsics.Element(call, 5, 6, sizeof(long)));
    }

    private static StackValue Describe(IntrinsicCall call)
    {
        Value address = call.B.Emit(Op.PtrToInt, IrType.I64, MemoryIntrinsics.Element(call, 0, 1, 2));
        Value field = call.B.Emit(Op.ShrU, IrType.I64, call.B.Emit(Op.And, IrType.I64, address, call.Kernel.Long(0x3ffff)), call.Kernel.Int(4));
        return new Scalar(call.B.Emit(Op.Or, IrType.I64, field, call.Kernel.Long(DescriptorForm)));
    }

    /// <summary>The sums are read from the local array and written back; with constant indices everywhere they stay in registers.</summary>
    private static StackValue? MultiplyAdd(IntrinsicCall call)
    {
        if (call.Args[0] is not LocalArray { Length.IsConst: true } sums) throw call.Place.Error("WarpGroup's sums are a local array, made in the kernel itself");
        int count = (int)sums.Length.Bits;
        if (count is < 4 or > 128 || count % 4 != 0) throw call.Place.Error($"WarpGroup: {count} sums a thread; 4 to 128 in steps of 4");
        Value[] before = [.. Enumerable.Range(0, count).Select(i => call.B.Load(sums.Pointer, IrType.F32, 4 * i))];
        Value product = call.Kernel.New(Op.Wgmma, IrType.F32, [call.Arg(1), call.Arg(2), call.B.ToBool(call.Arg(3)), .. before]);
        (product.Count, product.Sub) = (count, 2 * count);
        call.B.Append(product);
        for (int i = 0; i < count; i++) call.B.Store(sums.Pointer, call.B.Extract(product, i), IrType.F32, 4 * i);
        return null;
    }
}
