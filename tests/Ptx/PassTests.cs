using OllmNative.Runtime.Compiler.Ir;
using OllmNative.Runtime.Compiler.Passes;

namespace OllmNative.Tests.Ptx;

/// <summary>Each pass on IR written by hand: the text before and after.</summary>
public sealed class PassTests : HandWrittenIr
{
    private readonly Value _x, _y, _out;

    public PassTests()
    {
        _x = Kernel.AddParameter("x", IrType.I32);
        _y = Kernel.AddParameter("y", IrType.I32);
        _out = Kernel.AddParameter("out", IrType.Ptr);
    }

    [Fact]
    public void Simplification_PowersOfTwoAndZeros_BecomeShiftsAndNothing()
    {
        Block b = Kernel.NewBlock();
        Value product = Put(b, Op.Mul, IrType.I32, _x, Kernel.Int(8));
        Value sum = Put(b, Op.Add, IrType.I32, product, Kernel.Int(0));
        Value folded = Put(b, Op.Mul, IrType.I32, Kernel.Int(6), Kernel.Int(7));
        Store(b, Put(b, Op.Add, IrType.I32, sum, folded), 0);
        Check("""
            b0:
              %0 = mul i32 x, 8
              %1 = add i32 %0, 0
              %2 = mul i32 6, 7
              %3 = add i32 %1, %2
              store.global.i32 out, %3
              return
            """, Simplification.Run, """
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
        Block b = Kernel.NewBlock();
        Value address = Put(b, Op.PtrAdd, IrType.Ptr, _out, Kernel.Long(12));
        address.Space = AddressSpace.Global;
        Store(b, _x, 4, address);
        Check("""
            b0:
              %0 = ptradd ptr out, 12
              store.global.i32 %0, x + 4
              return
            """, kernel => Simplification.Run(kernel) | DeadCode.Run(kernel), """
            b0:
              store.global.i32 out, x + 16
              return
            """);
    }

    [Fact]
    public void DeadCode_UnreadResults_AreDropped()
    {
        Block b = Kernel.NewBlock();
        Value unread = Put(b, Op.Add, IrType.I32, _x, _y);
        Put(b, Op.Mul, IrType.I32, unread, _y);
        Store(b, _x, 0);
        Check("""
            b0:
              %0 = add i32 x, y
              %1 = mul i32 %0, y
              store.global.i32 out, x
              return
            """, DeadCode.Run, """
            b0:
              store.global.i32 out, x
              return
            """);
    }

    [Fact]
    public void CommonSubexpressions_SameSumTwice_IsComputedOnce()
    {
        Block b = Kernel.NewBlock();
        Value first = Put(b, Op.Add, IrType.I32, _x, _y), second = Put(b, Op.Add, IrType.I32, _y, _x);
        Store(b, Put(b, Op.Xor, IrType.I32, first, second), 0);
        Check("""
            b0:
              %0 = add i32 x, y
              %1 = add i32 y, x
              %2 = xor i32 %0, %1
              store.global.i32 out, %2
              return
            """, CommonSubexpressions.Run, """
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
        Block entry = Kernel.NewBlock(), then = Kernel.NewBlock(), otherwise = Kernel.NewBlock(), join = Kernel.NewBlock();
        entry.BranchTo(Kernel.Bool(false), then, otherwise);
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
            """, Branches.Run, """
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
        Value same = Phi(header, IrType.I32, (Kernel.Entry, _x), (body, null));
        same.Args[1] = same;
        Store(exit, same, 0);
        Phis.Run(Kernel);
        Assert.DoesNotContain(same, header.Phis);
        Assert.Contains(index, header.Phis);
        Assert.Equal(_x, exit.Body[0].Args[1]);
    }

    [Fact]
    public void Unrolling_ThreeRounds_AreWrittenOut()
    {
        (_, Block body, _, Value index) = Loop(Kernel.Int(3));
        Value offset = Put(body, Op.MulWide, IrType.I64, index, Kernel.Int(4)), address = Put(body, Op.PtrAdd, IrType.Ptr, _out, offset);
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
            """, Unrolling.Run, """
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
        Assert.False(Unrolling.Run(Kernel));
    }

    [Fact]
    public void LocalArrays_ConstantPlaces_BecomeRegisters()
    {
        Block b = Kernel.NewBlock();
        Value array = Put(b, Op.LocalAlloc, IrType.Ptr, Kernel.Int(8));
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
            """, LocalArrays.Run, """
            b0:
              store.global.i32 out, y
              return
            """);
    }

    [Fact]
    public void LocalArrays_RuntimeIndex_StayInMemory()
    {
        Block b = Kernel.NewBlock();
        Value array = Put(b, Op.LocalAlloc, IrType.Ptr, Kernel.Int(8));
        Value cell = Put(b, Op.PtrAdd, IrType.Ptr, array, Put(b, Op.MulWide, IrType.I64, _x, Kernel.Int(4)));
        Store(b, _y, 0, cell);
        ControlFlow.Analyse(Kernel);
        Assert.False(LocalArrays.Run(Kernel));
    }

    [Fact]
    public void MultiplyAdd_ProductReadOnce_IsFused()
    {
        Value f = Kernel.AddParameter("f", IrType.F32), g = Kernel.AddParameter("g", IrType.F32);
        Block b = Kernel.NewBlock();
        Value product = Put(b, Op.Mul, IrType.F32, f, g);
        Value difference = Put(b, Op.Sub, IrType.F32, g, product);
        Value store = Kernel.New(Op.Store, IrType.Void, _out, difference);
        store.Sub = (int)IrType.F32;
        b.Body.Add(store);
        Check("""
            b0:
              %0 = mul f32 f, g
              %1 = sub f32 g, %0
              store.global.f32 out, %1
              return
            """, kernel => MultiplyAdd.Run(kernel) && DeadCode.Run(kernel), """
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
        Block entry = Kernel.NewBlock(), other = Kernel.NewBlock(), join = Kernel.NewBlock();
        Value shared = Put(entry, Op.SharedAlloc, IrType.Ptr, Kernel.Int(64));
        shared.Space = AddressSpace.Shared;
        entry.BranchTo(Compare(entry, CompareKind.Lt, _x, _y), other, join);
        other.JumpTo(join);
        Value phi = Phi(join, IrType.Ptr, (entry, shared), (other, _out));
        Store(join, _x, 0, phi);
        AddressSpaces.Run(Kernel);
        Assert.Equal(AddressSpace.Generic, phi.Space);
        Assert.All(phi.Args, arg => Assert.Equal(Op.ToGeneric, arg.Op));
    }

    [Fact]
    public void LoopLayout_ConditionToLeave_BecomesConditionToStay()
    {
        (Block header, Block body, Block exit, _) = Loop(_y);
        Value leave = Compare(header, CompareKind.Ge, header.Phis[0], _y);
        header.BranchTo(leave, exit, body);
        LoopLayout.Run(Kernel);
        Assert.Equal(body, header.Then);
        Assert.Equal(CompareKind.Lt, header.Condition!.Compare);
    }

    /// <summary>for (i = 0; i &lt; limit; i++) around an empty body.</summary>
    [Fact]
    public void Selections_BranchAroundAnAddition_BecomesAChoice()
    {
        Block before = Kernel.NewBlock(), side = Kernel.NewBlock(), join = Kernel.NewBlock();
        before.BranchTo(Compare(before, CompareKind.Lt, _x, _y), side, join);
        Value more = Put(side, Op.Add, IrType.I32, _x, Kernel.Int(1));
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
            """, kernel => Selections.Run(kernel) && Branches.Run(kernel), """
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
        Block before = Kernel.NewBlock(), side = Kernel.NewBlock(), join = Kernel.NewBlock();
        before.BranchTo(Compare(before, CompareKind.Lt, _x, _y), side, join);
        Value load = Put(side, Op.Load, IrType.I32, _out);
        load.Sub = (int)IrType.I32;
        side.JumpTo(join);
        Store(join, Phi(join, IrType.I32, (side, load), (before, _x)), 0);
        Assert.False(Selections.Run(Kernel));
    }

    [Fact]
    public void Remainders_OfAnUnknownDivisor_TakeTheQuotient()
    {
        Block b = Kernel.NewBlock();
        Store(b, Put(b, Op.Rem, IrType.I32, _x, _y), 0);
        Store(b, Put(b, Op.Div, IrType.I32, _x, _y), 4);
        Check("""
            b0:
              %0 = rem i32 x, y
              store.global.i32 out, %0
              %1 = div i32 x, y
              store.global.i32 out, %1 + 4
              return
            """, kernel => Analysed(Remainders.Run) && CommonSubexpressions.Run(kernel), """
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
    public void Remainders_OfAPowerOfTwo_AreShiftsThatRoundTowardsZero()
    {
        Block b = Kernel.NewBlock();
        Store(b, Put(b, Op.Rem, IrType.I32, _x, Kernel.Int(16)), 0);
        Store(b, Put(b, Op.Div, IrType.I32, _x, Kernel.Int(16)), 4);
        Check("""
            b0:
              %0 = rem i32 x, 16
              store.global.i32 out, %0
              %1 = div i32 x, 16
              store.global.i32 out, %1 + 4
              return
            """, kernel => Analysed(Remainders.Run) && CommonSubexpressions.Run(kernel), """
            b0:
              %0 = shr i32 x, 31
              %1 = shru i32 %0, 28
              %2 = add i32 x, %1
              %3 = and i32 %2, -16
              %4 = sub i32 x, %3
              store.global.i32 out, %4
              %5 = shr i32 %2, 4
              store.global.i32 out, %5 + 4
              return
            """);
    }

    [Fact]
    public void Unrolling_LoopWithTwoWaysBack_IsWrittenOut()
    {
        Block entry = Kernel.NewBlock(), header = Kernel.NewBlock(), body = Kernel.NewBlock(), side = Kernel.NewBlock(), exit = Kernel.NewBlock();
        entry.JumpTo(header);
        Value index = Phi(header, IrType.I32, (entry, Kernel.Int(0)), (body, null), (side, null));
        header.BranchTo(Compare(header, CompareKind.Lt, index, Kernel.Int(2)), body, exit);
        Value next = Put(body, Op.Add, IrType.I32, index, Kernel.Int(1));
        (index.Args[1], index.Args[2]) = (next, next);
        body.BranchTo(Compare(body, CompareKind.Lt, _x, _y), side, header);
        Store(side, index, 0);
        side.JumpTo(header);
        Assert.True(Unrolling.Run(Kernel));
        ControlFlow.Analyse(Kernel);
        Assert.Empty(OllmNative.Runtime.Compiler.Passes.Loop.Find(Kernel));
        Assert.Equal(2, Kernel.Blocks.Sum(block => block.Body.Count(value => value.Op == Op.Store)));
    }

    private bool Analysed(Func<KernelIr, bool> pass)
    {
        ControlFlow.Analyse(Kernel);
        return pass(Kernel);
    }

    private void Store(Block block, Value value, int offset, Value? address = null) => Store(block, value, address ?? _out, offset);
}
