using OllmNative.Runtime.Compiler.Ir;
using OllmNative.Runtime.Compiler.Passes;

namespace OllmNative.Tests.Ptx;

/// <summary>The passes about loads and loops, each on IR written by hand: the text before and after.</summary>
public sealed class LoopPassTests : HandWrittenIr
{
    private readonly Value _x, _n, _in, _out;

    public LoopPassTests()
    {
        _x = Kernel.AddParameter("x", IrType.I32);
        _n = Kernel.AddParameter("n", IrType.I32);
        _in = Kernel.AddParameter("in", IrType.Ptr);
        _out = Kernel.AddParameter("out", IrType.Ptr);
    }

    [Fact]
    public void Loads_SameAddressTwice_IsReadOnce()
    {
        Block b = Kernel.NewBlock();
        Store(b, Put(b, Op.Add, IrType.I32, Load(b, _in, 4), Load(b, _in, 4)), _out, 0);
        Check("""
            b0:
              %0 = load.global.i32 i32 in + 4
              %1 = load.global.i32 i32 in + 4
              %2 = add i32 %0, %1
              store.global.i32 out, %2
              return
            """, Loads.Run, """
            b0:
              %0 = load.global.i32 i32 in + 4
              %1 = add i32 %0, %0
              store.global.i32 out, %1
              return
            """);
    }

    [Fact]
    public void Loads_WriteInBetween_AreKeptButWhatWasWrittenIsKnown()
    {
        Block b = Kernel.NewBlock();
        Value first = Load(b, _in, 0);
        Store(b, _x, _out, 0);
        Value second = Load(b, _in, 0), written = Load(b, _out, 0);
        Store(b, Put(b, Op.Add, IrType.I32, Put(b, Op.Add, IrType.I32, first, second), written), _out, 8);
        Check("""
            b0:
              %0 = load.global.i32 i32 in
              store.global.i32 out, x
              %1 = load.global.i32 i32 in
              %2 = load.global.i32 i32 out
              %3 = add i32 %0, %1
              %4 = add i32 %3, %2
              store.global.i32 out, %4 + 8
              return
            """, Loads.Run, """
            b0:
              %0 = load.global.i32 i32 in
              store.global.i32 out, x
              %1 = load.global.i32 i32 in
              %2 = add i32 %0, %1
              %3 = add i32 %2, x
              store.global.i32 out, %3 + 8
              return
            """);
    }

    [Fact]
    public void Loads_OfSharedMemory_EndAtABarrierAndOutliveAGlobalWrite()
    {
        Block b = Kernel.NewBlock();
        Value shared = Put(b, Op.SharedAlloc, IrType.Ptr, Kernel.Int(64));
        shared.Space = AddressSpace.Shared;
        Value first = Load(b, shared, 0);
        Store(b, _x, _out, 0);
        Value second = Load(b, shared, 0);
        Put(b, Op.Barrier, IrType.Void);
        Value third = Load(b, shared, 0);
        Store(b, Put(b, Op.Add, IrType.I32, Put(b, Op.Add, IrType.I32, first, second), third), _out, 4);
        Check("""
            b0:
              %0 = sharedalloc ptr 64
              %1 = load.shared.i32 i32 %0
              store.global.i32 out, x
              %2 = load.shared.i32 i32 %0
              barrier
              %3 = load.shared.i32 i32 %0
              %4 = add i32 %1, %2
              %5 = add i32 %4, %3
              store.global.i32 out, %5 + 4
              return
            """, Loads.Run, """
            b0:
              %0 = sharedalloc ptr 64
              %1 = load.shared.i32 i32 %0
              store.global.i32 out, x
              barrier
              %2 = load.shared.i32 i32 %0
              %3 = add i32 %1, %1
              %4 = add i32 %3, %2
              store.global.i32 out, %4 + 4
              return
            """);
    }

    [Fact]
    public void Loads_InALoopThatWaits_AreReadInEachRound()
    {
        Block entry = Kernel.NewBlock(), header = Kernel.NewBlock(), exit = Kernel.NewBlock();
        Value before = Load(entry, _in, 0);
        entry.JumpTo(header);
        Value flag = Load(header, _in, 0);
        header.BranchTo(Compare(header, CompareKind.Eq, flag, before), header, exit);
        Assert.False(Loads.Run(Kernel));
    }

    [Fact]
    public void LoopInvariants_ProductOfOutsideValues_MovesBeforeTheLoop()
    {
        (_, Block body, _, Value index) = Loop(_n);
        Value product = Put(body, Op.Mul, IrType.I32, _x, _n);
        Store(body, Put(body, Op.Add, IrType.I32, product, index), _out, 0);
        Check("""
            b0:
              jump b1
            b1:
              %0 = phi i32 b0: 0, b2: %1
              %2 = compare.lt i1 %0, n
              branch %2, b2, b3
            b2:
              %1 = add i32 %0, 1
              %3 = mul i32 x, n
              %4 = add i32 %3, %0
              store.global.i32 out, %4
              jump b1
            b3:
              return
            """, LoopInvariants.Run, """
            b0:
              %0 = mul i32 x, n
              jump b1
            b1:
              %1 = phi i32 b0: 0, b2: %2
              %3 = compare.lt i1 %1, n
              branch %3, b2, b3
            b2:
              %2 = add i32 %1, 1
              %4 = add i32 %0, %1
              store.global.i32 out, %4
              jump b1
            b3:
              return
            """);
    }

    [Fact]
    public void LoopInvariants_Loads_StayWhereTheyMayNotHappen()
    {
        (_, Block body, _, _) = Loop(_n);
        Store(body, Load(body, _in, 0), _out, 0);
        Assert.False(LoopInvariants.Run(Kernel));
    }

    [Fact]
    public void InductionPointers_IndexTimesSize_BecomesAPointerThatGrows()
    {
        (_, Block body, _, Value index) = Loop(_n);
        Value sum = Put(body, Op.Add, IrType.I32, index, _x), address = Put(body, Op.PtrAdd, IrType.Ptr, _out, Put(body, Op.MulWide, IrType.I64, sum, Kernel.Int(4)));
        address.Space = AddressSpace.Global;
        Store(body, index, address, 0);
        Check("""
            b0:
              jump b1
            b1:
              %0 = phi i32 b0: 0, b2: %1
              %2 = compare.lt i1 %0, n
              branch %2, b2, b3
            b2:
              %1 = add i32 %0, 1
              %3 = add i32 %0, x
              %4 = mulwide i64 %3, 4
              %5 = ptradd ptr out, %4
              store.global.i32 %5, %0
              jump b1
            b3:
              return
            """, kernel => InductionPointers.Run(kernel) && DeadCode.Run(kernel), """
            b0:
              %0 = mulwide i64 x, 4
              %1 = ptradd ptr out, %0
              jump b1
            b1:
              %2 = phi i32 b0: 0, b2: %3
              %4 = phi ptr b0: %1, b2: %5
              %6 = compare.lt i1 %2, n
              branch %6, b2, b3
            b2:
              %3 = add i32 %2, 1
              store.global.i32 %4, %2
              %5 = ptradd ptr %4, 4
              jump b1
            b3:
              return
            """);
    }

    [Fact]
    public void InductionPointers_IndexThatIsMasked_IsLeftAlone()
    {
        (_, Block body, _, Value index) = Loop(_n);
        Value masked = Put(body, Op.And, IrType.I32, index, Kernel.Int(3)), address = Put(body, Op.PtrAdd, IrType.Ptr, _out, Put(body, Op.MulWide, IrType.I64, masked, Kernel.Int(4)));
        address.Space = AddressSpace.Global;
        Store(body, index, address, 0);
        Assert.False(InductionPointers.Run(Kernel));
    }

    [Fact]
    public void Addresses_SumOfSeveralParts_IsSortedByLoopAndConstant()
    {
        (_, Block body, _, Value index) = Loop(_n);
        Value sum = Put(body, Op.Add, IrType.I32, Put(body, Op.Add, IrType.I32, index, _x), Kernel.Int(3));
        Value address = Put(body, Op.PtrAdd, IrType.Ptr, _out, Put(body, Op.MulWide, IrType.I64, sum, Kernel.Int(4)));
        address.Space = AddressSpace.Global;
        Store(body, index, address, 0);
        Check("""
            b0:
              jump b1
            b1:
              %0 = phi i32 b0: 0, b2: %1
              %2 = compare.lt i1 %0, n
              branch %2, b2, b3
            b2:
              %1 = add i32 %0, 1
              %3 = add i32 %0, x
              %4 = add i32 %3, 3
              %5 = mulwide i64 %4, 4
              %6 = ptradd ptr out, %5
              store.global.i32 %6, %0
              jump b1
            b3:
              return
            """, kernel => Addresses.Run(kernel) && DeadCode.Run(kernel), """
            b0:
              jump b1
            b1:
              %0 = phi i32 b0: 0, b2: %1
              %2 = compare.lt i1 %0, n
              branch %2, b2, b3
            b2:
              %1 = add i32 %0, 1
              %3 = mulwide i64 x, 4
              %4 = ptradd ptr out, %3
              %5 = mulwide i64 %0, 4
              %6 = ptradd ptr %4, %5
              store.global.i32 %6, %0 + 12
              jump b1
            b3:
              return
            """);
    }

    [Fact]
    public void Addresses_MaskedIndex_IsNotTakenApart()
    {
        (_, Block body, _, Value index) = Loop(_n);
        Value masked = Put(body, Op.And, IrType.I32, Put(body, Op.Add, IrType.I32, index, Kernel.Int(3)), Kernel.Int(7));
        Value address = Put(body, Op.PtrAdd, IrType.Ptr, _out, Put(body, Op.MulWide, IrType.I64, masked, Kernel.Int(4)));
        Store(body, index, address, 0);
        Assert.False(Addresses.Run(Kernel));
    }

    [Fact]
    public void PartialUnrolling_LoopThatReads_FetchesFourRoundsAtOnce()
    {
        (_, Block body, _, Value index) = Loop(_n);
        Load(body, Put(body, Op.PtrAdd, IrType.Ptr, _in, Put(body, Op.MulWide, IrType.I64, index, Kernel.Int(4))), 0);
        Assert.True(PartialUnrolling.Run(Kernel));
        ControlFlow.Analyse(Kernel);
        int[] loads = [.. OllmNative.Runtime.Compiler.Passes.Loop.Find(Kernel).Select(loop => loop.Blocks.Sum(block => block.Body.Count(value => value.Op == Op.Load)))];
        Assert.Equal([1, 4], loads.Order());
        Assert.Contains("add i64 %0, -3", Text(), StringComparison.Ordinal); // n - 3, beyond 32 bits
    }

    [Fact]
    public void PartialUnrolling_LoopThatWrites_IsLeftAlone()
    {
        (_, Block body, _, Value index) = Loop(_n);
        Store(body, Load(body, _in, 0), _out, 0);
        Put(body, Op.Add, IrType.I32, index, _x);
        Assert.False(PartialUnrolling.Run(Kernel));
    }

    /// <summary>Both sides of the branch lead straight to the loop: it has two ways in until they are led together.</summary>
    [Fact]
    public void Unrolling_LoopDirectlyBehindAJoin_IsUnrolled()
    {
        (Block header, Block body, _, Value index) = Loop(Kernel.Int(3));
        Block entry = Kernel.Entry, side = Kernel.NewBlock();
        entry.BranchTo(Compare(entry, CompareKind.Lt, _x, _n), side, header);
        side.JumpTo(header);
        Value chosen = Phi(header, IrType.I32, (entry, _x), (side, _n), (body, null));
        chosen.Args[2] = chosen;
        (index.Args, index.Incoming) = ([Kernel.Int(0), Kernel.Int(0), index.Args[1]], [entry, side, body]);
        Store(body, Put(body, Op.Add, IrType.I32, chosen, index), _out, 0);
        Assert.True(Unrolling.Run(Kernel));
        Assert.Equal("""
            b0:
              %0 = compare.lt i1 x, n
              branch %0, b1, b2
            b1:
              jump b2
            b2:
              %1 = phi i32 b0: x, b1: n
              store.global.i32 out, %1
              %2 = add i32 %1, 1
              store.global.i32 out, %2
              %3 = add i32 %1, 2
              store.global.i32 out, %3
              return
            """.ReplaceLineEndings("\n"), Text());
    }
}
