using System.Reflection;
using OllmNative.Runtime.Compiler.Il;
using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Frontend;

/// <summary>Fields, references, local arrays.</summary>
internal sealed partial class MethodTranslator
{
    private bool Memory(IlInstruction il, string name)
    {
        switch (name)
        {
            case "ldfld": LoadField((FieldInfo)il.Operand!); return true;
            case "ldflda": LoadFieldAddress((FieldInfo)il.Operand!); return true;
            case "stfld": StoreField((FieldInfo)il.Operand!); return true;
            case "ldsfld": LoadStaticField((FieldInfo)il.Operand!); return true;
            case "stsfld": throw _place.Error($"static field {il.Operand} is written; kernels have no static state");
            case "ldsflda": LoadStaticFieldAddress((FieldInfo)il.Operand!); return true;
            case "ldobj": Push(LoadFrom(Pop(), (Type)il.Operand!)); return true;
            case "stobj":
                StackValue stored = Pop();
                StoreTo(Pop(), (Type)il.Operand!, stored);
                return true;
            case "cpobj":
                StackValue source = Pop();
                StoreTo(Pop(), (Type)il.Operand!, LoadFrom(source, (Type)il.Operand!));
                return true;
            case "initobj": StoreTo(Pop(), (Type)il.Operand!, _shared.Zero(Layout((Type)il.Operand!).Type)); return true;
            case "sizeof": Push(Kernel.Int(Layout((Type)il.Operand!).Size)); return true;
            case "newarr": NewArray((Type)il.Operand!); return true;
            case "ldlen": Push(B.ToLong(PopArray().Length)); return true;
            case "localloc": Push(AllocateLocal(B.ToInt(PopValue()))); return true;
            default: return Indirect(il);
        }
    }

    private bool Indirect(IlInstruction il)
    {
        string[] parts = il.Parts;
        Type? type = il.Operand as Type ?? (parts.Length > 1 ? ElementType(parts[1]) : null);
        switch (parts[0])
        {
            case "ldind": Push(LoadFrom(Pop(), type!)); return true;
            case "stind":
                StackValue stored = Pop();
                StoreTo(Pop(), type!, stored);
                return true;
            case "ldelem": Push(LoadFrom(ElementRef(PopIndex()), type!)); return true;
            case "ldelema": Push(ElementRef(PopIndex())); return true;
            case "stelem":
                StackValue element = Pop();
                StoreTo(ElementRef(PopIndex()), type!, element);
                return true;
            default: return false;
        }
    }

    private Type ElementType(string suffix) => suffix switch
    {
        "i1" => typeof(sbyte),
        "u1" => typeof(byte),
        "i2" => typeof(short),
        "u2" => typeof(ushort),
        "i4" or "u4" => typeof(int),
        "i8" or "i" => typeof(long),
        "r4" => typeof(float),
        "r8" => typeof(double),
        _ => throw _place.Error("references to objects are not part of the kernel language"),
    };

    private Value PopIndex() => PopValue();

    private LocalArray PopArray() => Pop() as LocalArray ?? throw _place.Error("an array that is not a local one");

    private Scalar ElementRef(Value index)
    {
        LocalArray array = PopArray();
        return new Scalar(B.ElementAddress(array.Pointer, index, Layout(array.Element).Size));
    }

    private void NewArray(Type element)
    {
        Value length = B.ToInt(PopValue());
        Value pointer = AllocateLocal(B.Mul(length, Kernel.Int(Layout(element).Size)));
        if (!length.IsConst || length.Bits > 4096) throw _place.Error("an array's length must be a constant (at most 4096); use LocalMemory.Allocate with a SpecializedValue");
        for (int i = 0; i < length.Bits; i++) // C#'s new arrays are zero; stores that nobody needs go away with the array
            StoreTo(new Scalar(B.PtrAdd(pointer, Kernel.Long((long)i * Layout(element).Size)), IsField: true), element, _shared.Zero(element));
        Push(new LocalArray(pointer, element, length));
    }

    private Value AllocateLocal(Value bytes)
    {
        Value pointer = B.Emit(Op.LocalAlloc, IrType.Ptr, bytes);
        pointer.Space = AddressSpace.Local;
        return pointer;
    }

    private void LoadField(FieldInfo field)
    {
        StackValue from = Pop();
        if (from is not StructValue structure)
        {
            Push(LoadFrom(FieldRef(from, field), field.FieldType));
            return;
        }
        FieldPlace place = Layout(field.DeclaringType!).Field(field, _place);
        Push(Translation.FromLeaves(place.Type, structure.Leaves[place.Start..(place.Start + place.Count)]));
    }

    private void LoadFieldAddress(FieldInfo field) => Push(FieldRef(Pop(), field));

    private void StoreField(FieldInfo field)
    {
        StackValue value = Pop();
        StoreTo(FieldRef(Pop(), field), field.FieldType, value);
    }

    private StackValue FieldRef(StackValue from, FieldInfo field)
    {
        TypeLayout layout = field.DeclaringType!.IsValueType ? Layout(field.DeclaringType) : throw _place.Error($"field {field.Name} of the class {IlPlace.NameOf(field.DeclaringType)}");
        FieldPlace place = layout.Field(field, _place);
        return from switch
        {
            VariableRef variable => new VariableRef(variable.Variable, variable.Start + place.Start, place.Type),
            Scalar { Value.Type: IrType.Ptr } pointer => new Scalar(B.PtrAdd(pointer.Value, Kernel.Long(place.Offset)), IsField: true),
            _ => throw _place.Error($"field {field.Name} of {Translation.Describe(from)}"),
        };
    }

    private void LoadStaticField(FieldInfo field)
    {
        if (field.FieldType.IsSubclassOf(typeof(Delegate))) throw _place.Error("delegates and lambdas are not part of the kernel language");
        if (!field.IsInitOnly && !field.IsLiteral) throw _place.Error($"static field {IlPlace.NameOf(field.DeclaringType!)}.{field.Name} can change; make it readonly or const, or pass it as a parameter");
        TypeLayout layout = Layout(field.FieldType);
        object value = field.GetValue(null)!;
        Push(Translation.FromLeaves(layout.Type, _shared.Constants(value, _place)));
    }

    /// <summary>A readonly field cannot change: a variable of the same value does for it.</summary>
    private void LoadStaticFieldAddress(FieldInfo field)
    {
        LoadStaticField(field);
        var copy = new Variable(Layout(field.FieldType));
        _shared.Write(copy, Pop(), _place);
        Push(new VariableRef(copy, 0, field.FieldType));
    }

    internal StackValue LoadFrom(StackValue reference, Type type)
    {
        TypeLayout layout = Layout(type);
        if (reference is VariableRef variable)
        {
            // A reference to an Index1D read as the int in it, and the like: the scalars decide.
            int count = variable.Variable.Slots.Length - variable.Start;
            if (layout.Leaves.Count > count) throw _place.Error($"{Translation.Describe(reference)} is read as a {IlPlace.NameOf(type)}");
            StackValue value = _shared.Read(variable.Variable, variable.Start, type);
            return layout.IsScalar ? new Scalar(ReadAs(((Scalar)value).Value, layout.Leaves[0].Type)) : value;
        }
        Value pointer = Address(reference);
        if (IsVector(layout, reference)) return LoadVector(pointer, layout);
        return Translation.FromLeaves(type, [.. layout.Leaves.Select(leaf => LoadLeaf(pointer, leaf))]);
    }

    private Value ReadAs(Value value, IrType memory) => value.Type == memory.InRegister() ? value : throw _place.Error($"a variable of {value.Type.Text()} is read as {memory.Text()}; use Interop's bit casts");

    private Value LoadLeaf(Value pointer, Leaf leaf) =>
        leaf.Type == IrType.Ptr ? throw _place.Error("a view or pointer inside memory; views are parameters or made from them") : B.Load(pointer, leaf.Type, leaf.Offset);

    internal void StoreTo(StackValue reference, Type type, StackValue value)
    {
        TypeLayout layout = Layout(type);
        if (reference is VariableRef variable)
        {
            _shared.Write(variable.Variable, variable.Start, layout.Leaves.Count == 1 ? variable.Type : type, value, _place);
            return;
        }
        Value pointer = Address(reference);
        Value[] leaves = Translation.Leaves(value, type, _place);
        if (IsVector(layout, reference))
        {
            StoreVector(pointer, layout, leaves);
            return;
        }
        for (int i = 0; i < leaves.Length; i++)
        {
            if (layout.Leaves[i].Type == IrType.Ptr) throw _place.Error("a view or pointer stored in memory; views are parameters or made from them");
            B.Store(pointer, AsStored(leaves[i], layout.Leaves[i].Type), layout.Leaves[i].Type, layout.Leaves[i].Offset);
        }
    }

    /// <summary>
    /// Two or four equal 32-bit fields, as an element of a view, move in one access: elements of a view lie on multiples of their size,
    /// which a view cast to a larger element type must respect.
    /// </summary>
    private static bool IsVector(TypeLayout layout, StackValue reference) =>
        reference is Scalar { IsField: false } && (layout.Leaves.Count is 2 or 4) && (layout.Leaves[0].Type is IrType.I32 or IrType.F32)
        && layout.Size == 4 * layout.Leaves.Count && layout.Leaves.TrueForAll(leaf => leaf.Type == layout.Leaves[0].Type) && layout.Leaves[1].Offset == 4;

    private StructValue LoadVector(Value pointer, TypeLayout layout)
    {
        Value load = Kernel.New(Op.Load, layout.Leaves[0].Type, pointer);
        (load.Sub, load.Count) = ((int)layout.Leaves[0].Type, layout.Leaves.Count);
        B.Append(load);
        return new StructValue(layout.Type, [.. Enumerable.Range(0, load.Count).Select(i => B.Extract(load, i))]);
    }

    private void StoreVector(Value pointer, TypeLayout layout, Value[] leaves)
    {
        Value store = Kernel.New(Op.Store, IrType.Void, [pointer, .. leaves]);
        (store.Sub, store.Count) = ((int)layout.Leaves[0].Type, layout.Leaves.Count);
        B.Append(store);
    }

    /// <summary>Stores cut by themselves; only the register type must fit.</summary>
    private Value AsStored(Value value, IrType memory) => value.Type == memory.InRegister() ? value : _shared.Coerce(value, memory.InRegister(), _place);

    private Value Address(StackValue reference) => reference is Scalar { Value: var value } && value.Resolve().Type == IrType.Ptr
        ? value.Resolve()
        : throw _place.Error($"{Translation.Describe(reference)} is used as an address");
}
