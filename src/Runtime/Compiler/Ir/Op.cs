namespace OllmNative.Runtime.Compiler.Ir;

/// <summary>What a value does. Operand order is that of the comment; "sub" names the meaning of <see cref="Value.Sub"/>.</summary>
internal enum Op : byte
{
    // Without a place in a block.
    Const, Param, Special, Undefined,
    // Integers and floats.
    Add, Sub, Mul, Div, Rem, Neg, Min, Max, Abs,
    // Integers only; the U forms read their operands as unsigned.
    DivU, RemU, MinU, MaxU, And, Or, Xor, Not, Shl, Shr, ShrU, PopCount, LeadingZeros, ReverseBits, MulWide, MulWideU,
    // Floats only. Fma: a*b+c, rounded once.
    // Rcp, sub: Ops.Rounded for 1 / x as IEEE rounds it, else approximate. Exp2, sub: Ops.Flushed where subnormal numbers may count as 0.
    Fma, Sqrt, Rsqrt, Rcp, Exp2, Sin, Cos, Floor, Ceiling, Truncate, RoundEven,
    // Sub: CompareKind. Select: condition, then, else.
    Compare, Select,
    // Conversions. Narrow, sub: the IrType to which an I32 is cut and extended again.
    SignExtend, ZeroExtend, Cut, Narrow, FromSigned, FromUnsigned, ToSigned, ToUnsigned, FloatToFloat, Bits,
    HalfToFloat, FloatToHalf, FloatToBFloat, PackBFloats,
    // Pointers. PtrAdd: pointer, byte offset (I64). Allocations take their size in bytes as operand (a constant in the end).
    PtrAdd, PtrToInt, SharedAlloc, LocalAlloc, DynamicShared, ToGeneric,
    // Memory. Sub: element IrType; Bits: byte offset. Count > 1: vector forms. LoadOnce: past the cache, of what nobody writes.
    Load, LoadOnce, Store,
    // Sub: AtomicKind; pointer, value [, compare first for CompareExchange: pointer, compare, value].
    Atomic,
    // Group and warp. Shuffle sub: ShuffleKind; value, lane, clamp word. Vote sub: VoteKind. BarrierReduce sub: VoteKind (Ballot = count).
    Barrier, BarrierReduce, WarpBarrier, Fence, Shuffle, Vote,
    // Asynchronous copies (shared, global), sub: bytes; and tensor cores, sub: form.
    CopyAsync, CopyAsyncCommit, CopyAsyncWait, LoadMatrix, Mma,
    // sm_90. Hopper sub: HopperKind. Wgmma sub: WgmmaForm; a, descriptor b, accumulate, sums; Count sums. a: a descriptor, or four registers and B of rows.
    Hopper, Wgmma,
    // Element number Bits of a value with Count > 1.
    Extract,
    Phi,
}

/// <summary>U: unsigned for integers, "or unordered" for floats.</summary>
internal enum CompareKind { Eq, Ne, Lt, Le, Gt, Ge, LtU, LeU, GtU, GeU, EqU, NeU }

internal enum SpecialRegister { TidX, TidY, TidZ, NtidX, NtidY, NtidZ, CtaidX, CtaidY, CtaidZ, NctaidX, NctaidY, NctaidZ, LaneId }

internal enum AtomicKind { Add, Min, Max, MinU, MaxU, And, Or, Xor, Exchange, CompareExchange }

/// <summary>From ProductFence on: sm_90a.</summary>
internal enum HopperKind
{
    BarrierInit, BarrierArrive, BarrierArriveExpect, BarrierWait, FenceProxyAsync, TensorCopy, GridWait, GridLaunch,
    ProductFence, ProductCommit, ProductWait, IncreaseRegisters, DecreaseRegisters,
}

internal enum ShuffleKind { Index, Up, Down, Xor }

internal enum VoteKind { Ballot, Any, All }

internal static class Ops
{
    /// <summary>Variants of Rcp and Exp2.</summary>
    public const int Rounded = 1, Flushed = 1;

    /// <summary>Ops that only compute: they may be shared, moved and dropped.</summary>
    public static bool IsPure(this Op op) => op is (>= Op.Add and <= Op.PtrToInt) or Op.ToGeneric or Op.Extract;

    /// <summary>Ops that may be dropped when nobody reads their result.</summary>
    public static bool IsDroppable(this Op op) => op.IsPure() || op is Op.Load or Op.LoadOnce or Op.Phi or Op.SharedAlloc or Op.LocalAlloc or Op.DynamicShared;

    /// <summary>Values that live outside blocks.</summary>
    public static bool IsFloating(this Op op) => op <= Op.Undefined;

    public static bool IsCommutative(this Op op) => op is Op.Add or Op.Mul or Op.And or Op.Or or Op.Xor or Op.Min or Op.Max or Op.MinU or Op.MaxU or Op.MulWide or Op.MulWideU;

    public static CompareKind Inverse(this CompareKind kind, bool isFloat) => kind switch
    {
        CompareKind.Eq => isFloat ? CompareKind.NeU : CompareKind.Ne,
        CompareKind.Ne => isFloat ? CompareKind.EqU : CompareKind.Eq,
        CompareKind.EqU => CompareKind.Ne,
        CompareKind.NeU => CompareKind.Eq,
        CompareKind.Lt => isFloat ? CompareKind.GeU : CompareKind.Ge,
        CompareKind.Le => isFloat ? CompareKind.GtU : CompareKind.Gt,
        CompareKind.Gt => isFloat ? CompareKind.LeU : CompareKind.Le,
        CompareKind.Ge => isFloat ? CompareKind.LtU : CompareKind.Lt,
        CompareKind.LtU => isFloat ? CompareKind.Ge : CompareKind.GeU,
        CompareKind.LeU => isFloat ? CompareKind.Gt : CompareKind.GtU,
        CompareKind.GtU => isFloat ? CompareKind.Le : CompareKind.LeU,
        _ => isFloat ? CompareKind.Lt : CompareKind.LtU,
    };
}
