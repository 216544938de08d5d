using OllmNative.Runtime.Compiler.Ir;
using OllmNative.Runtime.Compiler.Passes;

namespace OllmNative.Tests.Ptx;

/// <summary>Each pass on IR written by hand: the text before and after.</summary>
public sealed class PassTests
{
    private readonly KernelIr _kernel = new("t");
    private readonly Value _x, _y, _out;

    public PassTests()
    {
        _x = _kernel.AddParameter("x", IrType.I32);
        _y = _kernel.AddParameter("y", IrType.I32);
        _out = _kernel.AddParameter("out", IrType.Ptr);
    }

    [Fact]
    public void Simplification_PowersOfTwoAndZeros_BecomeShiftsAndNothing()
    {
        Block b = _kernel.NewBlock();
        Value product = Put(b, Op.Mul, IrType.I32, _x, _kernel.Int(8));
        Value sum = Put(b, Op.Add, IrType.I32, product, _kernel.Int(0));
        Value folded = Put(b, Op.Mul, IrType.I32, _kernel.Int(6), _kernel.Int(7));
        Store(b, Put(b, Op.Add, IrType.I32, sum, folded), 0);
        Check("""
            b0:
              %0 = mul i32 x, 8
              %1 = add i32 %0, 0
              %2 = mul i32 6, 7
              %3 = add i32 %1, %2
              store.global.i32 out, %3
              return
            """, () => Simplification.Run(_kernel), """
            b0:
              %0 = shl i32 x, 3
              %1 = add i32 %0, 42
              store.global.i32 out, %1
              return
            """);
    }

    [Fact]
    public void Simplification_ConstantAddressParts_MoveIntoTheOffset()
    {
        Block b = _kernel.NewBlock();
        Value address = Put(b, Op.PtrAdd, IrType.Ptr, _out, _kernel.Long(12));
        address.Space = AddressSpace.Global;
        Store(b, _x, 4, address);
        Check("""
            b0:
              %0 = ptradd ptr out, 12
              store.global.i32 %0, x + 4
              return
            """, () => Simplification.Run(_kernel) | DeadCode.Run(_kernel), """
            b0:
              store.global.i32 out, x + 16
              return
            """);
    }

    [Fact]
    public void DeadCode_UnreadResults_AreDropped()
    {
        Block b = _kernel.NewBlock();
        Value unread = Put(b, Op.Add, IrType.I32, _x, _y);
        Put(b, Op.Mul, IrType.I32, unread, _y);
        Store(b, _x, 0);
        Check("""
            b0:
              %0 = add i32 x, y
              %1 = mul i32 %0, y
              store.global.i32 out, x
              return
            """, () => DeadCode.Run(_kernel), """
            b0:
              store.global.i32 out, x
              return
            """);
    }

    [Fact]
    public void CommonSubexpressions_SameSumTwice_IsComputedOnce()
    {
        Block b = _kernel.NewBlock();
        Value first = Put(b, Op.Add, IrType.I32, _x, _y), second = Put(b, Op.Add, IrType.I32, _y, _x);
        Store(b, Put(b, Op.Xor, IrType.I32, first, second), 0);
        Check("""
            b0:
              %0 = add i32 x, y
              %1 = add i32 y, x
              %2 = xor i32 %0, %1
              store.global.i32 out, %2
              return
            """, () => CommonSubexpressions.Run(_kernel), """
            b0:
              %0 = add i32 x, y
              %1 = xor i32 %0, %0
              store.global.i32 out, %1
              return
            """);
    }

    [Fact]
    public void Branches_OnAConstant_LeaveOneWay()
    {
        Block entry = _kernel.NewBlock(), then = _kernel.NewBlock(), otherwise = _kernel.NewBlock(), join = _kernel.NewBlock();
        entry.BranchTo(_kernel.Bool(false), then, otherwise);
        then.JumpTo(join);
        otherwise.JumpTo(join);
        Store(then, _x, 4);
        Store(otherwise, _y, 8);
        Value phi = Phi(join, IrType.I32, (then, _x), (otherwise, _y));
        Store(join, phi, 0);
        Check("""
            b0:
              branch false, b1, b2
            b1:
              store.global.i32 out, x + 4
              jump b3
            b2:
              store.global.i32 out, y + 8
              jump b3
            b3:
              %0 = phi i32 b1: x, b2: y
              store.global.i32 out, %0
              return
            """, () => Branches.Run(_kernel), """
            b0:
              store.global.i32 out, y + 8
              store.global.i32 out, y
              return
            """);
    }

    [Fact]
    public void Phis_OfOneValueAndThemselves_GoAway()
    {
        (Block header, Block body, Block exit, Value index) = Loop(_y);
        Value same = Phi(header, IrType.I32, (_kernel.Entry, _x), (body, null));
        same.Args[1] = same;
        Store(exit, same, 0);
        Phis.Run(_kernel);
        Assert.DoesNotContain(same, header.Phis);
        Assert.Contains(index, header.Phis);
        Assert.Equal(_x, exit.Body[0].Args[1]);
    }

    [Fact]
    public void Unrolling_ThreeRounds_AreWrittenOut()
    {
        (_, Block body, _, Value index) = Loop(_kernel.Int(3));
        Value offset = Put(body, Op.MulWide, IrType.I64, index, _kernel.Int(4)), address = Put(body, Op.PtrAdd, IrType.Ptr, _out, offset);
        address.Space = AddressSpace.Global;
        Store(body, index, 0, address);
        Check("""
            b0:
              jump b1
            b1:
              %0 = phi i32 b0: 0, b2: %1
              %2 = compare.lt i1 %0, 3
              branch %2, b2, b3
            b2:
              %1 = add i32 %0, 1
              %3 = mulwide i64 %0, 4
              %4 = ptradd ptr out, %3
              store.global.i32 %4, %0
              jump b1
            b3:
              return
            """, () => Unrolling.Run(_kernel), """
            b0:
              store.global.i32 out, 0
              store.global.i32 out, 1 + 4
              store.global.i32 out, 2 + 8
              return
            """);
    }

    [Fact]
    public void Unrolling_UnknownNumberOfRounds_LeavesTheLoop()
    {
        Loop(_y);
        Assert.False(Unrolling.Run(_kernel));
    }

    [Fact]
    public void LocalArrays_ConstantPlaces_BecomeRegisters()
    {
        Block b = _kernel.NewBlock();
        Value array = Put(b, Op.LocalAlloc, IrType.Ptr, _kernel.Int(8));
        array.Space = AddressSpace.Local;
        Store(b, _x, 0, array);
        Store(b, _y, 4, array);
        Value load = Put(b, Op.Load, IrType.I32, array);
        (load.Sub, load.Bits) = ((int)IrType.I32, 4);
        Store(b, load, 0);
        Check("""
            b0:
              %0 = localalloc ptr 8
              store.local.i32 %0, x
              store.local.i32 %0, y + 4
              %1 = load.local.i32 i32 %0 + 4
              store.global.i32 out, %1
              return
            """, () => LocalArrays.Run(_kernel), """
            b0:
              store.global.i32 out, y
              return
            """);
    }

    [Fact]
    public void LocalArrays_RuntimeIndex_StayInMemory()
    {
        Block b = _kernel.NewBlock();
        Value array = Put(b, Op.LocalAlloc, IrType.Ptr, _kernel.Int(8));
        Value cell = Put(b, Op.PtrAdd, IrType.Ptr, array, Put(b, Op.MulWide, IrType.I64, _x, _kernel.Int(4)));
        Store(b, _y, 0, cell);
        ControlFlow.Analyse(_kernel);
        Assert.False(LocalArrays.Run(_kernel));
    }

    [Fact]
    public void MultiplyAdd_ProductReadOnce_IsFused()
    {
        Value f = _kernel.AddParameter("f", IrType.F32), g = _kernel.AddParameter("g", IrType.F32);
        Block b = _kernel.NewBlock();
        Value product = Put(b, Op.Mul, IrType.F32, f, g);
        Value difference = Put(b, Op.Sub, IrType.F32, g, product);
        Value store = _kernel.New(Op.Store, IrType.Void, _out, difference);
        store.Sub = (int)IrType.F32;
        b.Body.Add(store);
        Check("""
            b0:
              %0 = mul f32 f, g
              %1 = sub f32 g, %0
              store.global.f32 out, %1
              return
            """, () => MultiplyAdd.Run(_kernel) && DeadCode.Run(_kernel), """
            b0:
              %0 = neg f32 f
              %1 = fma f32 %0, g, g
              store.global.f32 out, %1
              return
            """);
    }

    [Fact]
    public void AddressSpaces_SharedOrGlobal_BecomesGeneric()
    {
        Block entry = _kernel.NewBlock(), other = _kernel.NewBlock(), join = _kernel.NewBlock();
        Value shared = Put(entry, Op.SharedAlloc, IrType.Ptr, _kernel.Int(64));
        shared.Space = AddressSpace.Shared;
        entry.BranchTo(Compare(entry, CompareKind.Lt, _x, _y), other, join);
        other.JumpTo(join);
        Value phi = Phi(join, IrType.Ptr, (entry, shared), (other, _out));
        Store(join, _x, 0, phi);
        AddressSpaces.Run(_kernel);
        Assert.Equal(AddressSpace.Generic, phi.Space);
        Assert.All(phi.Args, arg => Assert.Equal(Op.ToGeneric, arg.Op));
    }

    [Fact]
    public void LoopLayout_ConditionToLeave_BecomesConditionToStay()
    {
        (Block header, Block body, Block exit, _) = Loop(_y);
        Value leave = Compare(header, CompareKind.Ge, header.Phis[0], _y);
        header.BranchTo(leave, exit, body);
        LoopLayout.Run(_kernel);
        Assert.Equal(body, header.Then);
        Assert.Equal(CompareKind.Lt, header.Condition!.Compare);
    }

    /// <summary>for (i = 0; i &lt; limit; i++) around an empty body.</summary>
    [Fact]
    public void Selections_BranchAroundAnAddition_BecomesAChoice()
    {
        Block before = _kernel.NewBlock(), side = _kernel.NewBlock(), join = _kernel.NewBlock();
        before.BranchTo(Compare(before, CompareKind.Lt, _x, _y), side, join);
        Value more = Put(side, Op.Add, IrType.I32, _x, _kernel.Int(1));
        side.JumpTo(join);
        Store(join, Phi(join, IrType.I32, (side, more), (before, _x)), 0);
        Check("""
            b0:
              %0 = compare.lt i1 x, y
              branch %0, b1, b2
            b1:
              %1 = add i32 x, 1
              jump b2
            b2:
              %2 = phi i32 b1: %1, b0: x
              store.global.i32 out, %2
              return
            """, () => Selections.Run(_kernel) && Branches.Run(_kernel), """
            b0:
              %0 = compare.lt i1 x, y
              %1 = add i32 x, 1
              %2 = select i32 %0, %1, x
              store.global.i32 out, %2
              return
            """);
    }

    [Fact]
    public void Selections_BranchAroundALoad_StaysABranch()
    {
        Block before = _kernel.NewBlock(), side = _kernel.NewBlock(), join = _kernel.NewBlock();
        before.BranchTo(Compare(before, CompareKind.Lt, _x, _y), side, join);
        Value load = Put(side, Op.Load, IrType.I32, _out);
        load.Sub = (int)IrType.I32;
        side.JumpTo(join);
        Store(join, Phi(join, IrType.I32, (side, load), (before, _x)), 0);
        Assert.False(Selections.Run(_kernel));
    }

    [Fact]
    public void Remainders_OfAnUnknownDivisor_TakeTheQuotient()
    {
        Block b = _kernel.NewBlock();
        Store(b, Put(b, Op.Rem, IrType.I32, _x, _y), 0);
        Store(b, Put(b, Op.Div, IrType.I32, _x, _y), 4);
        Check("""
            b0:
              %0 = rem i32 x, y
              store.global.i32 out, %0
              %1 = div i32 x, y
              store.global.i32 out, %1 + 4
              return
            """, () => Analysed(Remainders.Run) && CommonSubexpressions.Run(_kernel), """
            b0:
              %0 = div i32 x, y
              %1 = mul i32 %0, y
              %2 = sub i32 x, %1
              store.global.i32 out, %2
              store.global.i32 out, %0 + 4
              return
            """);
    }

    [Fact]
    public void Unrolling_LoopWithTwoWaysBack_IsWrittenOut()
    {
        Block entry = _kernel.NewBlock(), header = _kernel.NewBlock(), body = _kernel.NewBlock(), side = _kernel.NewBlock(), exit = _kernel.NewBlock();
        entry.JumpTo(header);
        Value index = Phi(header, IrType.I32, (entry, _kernel.Int(0)), (body, null), (side, null));
        header.BranchTo(Compare(header, CompareKind.Lt, index, _kernel.Int(2)), body, exit);
        Value next = Put(body, Op.Add, IrType.I32, index, _kernel.Int(1));
        (index.Args[1], index.Args[2]) = (next, next);
        body.BranchTo(Compare(body, CompareKind.Lt, _x, _y), side, header);
        Store(side, index, 0);
        side.JumpTo(header);
        Assert.True(Unrolling.Run(_kernel));
        ControlFlow.Analyse(_kernel);
        Assert.Empty(OllmNative.Runtime.Compiler.Passes.Loop.Find(_kernel));
        Assert.Equal(2, _kernel.Blocks.Sum(block => block.Body.Count(value => value.Op == Op.Store)));
    }

    private bool Analysed(Func<KernelIr, bool> pass)
    {
        ControlFlow.Analyse(_kernel);
        return pass(_kernel);
    }

    private (Block Header, Block Body, Block Exit, Value Index) Loop(Value limit)
    {
        Block entry = _kernel.NewBlock(), header = _kernel.NewBlock(), body = _kernel.NewBlock(), exit = _kernel.NewBlock();
        entry.JumpTo(header);
        Value index = Phi(header, IrType.I32, (entry, _kernel.Int(0)), (body, null));
        index.Args[1] = Put(body, Op.Add, IrType.I32, index, _kernel.Int(1));
        header.BranchTo(Compare(header, CompareKind.Lt, index, limit), body, exit);
        body.JumpTo(header);
        ControlFlow.Analyse(_kernel);
        return (header, body, exit, index);
    }

    private Value Put(Block block, Op op, IrType type, params Value[] args)
    {
        Value value = _kernel.New(op, type, args);
        block.Body.Add(value);
        return value;
    }

    private Value Compare(Block block, CompareKind kind, Value a, Value b)
    {
        Value value = Put(block, Op.Compare, IrType.I1, a, b);
        value.Sub = (int)kind;
        return value;
    }

    private Value Phi(Block block, IrType type, params (Block From, Value? Value)[] sources)
    {
        Value phi = _kernel.New(Op.Phi, type, [.. sources.Select(source => source.Value ?? _x)]);
        phi.Incoming = [.. sources.Select(source => source.From)];
        block.Phis.Add(phi);
        return phi;
    }

    private void Store(Block block, Value value, int offset, Value? address = null)
    {
        Value store = Put(block, Op.Store, IrType.Void, address ?? _out, value);
        (store.Sub, store.Bits) = ((int)IrType.I32, offset);
    }

    private void Check(string before, Func<bool> pass, string after)
    {
        Assert.Equal(before.ReplaceLineEndings("\n"), Text());
        Assert.True(pass());
        Assert.Equal(after.ReplaceLineEndings("\n"), Text());
    }

    private string Text() => string.Join('\n', IrPrinter.Print(_kernel).TrimEnd().Split('\n').Skip(1));
}
