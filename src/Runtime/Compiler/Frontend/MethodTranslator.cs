using System.Reflection;
using System.Reflection.Emit;
using OllmNative.Runtime.Compiler.Il;
using OllmNative.Runtime.Compiler.Ir;
using OllmNative.Runtime.Compiler.Library;

namespace OllmNative.Runtime.Compiler.Frontend;

/// <summary>
/// One method, translated into the kernel at the place of its call. The IL stack is followed symbolically; what lies on it at the end
/// of a block is handed over in variables. This file walks the blocks; the others translate instructions.
/// </summary>
internal sealed partial class MethodTranslator
{
    private readonly Translation _shared;
    private readonly MethodBase _method;
    private readonly IlGraph _graph;
    private readonly StackValue?[] _arguments;
    private readonly Variable?[] _argumentVariables;
    private readonly Variable?[] _locals;
    private readonly StackValue?[] _boundLocals;
    private readonly Dictionary<IlBlock, Block> _blocks = [];
    private readonly Dictionary<IlBlock, StackValue[]> _entryStacks = [];
    private readonly List<(Block Block, StackValue? Value)> _returns = [];
    private readonly List<StackValue> _stack = [];
    private Type? _constrained;
    private readonly IlPlace? _libraryCaller;
    private readonly Block _entry;
    private IlPlace _place;

    private MethodTranslator(Translation shared, MethodBase method, StackValue[] arguments, IlPlace caller)
    {
        _shared = shared;
        _method = method;
        // What goes wrong in the device library is the matter of the kernel that calls it.
        _libraryCaller = method.DeclaringType?.Namespace == typeof(DeviceLibrary).Namespace ? caller : null;
        _place = _libraryCaller ?? new IlPlace(method, 0);
        _graph = IlGraph.Of(method);
        _entry = shared.Builder.Block;
        _arguments = arguments;
        _argumentVariables = new Variable?[arguments.Length];
        _locals = new Variable?[_graph.Locals.Length];
        _boundLocals = new StackValue?[_graph.Locals.Length];
    }

    private IrBuilder B => _shared.Builder;

    private KernelIr Kernel => _shared.Kernel;

    /// <summary>Puts the method's code at the builder's place and returns what it returns.</summary>
    public static StackValue? Inline(Translation shared, MethodBase method, StackValue[] arguments, IlPlace caller)
    {
        if (shared.Path.Contains(method)) throw caller.Error($"{IlPlace.NameOf(method)} calls itself; recursion is not part of the kernel language");
        if (shared.Path.Count > 64) throw caller.Error("calls are nested more than 64 deep");
        shared.Path.Push(method);
        IlPlace? outer = shared.Builder.Place;
        StackValue? result = new MethodTranslator(shared, method, arguments, caller).Run();
        shared.Builder.Place = outer;
        shared.Path.Pop();
        return result;
    }

    private StackValue? Run()
    {
        CopyAssignedArguments();
        foreach (IlBlock il in _graph.Blocks)
        {
            bool isEntry = il == _graph.Blocks[0];
            if (!isEntry && !_blocks.ContainsKey(il)) continue; // nothing leads here: a branch on a constant went the other way
            if (isEntry && il.LastPredecessor < 0) _blocks[il] = B.Block;
            else if (isEntry) Jump(il);
            Translate(il);
            SealFinishedHeaders(il);
        }
        return JoinReturns();
    }

    private void CopyAssignedArguments()
    {
        foreach (int index in _graph.AssignedArguments)
        {
            if (_arguments[index] is not (Scalar or StructValue)) continue;
            var variable = new Variable(Layout(_graph.Arguments[index]));
            _shared.Write(variable, _arguments[index]!, _place);
            _argumentVariables[index] = variable;
        }
    }

    private void Translate(IlBlock il)
    {
        Block block = _blocks[il];
        if (!il.IsLoopHeader && block != B.Block) _shared.Variables.Seal(block);
        B.Block = block;
        _stack.Clear();
        if (_entryStacks.TryGetValue(il, out StackValue[]? entry))
            foreach (StackValue value in entry) _stack.Add(value is VariableRef { Start: -1 } spilled ? _shared.Read(spilled.Variable) : value);
        foreach (IlInstruction instruction in il.Code)
        {
            _place = _libraryCaller ?? new IlPlace(_method, instruction.Offset);
            B.Place = _place;
            Translate(instruction);
        }
        IlInstruction last = il.Code[^1];
        if (!last.EndsBlock && _graph.ByOffset.TryGetValue(last.NextOffset, out IlBlock? next)) Jump(next);
    }

    private void SealFinishedHeaders(IlBlock done)
    {
        foreach (IlBlock header in _graph.Blocks)
            if (header.IsLoopHeader && header.LastPredecessor == done.Order && _blocks.TryGetValue(header, out Block? block)) _shared.Variables.Seal(block);
    }

    private Block Enter(IlBlock target)
    {
        if (!_blocks.TryGetValue(target, out Block? block)) _blocks[target] = block = Kernel.NewBlock();
        _shared.Variables.Edge(B.Block, block);
        HandOverStack(target);
        return block;
    }

    private void Jump(IlBlock target) => B.Block.JumpTo(Enter(target));

    private void Branch(Value condition, IlBlock then, IlBlock otherwise)
    {
        condition = condition.Resolve();
        if (condition.IsConst || then == otherwise) Jump(condition.IsConst && condition.Bits == 0 ? otherwise : then);
        else B.Block.BranchTo(condition, Enter(then), Enter(otherwise));
    }

    /// <summary>What is on the stack goes into variables of the target block (start -1 marks them), references as they are.</summary>
    private void HandOverStack(IlBlock target)
    {
        if (_stack.Count == 0) return;
        if (!_entryStacks.TryGetValue(target, out StackValue[]? entry))
        {
            _entryStacks[target] = entry = [.. _stack.Select(value => value switch
            {
                Scalar scalar => new VariableRef(new Variable(TypeLayout.Of(StackType(scalar.Value))), -1, StackType(scalar.Value)),
                StructValue structure => new VariableRef(new Variable(TypeLayout.Of(structure.Type)), -1, structure.Type),
                _ => value,
            })];
        }
        for (int i = 0; i < entry.Length; i++)
        {
            if (entry[i] is VariableRef { Start: -1 } spilled) _shared.Write(spilled.Variable, _stack[i], _place);
            else if (entry[i] != _stack[i]) throw _place.Error($"{Translation.Describe(_stack[i])} depends on a branch; choose between values, not references");
        }
    }

    private static Type StackType(Value value) => value.Type switch
    {
        IrType.I64 => typeof(long),
        IrType.F32 => typeof(float),
        IrType.F64 => typeof(double),
        IrType.Ptr => typeof(void*),
        _ => typeof(int),
    };

    private StackValue? JoinReturns()
    {
        if (_returns.Count == 0) throw new IlPlace(_method, 0).Error("the method never returns");
        if (_returns.Count == 1)
        {
            B.Block = _returns[0].Block;
            return _returns[0].Value;
        }
        Type? type = _graph.Returns;
        if (type is not null && _returns[0].Value is not (Scalar or StructValue))
        {
            if (_returns.Any(value => value.Value != _returns[0].Value)) throw _place.Error("which variable a reference stands for depends on a branch");
            type = null;
        }
        Variable? result = type is null ? null : new Variable(Layout(type));
        Block join = Kernel.NewBlock();
        foreach ((Block block, StackValue? value) in _returns)
        {
            B.Block = block;
            if (result is not null) _shared.Write(result, value!, _place);
            block.JumpTo(join);
            _shared.Variables.Edge(block, join);
        }
        _shared.Variables.Seal(join);
        B.Block = join;
        return result is null ? _returns[0].Value : _shared.Read(result);
    }

    private TypeLayout Layout(Type type)
    {
        TypeLayout layout = TypeLayout.Of(type);
        return layout.Refusal is { } refusal ? throw _place.Error(refusal) : layout;
    }

    private void Push(StackValue value) => _stack.Add(value);

    private void Push(Value value) => _stack.Add(new Scalar(value.Type == IrType.I1 ? B.Emit(Op.ZeroExtend, IrType.I32, value) : value));

    private StackValue Pop()
    {
        StackValue top = _stack[^1];
        _stack.RemoveAt(_stack.Count - 1);
        return top;
    }

    private Value PopValue() => ValueOf(Pop());

    private Value ValueOf(StackValue value) => value switch
    {
        Scalar scalar => scalar.Value.Resolve(),
        StructValue { Leaves.Length: 1 } structure => structure.Leaves[0].Resolve(),
        _ => throw _place.Error($"{Translation.Describe(value)} is used as a number or an address"),
    };
}
