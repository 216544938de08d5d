using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Tests.Ptx;

/// <summary>A kernel that a test writes instruction by instruction, and the text of it before and after a pass.</summary>
public abstract class HandWrittenIr
{
    private protected KernelIr Kernel { get; } = new("t");

    private protected Value Put(Block block, Op op, IrType type, params Value[] args)
    {
        Value value = Kernel.New(op, type, args);
        block.Body.Add(value);
        return value;
    }

    private protected Value Compare(Block block, CompareKind kind, Value a, Value b)
    {
        Value value = Put(block, Op.Compare, IrType.I1, a, b);
        value.Sub = (int)kind;
        return value;
    }

    /// <summary>A phi; a source without a value gets it later.</summary>
    private protected Value Phi(Block block, IrType type, params (Block From, Value? Value)[] sources)
    {
        Value phi = Kernel.New(Op.Phi, type, [.. sources.Select(source => source.Value ?? Kernel.Undefined(type))]);
        phi.Incoming = [.. sources.Select(source => source.From)];
        block.Phis.Add(phi);
        return phi;
    }

    private protected Value Load(Block block, Value address, int offset)
    {
        Value load = Put(block, Op.Load, IrType.I32, address);
        (load.Sub, load.Bits) = ((int)IrType.I32, offset);
        return load;
    }

    private protected void Store(Block block, Value value, Value address, int offset)
    {
        Value store = Put(block, Op.Store, IrType.Void, address, value);
        (store.Sub, store.Bits) = ((int)IrType.I32, offset);
    }

    /// <summary>for (i = 0; i &lt; limit; i++) around an empty body.</summary>
    private protected (Block Header, Block Body, Block Exit, Value Index) Loop(Value limit)
    {
        Block entry = Kernel.NewBlock(), header = Kernel.NewBlock(), body = Kernel.NewBlock(), exit = Kernel.NewBlock();
        entry.JumpTo(header);
        Value index = Phi(header, IrType.I32, (entry, Kernel.Int(0)), (body, null));
        index.Args[1] = Put(body, Op.Add, IrType.I32, index, Kernel.Int(1));
        header.BranchTo(Compare(header, CompareKind.Lt, index, limit), body, exit);
        body.JumpTo(header);
        ControlFlow.Analyse(Kernel);
        return (header, body, exit, index);
    }

    private protected void Check(string before, Func<KernelIr, bool> pass, string after)
    {
        Assert.Equal(before.ReplaceLineEndings("\n"), Text());
        Assert.True(pass(Kernel));
        Assert.Equal(after.ReplaceLineEndings("\n"), Text());
    }

    private protected string Text() => string.Join('\n', IrPrinter.Print(Kernel).TrimEnd().Split('\n').Skip(1));
}
