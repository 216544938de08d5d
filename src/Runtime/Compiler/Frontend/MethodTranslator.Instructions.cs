using System.Reflection.Emit;
using OllmNative.Runtime.Compiler.Il;
using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Frontend;

/// <summary>The instructions: constants, locals, stack, branches; the rest goes to the other parts.</summary>
internal sealed partial class MethodTranslator
{
    private void Translate(IlInstruction il)
    {
        string name = il.Code.Name!;
        if (name.StartsWith("ldc.i4", StringComparison.Ordinal)) Push(Kernel.Int(SmallConstant(il)));
        else if (!Locals(il, name) && !Flow(il, name) && !Arithmetic(il, name) && !Memory(il, name) && !Call(il, name)) throw _place.Error(Refusal(il));
    }

    private static int SmallConstant(IlInstruction il) => il.Operand is int given ? given : il.Code == OpCodes.Ldc_I4_M1 ? -1 : il.Code.Value - OpCodes.Ldc_I4_0.Value;

    private static string Refusal(IlInstruction il) => il.Code.Name switch
    {
        "throw" or "rethrow" => "throw is not part of the kernel language",
        "ldstr" => "strings are not part of the kernel language",
        "ldnull" => "null and classes are not part of the kernel language",
        "ldftn" or "ldvirtftn" => "delegates and lambdas are not part of the kernel language",
        "box" or "unbox" or "unbox.any" or "castclass" or "isinst" => "boxing and class casts are not part of the kernel language",
        "newarr" => "arrays other than local ones of a constant length are not part of the kernel language",
        "calli" => "calls through function pointers are not part of the kernel language",
        _ => $"the IL instruction '{il.Code.Name}' is not part of the kernel language",
    };

    private bool Locals(IlInstruction il, string name)
    {
        string[] parts = il.Parts;
        switch (parts[0])
        {
            case "ldarg": LoadArgument(Index(il, parts)); return true;
            case "ldarga": LoadArgumentAddress((int)il.Operand!); return true;
            case "starg": StoreArgument((int)il.Operand!); return true;
            case "ldloc": LoadLocal(Index(il, parts)); return true;
            case "stloc": StoreLocal(Index(il, parts), Pop()); return true;
            case "ldloca":
                Variable local = Local((int)il.Operand!);
                Push(new VariableRef(local, 0, local.Layout.Type));
                return true;
            case "ldc":
                Push(il.Operand switch { long l => Kernel.Long(l), float f => Kernel.Float(f), double d => Kernel.Double(d), _ => throw _place.Error(name) });
                return true;
            case "dup":
                Push(_stack[^1]);
                return true;
            case "pop":
                Pop();
                return true;
            case "nop" or "break" or "volatile" or "readonly" or "unaligned" or "tail":
                return true;
            case "ldtoken" when il.Operand is Type type:
                Push(new TypeValue(type));
                return true;
            case "ldstr":
                Push(new TextValue((string)il.Operand!));
                return true;
            default:
                return false;
        }
    }

    private static int Index(IlInstruction il, string[] parts) => il.Operand is int index ? index : parts[1][0] - '0';

    private void LoadArgument(int index) => Push(_argumentVariables[index] is { } variable ? _shared.Read(variable) : _arguments[index]!);

    private void LoadArgumentAddress(int index)
    {
        Variable variable = _argumentVariables[index] ?? throw _place.Error("the address of a reference argument");
        Push(new VariableRef(variable, 0, variable.Layout.Type));
    }

    private void StoreArgument(int index)
    {
        if (_argumentVariables[index] is not { } variable) throw _place.Error("a reference argument is assigned");
        _shared.Write(variable, Pop(), _place);
    }

    /// <summary>Locals are zero at each entry: also where the method was put into a loop, whose rounds before must not show.</summary>
    private Variable Local(int index)
    {
        if (_locals[index] is { } known) return known;
        var variable = new Variable(Layout(_graph.Locals[index]));
        foreach (Slot slot in variable.Slots)
            _shared.Variables.Write(_entry, slot, slot.Type == IrType.Ptr ? Kernel.Undefined(IrType.Ptr) : Kernel.Constant(slot.Type, 0));
        return _locals[index] = variable;
    }

    private void LoadLocal(int index) => Push(_boundLocals[index] ?? _shared.Read(Local(index)));

    private void StoreLocal(int index, StackValue value)
    {
        if (value is Scalar or StructValue)
        {
            if (_boundLocals[index] is not null) throw _place.Error("a reference local stands for a variable here and for memory there");
            _shared.Write(Local(index), value, _place);
            return;
        }
        if (_boundLocals[index] is { } bound && bound != value)
            throw _place.Error($"a local that is {Translation.Describe(bound)} is assigned again; use another local");
        _boundLocals[index] = value;
    }

    private bool Flow(IlInstruction il, string name)
    {
        switch (il.Parts[0])
        {
            case "br":
                Jump(_graph.ByOffset[(int)il.Operand!]);
                return true;
            case "brtrue" or "brfalse":
                Value condition = B.ToBool(PopValue());
                IlBlock taken = _graph.ByOffset[(int)il.Operand!], next = _graph.ByOffset[il.NextOffset];
                if (name.StartsWith("brtrue", StringComparison.Ordinal)) Branch(condition, taken, next);
                else Branch(condition, next, taken);
                return true;
            case "beq" or "bne" or "bge" or "bgt" or "ble" or "blt":
                Value right = PopValue(), left = PopValue();
                Branch(CompareOf(name[1..3] == "ne" ? "ne" : name[1..3], name.Contains(".un", StringComparison.Ordinal), left, right), _graph.ByOffset[(int)il.Operand!], _graph.ByOffset[il.NextOffset]);
                return true;
            case "switch":
                Switch(il);
                return true;
            case "ret":
                StackValue? result = _graph.Returns is null ? null : Pop();
                if (result is Scalar scalar && TypeLayout.Of(_graph.Returns!) is { IsScalar: true } layout)
                    result = scalar.Value.Type == IrType.Ptr ? scalar : new Scalar(_shared.Coerce(scalar.Value, layout.Leaves[0].Type, _place));
                _returns.Add((B.Block, result));
                return true;
            default:
                return false;
        }
    }

    private void Switch(IlInstruction il)
    {
        Value selector = PopValue();
        var targets = (int[])il.Operand!;
        for (int i = 0; i < targets.Length; i++)
        {
            Value hit = B.Compare(CompareKind.Eq, selector, Kernel.Int(i));
            if (hit.IsConst && hit.Bits == 0) continue;
            if (hit.IsConst)
            {
                Jump(_graph.ByOffset[targets[i]]);
                return;
            }
            Block next = Kernel.NewBlock();
            B.Block.BranchTo(hit, Enter(_graph.ByOffset[targets[i]]), next);
            _shared.Variables.Edge(B.Block, next);
            _shared.Variables.Seal(next);
            B.Block = next;
        }
        Jump(_graph.ByOffset[il.NextOffset]);
    }

    private Value CompareOf(string kind, bool unsigned, Value left, Value right)
    {
        (left, right) = Match(left, right);
        bool isFloat = left.Type.IsFloat();
        CompareKind compare = (kind, unsigned) switch
        {
            ("eq", _) => CompareKind.Eq,
            ("ne", _) => isFloat ? CompareKind.NeU : CompareKind.Ne,
            ("lt", false) => CompareKind.Lt,
            ("le", false) => CompareKind.Le,
            ("gt", false) => CompareKind.Gt,
            ("ge", false) => CompareKind.Ge,
            ("lt", true) => CompareKind.LtU,
            ("le", true) => CompareKind.LeU,
            ("gt", true) => CompareKind.GtU,
            _ => CompareKind.GeU,
        };
        return B.Compare(compare, left, right);
    }

    /// <summary>Two operands at the wider of their types, as IL's stack has them.</summary>
    private (Value, Value) Match(Value left, Value right)
    {
        if (left.Type == IrType.Ptr) left = B.Emit(Op.PtrToInt, IrType.I64, left);
        if (right.Type == IrType.Ptr) right = B.Emit(Op.PtrToInt, IrType.I64, right);
        if (left.Type == right.Type) return (left, right);
        return (left.Type, right.Type) switch
        {
            (IrType.I32, IrType.I64) => (B.ToLong(left), right),
            (IrType.I64, IrType.I32) => (left, B.ToLong(right)),
            (IrType.F32, IrType.F64) => (B.Emit(Op.FloatToFloat, IrType.F64, left), right),
            (IrType.F64, IrType.F32) => (left, B.Emit(Op.FloatToFloat, IrType.F64, right)),
            _ => throw _place.Error($"{left.Type.Text()} and {right.Type.Text()} in one operation"),
        };
    }
}
