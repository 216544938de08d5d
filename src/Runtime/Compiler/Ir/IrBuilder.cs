using OllmNative.Runtime.Compiler.Il;
using OllmNative.Runtime.Compiler.Passes;

namespace OllmNative.Runtime.Compiler.Ir;

/// <summary>Appends instructions to a block, simplifying each as it comes.</summary>
internal sealed class IrBuilder(KernelIr kernel)
{
    public KernelIr Kernel { get; } = kernel;

    /// <summary>Where instructions go.</summary>
    public Block Block { get; set; } = null!;

    /// <summary>The source of what is being translated.</summary>
    public IlPlace? Place { get; set; }

    public Value Emit(Op op, IrType type, params Value[] args) => Append(Kernel.New(op, type, args));

    public Value EmitSub(Op op, int sub, IrType type, params Value[] args)
    {
        Value value = Kernel.New(op, type, args);
        value.Sub = sub;
        return Append(value);
    }

    public Value Append(Value value)
    {
        value.Place = Place;
        for (int i = 0; i < value.Args.Length; i++) value.Args[i] = value.Args[i].Resolve();
        if (Simplifier.Simplify(Kernel, value) is { } simpler) return simpler;
        Block.Body.Add(value);
        return value;
    }

    public Value Load(Value pointer, IrType memory, int offset)
    {
        Value load = Kernel.New(Op.Load, memory.InRegister(), pointer);
        load.Sub = (int)memory;
        load.Bits = offset;
        return Append(load);
    }

    public void Store(Value pointer, Value value, IrType memory, int offset)
    {
        Value store = Kernel.New(Op.Store, IrType.Void, pointer, value);
        store.Sub = (int)memory;
        store.Bits = offset;
        Append(store);
    }

    public Value Add(Value a, Value b) => Emit(Op.Add, a.Type, a, b);

    public Value Mul(Value a, Value b) => Emit(Op.Mul, a.Type, a, b);

    public Value Compare(CompareKind kind, Value a, Value b) => EmitSub(Op.Compare, (int)kind, IrType.I1, a, b);

    public Value Select(Value condition, Value then, Value otherwise) => Emit(Op.Select, then.Type, condition, then, otherwise);

    public Value Extract(Value tuple, int index)
    {
        Value extract = Kernel.New(Op.Extract, tuple.Type, tuple);
        extract.Bits = index;
        return Append(extract);
    }

    /// <summary>An I32 or I64 as I64.</summary>
    public Value ToLong(Value value, bool signed = true) =>
        value.Type == IrType.I64 ? value : Emit(signed ? Op.SignExtend : Op.ZeroExtend, IrType.I64, value);

    /// <summary>An I32 or I64 as I32.</summary>
    public Value ToInt(Value value) => value.Type switch
    {
        IrType.I64 => Emit(Op.Cut, IrType.I32, value),
        IrType.I1 => Emit(Op.ZeroExtend, IrType.I32, value),
        _ => value,
    };

    public Value ToBool(Value value) =>
        value.Type == IrType.I1 ? value : Compare(CompareKind.Ne, value, Kernel.Constant(value.Type == IrType.Ptr ? IrType.I64 : value.Type, 0));

    public Value PtrAdd(Value pointer, Value bytes)
    {
        Value sum = Kernel.New(Op.PtrAdd, IrType.Ptr, pointer, ToLong(bytes));
        sum.Space = pointer.Space;
        return Append(sum);
    }

    /// <summary>The address of element <paramref name="index"/> (I32 or I64) of elements of <paramref name="size"/> bytes.</summary>
    public Value ElementAddress(Value pointer, Value index, int size)
    {
        Value current = index;
        long fixedBytes = 0;
        // An int index does not overflow where it addresses memory, so constants can move into the access's offset.
        if (current is { Op: Op.Add, Type: IrType.I32 } && current.Args[1].IsConst)
        {
            fixedBytes = current.Args[1].Bits * size;
            current = current.Args[0];
        }
        Value bytes = Mul(ToLong(current), Kernel.Long(size));
        return PtrAdd(PtrAdd(pointer, bytes), Kernel.Long(fixedBytes));
    }
}
