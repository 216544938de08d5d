using System.Reflection;
using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Frontend;

/// <summary>Views, shared and local memory, atomics.</summary>
internal static class MemoryIntrinsics
{
    public static void Add(Dictionary<string, Func<IntrinsicCall, StackValue?>> table)
    {
        table["ArrayView`1.get_Item"] = call => new Scalar(Element(call, 0, 1, call.SizeOf(call.TypeArgument)));
        table["ArrayView`1.get_Length"] = call => new Scalar(call.View(0).Length);
        table["ArrayView`1.get_IntLength"] = call => new Scalar(call.B.ToInt(call.View(0).Length));
        table["ArrayView`1.get_Extent"] = call => new StructValue(call.ReturnType, [call.View(0).Length]);
        table["ArrayView`1.get_IntExtent"] = call => new StructValue(call.ReturnType, [call.B.ToInt(call.View(0).Length)]);
        table["ArrayView`1.get_Stride"] = call => new StructValue(call.ReturnType, []);
        table["ArrayView`1.get_LengthInBytes"] = call => new Scalar(call.B.Mul(call.View(0).Length, call.Kernel.Long(call.SizeOf(call.TypeArgument))));
        table["ArrayView`1.get_IsValid"] = call => call.Result(call.B.Compare(CompareKind.Ne, call.View(0).Length, call.Kernel.Long(0)));
        table["ArrayView`1.SubView"] = SubView;
        table["ArrayView`1.Cast"] = Cast;

        table["SharedMemory.Allocate"] = call => Allocate(call, Op.SharedAlloc);
        table["LocalMemory.Allocate"] = call => Allocate(call, Op.LocalAlloc);
        table["SharedMemory.GetDynamic"] = Dynamic;
        table["Atomic.Add"] = call => Atomic(call, AtomicKind.Add, AtomicKind.Add);
        table["Atomic.Min"] = call => Atomic(call, AtomicKind.Min, AtomicKind.MinU);
        table["Atomic.Max"] = call => Atomic(call, AtomicKind.Max, AtomicKind.MaxU);
        table["Atomic.And"] = call => Atomic(call, AtomicKind.And, AtomicKind.And);
        table["Atomic.Or"] = call => Atomic(call, AtomicKind.Or, AtomicKind.Or);
        table["Atomic.Xor"] = call => Atomic(call, AtomicKind.Xor, AtomicKind.Xor);
        table["Atomic.Exchange"] = call => Atomic(call, AtomicKind.Exchange, AtomicKind.Exchange);
        table["Atomic.CompareExchange"] = call => Atomic(call, AtomicKind.CompareExchange, AtomicKind.CompareExchange);

        table["Vector16.LoadFloat4"] = call => LoadVector(call, IrType.F32);
        table["Vector16.LoadWords"] = call => LoadVector(call, IrType.I32);
        table["Vector16.LoadWordsOnce"] = call => LoadVector(call, IrType.I32, Op.LoadOnce);
        table["Vector16.StoreFloat4"] = call => StoreVector(call, IrType.F32);
        table["Vector16.StoreWords"] = call => StoreVector(call, IrType.I32);
    }

    /// <summary>The address of element <paramref name="index"/> of a view.</summary>
    public static Value Element(IntrinsicCall call, int view, int index, int size) => call.B.ElementAddress(call.View(view).Pointer, call.Arg(index), size);

    private static StackValue SubView(IntrinsicCall call)
    {
        (_, Value length) = call.View(0);
        Value pointer = Element(call, 0, 1, call.SizeOf(call.TypeArgument));
        Value rest = call.Args.Length > 2
            ? call.B.ToLong(call.Arg(2))
            : call.B.Emit(Op.Sub, IrType.I64, length, call.B.ToLong(call.Arg(1)));
        return IntrinsicCall.ViewOf(call.ReturnType, pointer, rest);
    }

    private static StackValue Cast(IntrinsicCall call)
    {
        (Value pointer, Value length) = call.View(0);
        int from = call.SizeOf(call.Method.DeclaringType!.GetGenericArguments()[0]), to = call.SizeOf(call.TypeArgument);
        Value bytes = call.B.Mul(length, call.Kernel.Long(from));
        return IntrinsicCall.ViewOf(call.ReturnType, pointer, from == to ? length : call.B.Emit(Op.DivU, IrType.I64, bytes, call.Kernel.Long(to)));
    }

    private static StackValue Allocate(IntrinsicCall call, Op op)
    {
        bool single = call.Args.Length == 0;
        Value length = single ? call.Kernel.Int(1) : call.Arg(0);
        Value pointer = call.B.Emit(op, IrType.Ptr, call.B.Mul(length, call.Kernel.Int(call.SizeOf(call.TypeArgument))));
        pointer.Space = op == Op.SharedAlloc ? AddressSpace.Shared : AddressSpace.Local;
        return single ? new Scalar(pointer) : IntrinsicCall.ViewOf(call.ReturnType, pointer, call.B.ToLong(length));
    }

    /// <summary>Its length is the launch's business; a kernel takes it as a parameter where it needs it.</summary>
    private static StackValue Dynamic(IntrinsicCall call)
    {
        Value pointer = call.B.Emit(Op.DynamicShared, IrType.Ptr);
        pointer.Space = AddressSpace.Shared;
        return IntrinsicCall.ViewOf(call.ReturnType, pointer, call.Kernel.Long(int.MaxValue));
    }

    private static StackValue Atomic(IntrinsicCall call, AtomicKind signed, AtomicKind unsigned)
    {
        var method = (MethodInfo)call.Method;
        Type type = method.GetParameters()[0].ParameterType.GetElementType()!;
        IrType element = TypeLayout.Of(type).Leaves[0].Type;
        bool isUnsigned = type == typeof(uint) || type == typeof(ulong);
        Value[] values = [.. Enumerable.Range(1, call.Args.Length - 1).Select(call.Arg)];
        AtomicKind kind = isUnsigned ? unsigned : signed;
        Value pointer = call.Address(0);
        Value old = element.IsFloat() && (kind is AtomicKind.Exchange or AtomicKind.CompareExchange)
            ? OnBits(call, kind, pointer, element, values)
            : call.B.EmitSub(Op.Atomic, (int)kind, element, [pointer, .. values]);
        return Translation.FromLeaves(method.ReturnType, [old]);
    }

    /// <summary>Exchanges move bits: floats go through the integers of their size.</summary>
    private static Value OnBits(IntrinsicCall call, AtomicKind kind, Value pointer, IrType element, Value[] values)
    {
        IrType bits = element == IrType.F32 ? IrType.I32 : IrType.I64;
        Value[] asBits = [.. values.Select(value => call.B.Emit(Op.Bits, bits, value))];
        return call.B.Emit(Op.Bits, element, call.B.EmitSub(Op.Atomic, (int)kind, bits, [pointer, .. asBits]));
    }

    private static StructValue LoadVector(IntrinsicCall call, IrType element, Op op = Op.Load)
    {
        Value load = call.Kernel.New(op, element, Element(call, 0, 1, ViewElementSize(call)));
        load.Sub = (int)element;
        load.Count = 4;
        call.B.Append(load);
        return new StructValue(call.ReturnType, [.. Enumerable.Range(0, 4).Select(i => call.B.Extract(load, i))]);
    }

    private static StackValue? StoreVector(IntrinsicCall call, IrType element)
    {
        Value[] leaves = ((StructValue)call.Args[2]).Leaves;
        Value store = call.Kernel.New(Op.Store, IrType.Void, [Element(call, 0, 1, ViewElementSize(call)), .. leaves.Select(leaf => leaf.Resolve())]);
        store.Sub = (int)element;
        store.Count = 4;
        call.B.Append(store);
        return null;
    }

    private static int ViewElementSize(IntrinsicCall call) =>
        call.SizeOf(call.Method.GetParameters()[0].ParameterType.GetGenericArguments()[0]);
}
