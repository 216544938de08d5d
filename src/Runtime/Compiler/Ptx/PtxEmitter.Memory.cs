using System.Globalization;
using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Ptx;

/// <summary>Memory, groups, warps and tensor cores as PTX.</summary>
internal sealed partial class PtxEmitter
{
    private const string FullWarp = "-1";

    private bool MemoryInstruction(Value value)
    {
        switch (value.Op)
        {
            case Op.Load:
                string target = value.Count > 1 ? _registers.Vector(value) : _registers.Of(value);
                Line($"ld{Space(value.Args[0])}{Width(value)}.{MemoryType(value.Memory)} {target}, [{_registers.Operand(value.Args[0])}{Offset(value.Bits)}]");
                return true;
            case Op.LoadOnce:
                if (value.Args[0].Space != AddressSpace.Global) throw new NotSupportedException("a load that passes the cache is of global memory");
                Line($"ld.global.nc.L1::no_allocate{Width(value)}.{MemoryType(value.Memory)} {_registers.Vector(value)}, [{_registers.Operand(value.Args[0])}{Offset(value.Bits)}]");
                return true;
            case Op.Store:
                string[] stored = [.. value.Args[1..].Select(item => value.Count > 1 ? InRegister(item) : _registers.Operand(item))];
                string source = value.Count > 1 ? $"{{{string.Join(", ", stored)}}}" : stored[0];
                Line($"st{Space(value.Args[0])}{Width(value)}.{MemoryType(value.Memory).Replace('s', 'u')} [{_registers.Operand(value.Args[0])}{Offset(value.Bits)}], {source}");
                return true;
            case Op.SharedAlloc or Op.LocalAlloc:
                Allocate(value);
                return true;
            case Op.DynamicShared:
                _usesDynamicShared = true;
                Line($"mov.u64 {_registers.Of(value)}, dynamic_shared");
                return true;
            case Op.Atomic:
                Atomic(value);
                return true;
            case Op.CopyAsync:
                Need(PtxTarget.Sm80, "an asynchronous copy");
                Line($"cp.async.cg.shared.global [{Shared(value.Args[0])}{Offset(value.Bits)}], [{_registers.Operand(value.Args[1])}], 16{(value.Args.Length > 2 ? ", " + _registers.Operand(value.Args[2]) : "")}");
                return true;
            case Op.CopyAsyncCommit:
                Line("cp.async.commit_group");
                return true;
            case Op.CopyAsyncWait:
                if (!value.Args[0].IsConst) throw new NotSupportedException("the number of groups to leave pending must be a constant");
                Line($"cp.async.wait_group {_registers.Operand(value.Args[0])}");
                return true;
            default:
                return false;
        }
    }

    private static string Width(Value value) => value.Count > 1 ? string.Create(CultureInfo.InvariantCulture, $".v{value.Count}") : "";

    private static string Space(Value pointer) => pointer.Space switch
    {
        AddressSpace.Global => ".global",
        AddressSpace.Shared => ".shared",
        AddressSpace.Local => ".local",
        _ => "",
    };

    private static string MemoryType(IrType type) => type switch
    {
        IrType.I8 => "s8",
        IrType.U8 => "u8",
        IrType.I16 => "s16",
        IrType.U16 => "u16",
        IrType.I32 => "b32",
        IrType.F32 => "f32",
        IrType.F64 => "f64",
        _ => "b64",
    };

    private string Shared(Value pointer) => pointer.Space == AddressSpace.Shared
        ? _registers.Operand(pointer)
        : throw new NotSupportedException("the view must be known to be shared memory");

    private void Allocate(Value value)
    {
        bool shared = value.Op == Op.SharedAlloc;
        if (value.Args[0] is not { IsConst: true, Bits: >= 0 } size)
            throw new NotSupportedException($"the length of {(shared ? "shared" : "local")} memory must be a constant; pass a SpecializedValue or use SharedMemory.GetDynamic");
        if (!_allocations.TryGetValue(value, out string? name))
        {
            _allocations[value] = name = string.Create(CultureInfo.InvariantCulture, $"{(shared ? "shared" : "local")}_{_allocations.Count}");
            _memory.Append(CultureInfo.InvariantCulture, $"    .{(shared ? "shared" : "local")} .align 16 .b8 {name}[{Math.Max(size.Bits, 1)}];\n");
            if (shared) SharedBytes = (SharedBytes + 15) / 16 * 16 + (int)size.Bits;
            if (SharedBytes > 48 * 1024) throw new NotSupportedException($"{SharedBytes} bytes of static shared memory; more than 48 KB must be dynamic (SharedMemory.GetDynamic)");
        }
        Line($"mov.u64 {_registers.Of(value)}, {name}");
    }

    private void Atomic(Value value)
    {
        var kind = (AtomicKind)value.Sub;
        if (value.Type.IsFloat() && kind != AtomicKind.Add) throw new NotSupportedException($"Atomic.{kind} of floats has no instruction");
        (string name, string type) = kind switch
        {
            AtomicKind.Add => ("add", value.Type.IsFloat() ? Signed(value.Type) : Unsigned(value.Type)),
            AtomicKind.Min => ("min", Signed(value.Type)),
            AtomicKind.Max => ("max", Signed(value.Type)),
            AtomicKind.MinU => ("min", Unsigned(value.Type)),
            AtomicKind.MaxU => ("max", Unsigned(value.Type)),
            AtomicKind.Exchange => ("exch", Bits(value.Type)),
            AtomicKind.CompareExchange => ("cas", Bits(value.Type)),
            _ => (kind.ToString().ToLowerInvariant(), Bits(value.Type)),
        };
        Line($"atom{Space(value.Args[0])}.{name}.{type} {_registers.Of(value)}, [{_registers.Operand(value.Args[0])}], {string.Join(", ", value.Args[1..].Select(_registers.Operand))}");
    }

    private bool GroupInstruction(Value value)
    {
        if (value.Op is not (Op.Barrier or Op.WarpBarrier or Op.BarrierReduce or Op.Fence or Op.Shuffle or Op.Vote or Op.LoadMatrix or Op.Mma)) return false;
        // What is exchanged must be a register; which lane, and the like, may be a constant.
        string[] args = [.. value.Args.Select((arg, i) => i == 0 || value.Op == Op.Mma ? InRegister(arg) : _registers.Operand(arg))];
        switch (value.Op)
        {
            case Op.Barrier: Line("bar.sync 0"); return true;
            case Op.WarpBarrier: Line($"bar.warp.sync {FullWarp}"); return true;
            case Op.BarrierReduce:
                Line((VoteKind)value.Sub switch
                {
                    VoteKind.Ballot => $"bar.red.popc.u32 {_registers.Of(value)}, 0, {args[0]}",
                    VoteKind.Any => $"bar.red.or.pred {_registers.Of(value)}, 0, {args[0]}",
                    _ => $"bar.red.and.pred {_registers.Of(value)}, 0, {args[0]}",
                });
                return true;
            case Op.Fence: Line(value.Sub switch { 0 => "membar.cta", 1 => "membar.gl", _ => "membar.sys" }); return true;
            case Op.Shuffle:
                string mode = (ShuffleKind)value.Sub switch { ShuffleKind.Index => "idx", ShuffleKind.Up => "up", ShuffleKind.Down => "down", _ => "bfly" };
                Line($"shfl.sync.{mode}.b32 {_registers.Of(value)}, {args[0]}, {args[1]}, {args[2]}, {FullWarp}");
                return true;
            case Op.Vote:
                string vote = (VoteKind)value.Sub switch { VoteKind.Ballot => "ballot.b32", VoteKind.Any => "any.pred", _ => "all.pred" };
                Line($"vote.sync.{vote} {_registers.Of(value)}, {args[0]}, {FullWarp}");
                return true;
            case Op.LoadMatrix:
                string form = value.Sub == 1 ? ".trans" : "";
                Line($"ldmatrix.sync.aligned.m8n8.x{value.Count}{form}.shared.b16 {_registers.Vector(value)}, [{Shared(value.Args[0])}{Offset(value.Bits)}]");
                return true;
            case Op.Mma:
                Need(PtxTarget.Sm80, "mma.m16n8k16");
                string type = value.Sub == 0 ? "bf16" : "f16";
                Line($"mma.sync.aligned.m16n8k16.row.col.f32.{type}.{type}.f32 {_registers.Vector(value)}, "
                    + $"{{{string.Join(", ", args[..4])}}}, {{{string.Join(", ", args[4..6])}}}, {{{string.Join(", ", args[6..])}}}");
                return true;
            default: return false;
        }
    }
}
