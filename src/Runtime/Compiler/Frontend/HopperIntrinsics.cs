using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Frontend;

/// <summary>The extensions for sm_90: transaction barriers, tensor copies, products of warp groups, dependent launches.</summary>
internal static class HopperIntrinsics
{
    // Of a matrix descriptor: rows of 128 bytes, eight of them 1024 bytes, swizzled; the address / 16 comes into bits 0 to 13.
    private const long DescriptorForm = 1L << 62 | 64L << 32;

    public static void Add(Dictionary<string, Func<IntrinsicCall, StackValue?>> table)
    {
        table["TransactionBarrier.Init"] = call => Barrier(call, HopperKind.BarrierInit, call.Arg(2));
        table["TransactionBarrier.FenceInit"] = call => Plain(call, HopperKind.FenceProxyAsync);
        table["TransactionBarrier.Arrive"] = call => Barrier(call, HopperKind.BarrierArrive);
        table["TransactionBarrier.ArriveExpect"] = call => Barrier(call, HopperKind.BarrierArriveExpect, call.Arg(2));
        table["TransactionBarrier.Wait"] = call => Barrier(call, HopperKind.BarrierWait, call.Arg(2));
        table["TensorCopy.Load"] = TensorCopy;
        table["WarpGroup.Describe"] = call => Describe(call, call.Kernel.Long(1)); // rows of 128 bytes have no second panel
        table["WarpGroup.DescribeRows"] = call => Describe(call, call.B.Emit(Op.Shr, IrType.I64, call.B.Emit(Op.SignExtend, IrType.I64, call.Arg(2)), call.Kernel.Int(3)));
        table["WarpGroup.Fence"] = call => Plain(call, HopperKind.ProductFence);
        table["WarpGroup.Commit"] = call => Plain(call, HopperKind.ProductCommit);
        table["WarpGroup.Wait"] = call => Plain(call, HopperKind.ProductWait, call.Arg(0));
        table["WarpGroup.IncreaseRegisters"] = call => Plain(call, HopperKind.IncreaseRegisters, call.Arg(0));
        table["WarpGroup.DecreaseRegisters"] = call => Plain(call, HopperKind.DecreaseRegisters, call.Arg(0));
        table["WarpGroup.MultiplyAddBf16"] = call => MultiplyAdd(call, [call.Arg(1)]);
        table["WarpGroup.MultiplyAddRowsBf16"] = call => MultiplyAdd(call, [.. ((StructValue)call.Args[1]).Leaves.Select(leaf => leaf.Resolve())]);
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

    private static Scalar Describe(IntrinsicCall call, Value leading)
    {
        Value address = call.B.Emit(Op.PtrToInt, IrType.I64, MemoryIntrinsics.Element(call, 0, 1, 2));
        Value field = call.B.Emit(Op.ShrU, IrType.I64, call.B.Emit(Op.And, IrType.I64, address, call.Kernel.Long(0x3ffff)), call.Kernel.Int(4));
        Value form = call.B.Emit(Op.Or, IrType.I64, call.B.Emit(Op.Shl, IrType.I64, leading, call.Kernel.Int(16)), call.Kernel.Long(DescriptorForm));
        return new Scalar(call.B.Emit(Op.Or, IrType.I64, field, form));
    }

    /// <summary>
    /// The sums are read from the local array and written back; with constant indices everywhere they stay in registers. A product that
    /// plainly overwrites them reads none, so that what the array held needs no registers until then.
    /// </summary>
    private static StackValue? MultiplyAdd(IntrinsicCall call, Value[] a)
    {
        if (call.Args[0] is not LocalArray { Length.IsConst: true } sums) throw call.Place.Error("WarpGroup's sums are a local array, made in the kernel itself");
        int count = (int)sums.Length.Bits;
        if (count is < 4 or > 128 || count % 4 != 0) throw call.Place.Error($"WarpGroup: {count} sums a thread; 4 to 128 in steps of 4");
        Value accumulate = call.B.ToBool(call.Arg(3));
        Value[] before = [.. Enumerable.Range(0, count).Select(i =>
            accumulate.IsConstant(0) ? call.Kernel.Undefined(IrType.F32) : call.B.Load(sums.Pointer, IrType.F32, 4 * i))];
        Value product = call.Kernel.New(Op.Wgmma, IrType.F32, [.. a, call.Arg(2), accumulate, .. before]);
        (product.Count, product.Sub) = (count, WgmmaForm.Of(2 * count, IsRows(call, 4), IsRows(call, 5)));
        call.B.Append(product);
        for (int i = 0; i < count; i++) call.B.Store(sums.Pointer, call.B.Extract(product, i), IrType.F32, 4 * i);
        return null;
    }

    private static bool IsRows(IntrinsicCall call, int argument)
    {
        if (call.Args.Length <= argument) return false;
        Value rows = call.Arg(argument);
        return rows.IsConst ? rows.Bits != 0 : throw call.Place.Error("how WarpGroup's operands lie must be a constant");
    }
}
