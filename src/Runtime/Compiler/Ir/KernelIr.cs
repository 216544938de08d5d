namespace OllmNative.Runtime.Compiler.Ir;

/// <summary>A scalar of the compiled entry point: a view is two (address, length), a struct one for each of its leaves.</summary>
/// <param name="Name">Parameter name with the path to the leaf.</param>
/// <param name="Type">Its type in parameter memory.</param>
internal sealed record IrParameter(string Name, IrType Type);

/// <summary>One kernel: its scalar parameters and its blocks, the first of which is the entry.</summary>
internal sealed class KernelIr(string name)
{
    private readonly Dictionary<(IrType, long), Value> _constants = [];
    private readonly Dictionary<int, Value> _specials = [];
    private readonly Dictionary<IrType, Value> _undefined = [];
    private int _nextBlock;
    private int _marks;

    public string Name { get; } = name;
    public List<IrParameter> Parameters { get; } = [];
    public List<Value> ParameterValues { get; } = [];
    public List<Block> Blocks { get; set; } = [];
    public Block Entry => Blocks[0];
    public int ValueCount { get; private set; }

    /// <summary>A number that no value's mark has yet.</summary>
    public int NewMark() => ++_marks;

    public Block NewBlock()
    {
        var block = new Block(_nextBlock++);
        Blocks.Add(block);
        return block;
    }

    public Value New(Op op, IrType type, params Value[] args) => new(ValueCount++, op, type, args);

    public Value Constant(IrType type, long bits)
    {
        long normal = Normal(type, bits);
        if (!_constants.TryGetValue((type, normal), out Value? value))
            _constants[(type, normal)] = value = new Value(ValueCount++, Op.Const, type) { Bits = normal };
        return value;
    }

    public Value Int(int value) => Constant(IrType.I32, value);

    public Value Long(long value) => Constant(IrType.I64, value);

    public Value Bool(bool value) => Constant(IrType.I1, value ? 1 : 0);

    public Value Float(float value) => Constant(IrType.F32, BitConverter.SingleToInt32Bits(value));

    public Value Double(double value) => Constant(IrType.F64, BitConverter.DoubleToInt64Bits(value));

    public Value Undefined(IrType type)
    {
        if (!_undefined.TryGetValue(type, out Value? value)) _undefined[type] = value = new Value(ValueCount++, Op.Undefined, type);
        return value;
    }

    public Value Special(SpecialRegister register)
    {
        if (!_specials.TryGetValue((int)register, out Value? value))
            _specials[(int)register] = value = new Value(ValueCount++, Op.Special, IrType.I32) { Sub = (int)register };
        return value;
    }

    public Value AddParameter(string name, IrType type)
    {
        var value = new Value(ValueCount++, Op.Param, type.InRegister()) { Bits = Parameters.Count, Sub = (int)type };
        if (type == IrType.Ptr) value.Space = AddressSpace.Global;
        if (type == IrType.Map) value.Space = AddressSpace.Generic;
        Parameters.Add(new IrParameter(name, type));
        ParameterValues.Add(value);
        return value;
    }

    /// <summary>Every operand read through the replacements made so far.</summary>
    public void ResolveOperands()
    {
        foreach (Block block in Blocks)
        {
            foreach (Value phi in block.Phis) ResolveArgs(phi);
            foreach (Value value in block.Body) ResolveArgs(value);
            block.Condition = block.Condition?.Resolve();
        }
    }

    /// <summary>Tells each value which block it is in.</summary>
    public void FindHomes()
    {
        foreach (Block block in Blocks)
        {
            foreach (Value phi in block.Phis) phi.Home = block;
            foreach (Value value in block.Body) value.Home = block;
        }
    }

    private static void ResolveArgs(Value value)
    {
        for (int i = 0; i < value.Args.Length; i++) value.Args[i] = value.Args[i].Resolve();
    }

    /// <summary>32-bit patterns are kept sign-extended so that equal constants are one value.</summary>
    private static long Normal(IrType type, long bits) => type switch
    {
        IrType.I1 => bits & 1,
        IrType.I32 or IrType.F32 => (int)bits,
        _ => bits,
    };
}
