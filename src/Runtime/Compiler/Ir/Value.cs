using OllmNative.Runtime.Compiler.Il;

namespace OllmNative.Runtime.Compiler.Ir;

/// <summary>One SSA value, which is also the instruction that makes it.</summary>
internal sealed class Value
{
    public Value(int id, Op op, IrType type, params Value[] args)
    {
        Id = id;
        Op = op;
        Type = type;
        Args = args;
    }

    public int Id { get; }
    public Op Op { get; set; }
    public IrType Type { get; set; }
    public Value[] Args { get; set; }

    /// <summary>A constant's bits, an access's byte offset, an element number, a parameter's index.</summary>
    public long Bits { get; set; }

    /// <summary>The op's variant; see <see cref="Ir.Op"/>.</summary>
    public int Sub { get; set; }

    /// <summary>Number of results; with more than one they are read through Extract.</summary>
    public int Count { get; set; } = 1;

    /// <summary>Of a Ptr: where it points, once known.</summary>
    public AddressSpace Space { get; set; }

    /// <summary>Of a phi: the predecessor that each operand comes from.</summary>
    public Block[] Incoming { get; set; } = [];

    public IlPlace? Place { get; set; }

    /// <summary>Set when another value took this one's place.</summary>
    public Value? Forward { get; set; }

    /// <summary>Scratch of a pass, null between passes: its copy, or the next in a chain.</summary>
    public Value? Link { get; set; }

    /// <summary>The block that it is in, after <see cref="KernelIr.FindHomes"/>; of a value outside blocks null.</summary>
    public Block? Home { get; set; }

    /// <summary>Scratch of the passes: equal to <see cref="KernelIr.NewMark"/> once a pass has been here.</summary>
    public int Mark { get; set; }

    public bool IsConst => Op == Op.Const;

    public CompareKind Compare => (CompareKind)Sub;

    public IrType Memory => (IrType)Sub;

    /// <summary>The value that now stands for this one.</summary>
    public Value Resolve()
    {
        Value at = this;
        while (at.Forward is { } next) at = next;
        return at;
    }

    public bool IsConstant(long bits) => IsConst && Bits == bits;

    public float AsFloat => BitConverter.Int32BitsToSingle((int)Bits);

    public double AsDouble => BitConverter.Int64BitsToDouble(Bits);
}
