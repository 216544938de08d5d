using System.Globalization;
using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Ptx;

/// <summary>Instructions of sm_90 and sm_90a.</summary>
internal sealed partial class PtxEmitter
{
    private int _waits;
    private bool _setsRegisters;

    // Tensor copies and what goes with them are of PTX ISA 8.0, also for sm_90.
    private bool _bulkCopies;

    private bool HopperInstruction(Value value)
    {
        if (value.Op == Op.Wgmma)
        {
            Product(value);
            return true;
        }
        if (value.Op != Op.Hopper) return false;
        var kind = (HopperKind)value.Sub;
        // Before sm_90 a kernel starts when its predecessor has ended: there is nothing to wait for.
        if (kind is HopperKind.GridWait or HopperKind.GridLaunch && _target < PtxTarget.Sm90) return true;
        Need(kind >= HopperKind.ProductFence ? PtxTarget.Sm90a : PtxTarget.Sm90, $"{kind}");
        _bulkCopies |= kind is HopperKind.BarrierArriveExpect or HopperKind.FenceProxyAsync or HopperKind.TensorCopy;
        switch (kind)
        {
            case HopperKind.BarrierInit: Line($"mbarrier.init.shared::cta.b64 [{Shared(value.Args[0])}], {Argument(value, 1)}"); break;
            case HopperKind.BarrierArrive: Line($"mbarrier.arrive.shared::cta.b64 _, [{Shared(value.Args[0])}]"); break;
            case HopperKind.BarrierArriveExpect: Line($"mbarrier.arrive.expect_tx.shared::cta.b64 _, [{Shared(value.Args[0])}], {Argument(value, 1)}"); break;
            case HopperKind.BarrierWait: WaitAtBarrier(value); break;
            case HopperKind.FenceProxyAsync: Line("fence.proxy.async"); break;
            case HopperKind.TensorCopy:
                string place = $"{{{InRegister(value.Args[2])}, {InRegister(value.Args[3])}}}";
                Line("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
                    + $"[{Shared(value.Args[0])}], [{Argument(value, 1)}, {place}], [{Shared(value.Args[4])}]");
                break;
            case HopperKind.GridWait: Line("griddepcontrol.wait"); break;
            case HopperKind.GridLaunch: Line("griddepcontrol.launch_dependents"); break;
            case HopperKind.ProductFence: Line("wgmma.fence.sync.aligned"); break;
            case HopperKind.ProductCommit: Line("wgmma.commit_group.sync.aligned"); break;
            case HopperKind.ProductWait: Line($"wgmma.wait_group.sync.aligned {Constant(value, "the number of groups to leave pending")}"); break;
            default:
                string change = kind == HopperKind.IncreaseRegisters ? "inc" : "dec";
                Line($"setmaxnreg.{change}.sync.aligned.u32 {Constant(value, "a number of registers")}");
                _setsRegisters = true;
                break;
        }
        return true;
    }

    private string Argument(Value value, int index) => _registers.Operand(value.Args[index]);

    private static string Constant(Value value, string what) => value.Args[0].IsConst
        ? value.Args[0].Bits.ToString(CultureInfo.InvariantCulture)
        : throw new NotSupportedException($"{what} must be a constant");

    /// <summary>try_wait sleeps for a while and says whether the phase has ended.</summary>
    private void WaitAtBarrier(Value value)
    {
        string label = string.Create(CultureInfo.InvariantCulture, $"$W{_waits++}"), done = _registers.New(IrType.I1);
        _code.Append(label).Append(":\n");
        Line($"mbarrier.try_wait.parity.shared::cta.b64 {done}, [{Shared(value.Args[0])}], {Argument(value, 1)}");
        Line($"@!{done} bra {label}");
    }

    /// <summary>The instruction adds to its registers in place: what the sums were before is copied to them unless it is there already.</summary>
    private void Product(Value value)
    {
        Need(PtxTarget.Sm90a, "a product of a warp group");
        ArraySegment<Value> before = SumRegisters.Before(value);
        string[] inputs = [.. value.Args[..before.Offset].Select(InRegister)];
        // A product that begins its sums reads none, and a copy between it and the fence before it would be an access that the fence does not order.
        bool begins = value.Args[before.Offset - 1].IsConstant(0);
        for (int i = 0; i < value.Count && !begins; i++)
        {
            string target = _registers.Of(value, i), source = _registers.Operand(before[i]);
            if (target != source) Move(IrType.F32, target, source);
        }
        // Signs of A and B, then which of those in shared memory are transposed: A in registers has no such bit.
        string operands = inputs.Length == 3
            ? string.Create(CultureInfo.InvariantCulture, $"{inputs[0]}, {inputs[1]}, {inputs[2]}, 1, 1, {WgmmaForm.TransposeA(value.Sub)}, {WgmmaForm.TransposeB(value.Sub)}")
            : $"{{{string.Join(", ", inputs[..4])}}}, {inputs[4]}, {inputs[5]}, 1, 1, 1";
        Line(string.Create(CultureInfo.InvariantCulture, $"wgmma.mma_async.sync.aligned.m64n{WgmmaForm.N(value.Sub)}k16.f32.bf16.bf16 {_registers.Vector(value)}, {operands}"));
    }
}
