using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Frontend;

/// <summary>The extensions for one hardware: 16-bit floats, asynchronous copies, tensor cores.</summary>
internal static class TensorIntrinsics
{
    /// <summary>Variants of Mma and LoadMatrix as the IR numbers them.</summary>
    public const int MmaBf16 = 0, MmaF16 = 1, Transposed = 1;

    public static void Add(Dictionary<string, Func<IntrinsicCall, StackValue?>> table)
    {
        table["Bf16.FromFloat"] = call => new StructValue(call.ReturnType, [call.B.Emit(Op.FloatToBFloat, IrType.I32, call.Arg(0))]);
        table["Bf16.ToFloat"] = call => new Scalar(call.B.Emit(Op.Bits, IrType.F32, call.B.Emit(Op.Shl, IrType.I32, call.Arg(0), call.Kernel.Int(16))));
        table["Vector16.PackBf16"] = call => new Scalar(call.B.Emit(Op.PackBFloats, IrType.I32, call.Arg(0), call.Arg(1)));
        table["Half.op_Explicit"] = HalfConversion;
        table["Half.op_Implicit"] = HalfConversion;

        table["AsyncCopy.Copy16"] = Copy16;
        table["AsyncCopy.Commit"] = call => Done(call.B.Emit(Op.CopyAsyncCommit, IrType.Void));
        table["AsyncCopy.Wait"] = call => Done(call.B.Emit(Op.CopyAsyncWait, IrType.Void, call.Arg(0)));

        table["TensorCore.MultiplyAddBf16"] = call => MultiplyAdd(call, MmaBf16);
        table["TensorCore.MultiplyAddF16"] = call => MultiplyAdd(call, MmaF16);
        table["TensorCore.LoadMatrix4"] = call => LoadMatrix(call, 4, 0);
        table["TensorCore.LoadMatrix4Transposed"] = call => LoadMatrix(call, 4, Transposed);
        table["TensorCore.LoadMatrix2"] = call => LoadMatrix(call, 2, 0);
        table["TensorCore.LoadMatrix2Transposed"] = call => LoadMatrix(call, 2, Transposed);
    }

    private static StackValue? Done(Value _) => null;

    private static StackValue HalfConversion(IntrinsicCall call)
    {
        Type from = call.Method.GetParameters()[0].ParameterType;
        if (from.Name == "Half" && call.ReturnType == typeof(float)) return new Scalar(call.B.Emit(Op.HalfToFloat, IrType.F32, call.Arg(0)));
        if (from == typeof(float)) return new StructValue(call.ReturnType, [call.B.Emit(Op.FloatToHalf, IrType.I32, call.Arg(0))]);
        throw call.Place.Error("Half converts from and to float only");
    }

    private static StackValue? Copy16(IntrinsicCall call)
    {
        int size = call.SizeOf(call.TypeArgument);
        Value target = MemoryIntrinsics.Element(call, 0, 1, size), source = MemoryIntrinsics.Element(call, 2, 3, size);
        // With the source size 0 nothing is read and zeros are written.
        if (call.Args.Length > 4)
        {
            Value bytes = call.B.Select(call.B.ToBool(call.Arg(4)), call.Kernel.Int(16), call.Kernel.Int(0));
            call.B.EmitSub(Op.CopyAsync, 16, IrType.Void, target, source, bytes);
        }
        else
        {
            call.B.EmitSub(Op.CopyAsync, 16, IrType.Void, target, source);
        }
        return null;
    }

    private static StructValue MultiplyAdd(IntrinsicCall call, int form)
    {
        Value[] inputs = [.. call.Args.SelectMany(arg => ((StructValue)arg).Leaves).Select(leaf => leaf.Resolve())];
        Value mma = call.Kernel.New(Op.Mma, IrType.F32, inputs);
        mma.Sub = form;
        mma.Count = 4;
        return Parts(call, mma);
    }

    private static StructValue LoadMatrix(IntrinsicCall call, int count, int transposed)
    {
        Value load = call.Kernel.New(Op.LoadMatrix, IrType.I32, MemoryIntrinsics.Element(call, 0, 1, call.SizeOf(call.TypeArgument)));
        load.Sub = transposed;
        load.Count = count;
        return Parts(call, load);
    }

    private static StructValue Parts(IntrinsicCall call, Value tuple)
    {
        call.B.Append(tuple);
        return new StructValue(call.ReturnType, [.. Enumerable.Range(0, tuple.Count).Select(i => call.B.Extract(tuple, i))]);
    }
}
