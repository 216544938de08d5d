using OllmNative.Runtime.Compiler.Frontend;
using OllmNative.Runtime.Compiler.Ir;
using OllmNative.Runtime.Compiler.Passes;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Ptx;

/// <summary>No pass moves an access of memory over what orders memory, shares one with what lies behind it, or makes one that the program does not make.</summary>
public sealed class MemoryOrderTests : HandWrittenIr
{
    private readonly Value _x, _n, _flag, _in, _out;

    public MemoryOrderTests()
    {
        _x = Kernel.AddParameter("x", IrType.I32);
        _n = Kernel.AddParameter("n", IrType.I32);
        _flag = Kernel.AddParameter("flag", IrType.I32);
        _in = Kernel.AddParameter("in", IrType.Ptr);
        _out = Kernel.AddParameter("out", IrType.Ptr);
    }

    public static TheoryData<string> Orders => new("Barrier", "BarrierReduce", "WarpBarrier", "Fence", "Atomic", "CopyAsync", "CopyAsyncCommit", "CopyAsyncWait",
        "BarrierInit", "BarrierArrive", "BarrierArriveExpect", "BarrierWait", "FenceProxyAsync", "TensorCopy", "GridWait", "GridLaunch", "ProductFence", "ProductCommit", "ProductWait");

    /// <summary>Two loads of one place with something in between that another thread may have been waited for by.</summary>
    [Theory]
    [MemberData(nameof(Orders))]
    public void Loads_AcrossWhatOrdersMemory_AreMadeAgain(string between)
    {
        Block b = Kernel.NewBlock();
        Value shared = Put(b, Op.DynamicShared, IrType.Ptr);
        Value first = Load(b, _in, 4), own = Load(b, shared, 0);
        PutOrder(b, between, shared);
        Value second = Load(b, _in, 4), again = Load(b, shared, 0);
        foreach (Value value in (Value[])[first, own, second, again]) Store(b, value, _out, 4 * value.Id);
        Optimizer.Run(Kernel, fuse: true);
        Value[] body = [.. Kernel.Blocks.SelectMany(block => block.Body)];
        Assert.Equal(4, body.Count(value => value.Op == Op.Load));
        int at = Array.FindIndex(body, IsOrder);
        Assert.Equal(2, body[..at].Count(value => value.Op == Op.Load));
        Assert.Equal(2, body[at..].Count(value => value.Op == Op.Load));
        Assert.DoesNotContain(body[..at], value => value.Op == Op.Store);
    }

    [Theory]
    [MemberData(nameof(Orders))]
    public void Optimizer_WhatOrdersMemory_StaysThoughNobodyReadsItsResult(string what)
    {
        Block b = Kernel.NewBlock();
        PutOrder(b, what, Put(b, Op.DynamicShared, IrType.Ptr));
        PutOrder(b, what, b.Body[0]);
        Store(b, _x, _out, 0);
        Optimizer.Run(Kernel, fuse: true);
        Assert.Equal(2, Kernel.Blocks.SelectMany(block => block.Body).Count(IsOrder));
    }

    [Theory]
    [MemberData(nameof(Orders))]
    public void Loops_WithWhatOrdersMemory_KeepItInEachRoundOnce(string what)
    {
        (Block header, Block body, Block exit, Value index) = Loop(_n);
        Value next = body.Body[0];
        body.Body.Clear();
        Value loaded = Load(body, _in, 0);
        PutOrder(body, what, Put(body, Op.DynamicShared, IrType.Ptr));
        Store(body, Put(body, Op.Add, IrType.I32, loaded, index), _out, 0);
        body.Body.Add(next);
        Store(exit, index, _out, 8);
        Assert.False(PartialUnrolling.Run(Kernel));
        Optimizer.Run(Kernel, fuse: true);
        Block round = Assert.Single(Kernel.Blocks, block => block.Body.Exists(IsOrder));
        Assert.Equal(["Load", "Order", "Store"], round.Body.Where(value => value.Op is Op.Load or Op.Store || IsOrder(value)).Select(value => IsOrder(value) ? "Order" : value.Op.ToString()));
    }

    /// <summary>A load, a store or an order of one side of a branch is made on that side alone.</summary>
    [Theory]
    [InlineData("Load")]
    [InlineData("LoadOnce")]
    [InlineData("Store")]
    [InlineData("Atomic")]
    [InlineData("WarpBarrier")]
    [InlineData("ProductWait")]
    public void Selections_GuardedAccess_StaysGuarded(string access)
    {
        Block entry = Kernel.NewBlock(), then = Kernel.NewBlock(), join = Kernel.NewBlock();
        entry.BranchTo(Compare(entry, CompareKind.Lt, _flag, _n), then, join);
        then.JumpTo(join);
        Value result = _x;
        if (access == "Load") result = Load(then, _in, 0);
        else if (access == "Store") Store(then, _x, _out, 4);
        else if (access == "LoadOnce") (result = Put(then, Op.LoadOnce, IrType.I32, _in)).Sub = (int)IrType.I32;
        else PutOrder(then, access, _in);
        Value phi = Phi(join, IrType.I32, (entry, _n), (then, result));
        Store(join, phi, _out, 0);
        ControlFlow.Analyse(Kernel);
        Optimizer.Run(Kernel, fuse: true);
        Block[] holders = [.. Kernel.Blocks.Where(block => block.Body.Exists(value => value.Op.ToString() == access || (IsOrder(value) && access is not ("Load" or "Store" or "LoadOnce"))))];
        Assert.Contains(holders, block => block != Kernel.Blocks[0] && block.Predecessors.Count == 1);
        Assert.NotNull(Kernel.Blocks[0].Condition);
    }

    /// <summary>Sums of a warp group's product are there after a wait; where that is in a loop, what is computed from them stays in it.</summary>
    [Fact]
    public void LoopInvariants_SumsOfAProductWaitedForInTheLoop_Stay()
    {
        Value scale = Kernel.AddParameter("scale", IrType.F32);
        Block start = Kernel.NewBlock();
        Value descriptor = Kernel.Long(0);
        Value[] before = [.. Enumerable.Range(0, 4).Select(_ => Kernel.Undefined(IrType.F32))];
        Value product = Put(start, Op.Wgmma, IrType.F32, [descriptor, descriptor, Kernel.Bool(false), .. before]);
        (product.Sub, product.Count) = (WgmmaForm.Of(8, false, false), 4);
        Value sum = Put(start, Op.Extract, IrType.F32, product);
        Block header = Kernel.NewBlock(), body = Kernel.NewBlock(), exit = Kernel.NewBlock();
        start.JumpTo(header);
        Value index = Phi(header, IrType.I32, (start, Kernel.Int(0)), (body, null));
        header.BranchTo(Compare(header, CompareKind.Lt, index, _n), body, exit);
        PutOrder(body, "ProductWait", _in);
        Value scaled = Put(body, Op.Mul, IrType.F32, sum, scale);
        Value store = Put(body, Op.Store, IrType.Void, _out, scaled);
        store.Sub = (int)IrType.F32;
        index.Args[1] = Put(body, Op.Add, IrType.I32, index, Kernel.Int(1));
        body.JumpTo(header);
        ControlFlow.Analyse(Kernel);
        LoopInvariants.Run(Kernel);
        Assert.Contains(scaled, body.Body);
    }

    private static void Ordered(ArrayView<int> values, ArrayView<int> flags)
    {
        ArrayView<int> shared = SharedMemory.Allocate<int>(64);
        int i = Group.IdxX;
        shared[i] = values[i];
        Group.Barrier();
        int first = shared[63 - i];
        Group.Barrier();
        shared[i] = first + 1;
        Warp.Barrier();
        values[i] = shared[i ^ 1];
        MemoryFence.DeviceLevel();
        int ticket = Atomic.Add(ref flags[0], 1);
        MemoryFence.GroupLevel();
        values[i + 64] = values[63 - i] + ticket;
    }

    [Fact]
    public void Compile_AccessesAndWhatOrdersThem_StayInTheProgramsOrder()
    {
        string ptx = PtxRun.Compile((Action<ArrayView<int>, ArrayView<int>>)Ordered).Ptx;
        string[] prefixes = ["ld.global", "st.global", "ld.shared", "st.shared", "bar.", "membar.", "atom."];
        string[] kinds = [.. ptx.Split('\n').Select(line => prefixes.FirstOrDefault(line.Trim().StartsWith)).OfType<string>()];
        Assert.Equal(["ld.global", "st.shared", "bar.", "ld.shared", "bar.", "st.shared", "bar.", "ld.shared", "st.global", "membar.", "atom.", "membar.", "ld.global", "st.global"], kinds);
    }

    private static bool IsOrder(Value value) => value.Op is Op.Barrier or Op.BarrierReduce or Op.WarpBarrier or Op.Fence or Op.Atomic or Op.CopyAsync
        or Op.CopyAsyncCommit or Op.CopyAsyncWait or Op.Hopper;

    private void PutOrder(Block block, string name, Value shared)
    {
        if (Enum.TryParse(name, out HopperKind kind))
        {
            Value[] args = kind switch
            {
                HopperKind.BarrierInit or HopperKind.BarrierArriveExpect or HopperKind.BarrierWait => [shared, _x],
                HopperKind.BarrierArrive => [shared],
                HopperKind.TensorCopy => [shared, _in, _x, _x, shared],
                HopperKind.ProductWait => [Kernel.Int(0)],
                _ => [],
            };
            Put(block, Op.Hopper, IrType.Void, args).Sub = (int)kind;
            return;
        }
        switch (Enum.Parse<Op>(name))
        {
            case Op.BarrierReduce: Put(block, Op.BarrierReduce, IrType.I32, Compare(block, CompareKind.Lt, _x, _n)).Sub = (int)VoteKind.Ballot; break;
            case Op.Atomic: Put(block, Op.Atomic, IrType.I32, _out, _x).Sub = (int)AtomicKind.Add; break;
            case Op.CopyAsync: Put(block, Op.CopyAsync, IrType.Void, shared, _in).Sub = 16; break;
            case Op.CopyAsyncWait: Put(block, Op.CopyAsyncWait, IrType.Void, Kernel.Int(0)); break;
            case var op: Put(block, op, IrType.Void); break;
        }
    }
}
