using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using OllmNative.Runtime.Compiler.Ir;

namespace OllmNative.Runtime.Compiler.Ptx;

/// <summary>An optimised kernel as PTX text: this part writes the frame, the blocks and the copies that phis stand for.</summary>
internal sealed partial class PtxEmitter
{
    private readonly KernelIr _kernel;
    private readonly PtxTarget _target;
    private readonly PtxRegisters _registers;
    private readonly StringBuilder _code = new(1 << 16);
    private readonly StringBuilder _memory = new();
    private readonly Dictionary<Value, string> _allocations = [];
    private bool _usesDynamicShared;

    private PtxEmitter(KernelIr kernel, PtxTarget target) => (_kernel, _target, _registers) = (kernel, target, new PtxRegisters(kernel.ValueCount));

    /// <summary>The text of the instructions so far.</summary>
    internal StringBuilder Code => _code;

    /// <summary>Bytes of static shared memory.</summary>
    public int SharedBytes { get; private set; }

    public static (string Text, int SharedBytes, bool DynamicShared) Emit(KernelIr kernel, PtxTarget target, int? maxThreads, int? minGroups)
    {
        SplitCriticalEdges(kernel);
        var emitter = new PtxEmitter(kernel, target);
        string text = emitter.Module(maxThreads, minGroups);
        return (text, emitter.SharedBytes, emitter._usesDynamicShared);
    }

    private string Module(int? maxThreads, int? minGroups)
    {
        new SumRegisters(_kernel, _registers).Assign();
        EntryValues();
        for (int i = 0; i < _kernel.Blocks.Count; i++) EmitBlock(_kernel.Blocks[i], i + 1 < _kernel.Blocks.Count ? _kernel.Blocks[i + 1] : null);
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $".version {(_bulkCopies ? "8.0" : _target.IsaVersion())}\n.target {_target.Name()}\n.address_size 64\n\n");
        if (_usesDynamicShared) text.Append(".extern .shared .align 1024 .b8 dynamic_shared[];\n\n");
        text.Append(CultureInfo.InvariantCulture, $".visible .entry {_kernel.Name}(\n");
        text.AppendJoin(",\n", _kernel.Parameters.Select((parameter, i) => parameter.Type == IrType.Map
            ? $"    .param .align 64 .b8 {ParameterName(i)}[128]"
            : $"    .param {ParameterType(parameter.Type)} {ParameterName(i)}"));
        text.Append("\n)\n");
        if (maxThreads is { } threads) text.Append(CultureInfo.InvariantCulture, $".maxntid {threads}, 1, 1\n");
        // setmaxnreg moves registers within what a launch has been given, which must be known.
        int? groups = minGroups ?? (_setsRegisters ? 1 : null);
        if (maxThreads is not null && groups is not null) text.Append(CultureInfo.InvariantCulture, $".minnctapersm {groups}\n");
        return text.Append("{\n").Append(_registers.Declarations()).Append(_memory).Append('\n').Append(_code).Append("}\n").ToString();
    }

    private string ParameterName(int index) => string.Create(CultureInfo.InvariantCulture, $"{_kernel.Name}_p{index}");

    private static string ParameterType(IrType type) => type switch
    {
        IrType.Ptr or IrType.I64 => ".u64",
        IrType.F32 => ".f32",
        IrType.F64 => ".f64",
        IrType.U8 or IrType.I8 => ".u8",
        IrType.U16 or IrType.I16 => ".u16",
        _ => ".u32",
    };

    /// <summary>Parameters and special registers that are used, read once at the top.</summary>
    private void EntryValues()
    {
        int used = _kernel.NewMark();
        var specials = new List<Value>();
        foreach (Block block in _kernel.Blocks)
        {
            foreach (Value phi in block.Phis) MarkAll(phi);
            foreach (Value value in block.Body) MarkAll(value);
            if (block.Condition is { } condition) Mark(condition);
        }
        foreach (Value parameter in _kernel.ParameterValues.Where(parameter => parameter.Mark == used))
        {
            if ((IrType)parameter.Sub == IrType.Map)
            {
                Line($"mov.b64 {_registers.Of(parameter)}, {ParameterName((int)parameter.Bits)}");
                Line($"cvta.param.u64 {_registers.Of(parameter)}, {_registers.Of(parameter)}");
                continue;
            }
            string type = (IrType)parameter.Sub is IrType.I8 or IrType.I16 ? ((IrType)parameter.Sub).Text().Replace('i', 's').Insert(0, ".") : ParameterType((IrType)parameter.Sub);
            Line($"ld.param{type} {_registers.Of(parameter)}, [{ParameterName((int)parameter.Bits)}]");
            if (parameter.Type == IrType.Ptr) Line($"cvta.to.global.u64 {_registers.Of(parameter)}, {_registers.Of(parameter)}");
        }
        foreach (Value special in specials.OrderBy(value => value.Sub))
            Line($"mov.u32 {_registers.Of(special)}, {SpecialName((SpecialRegister)special.Sub)}");

        void MarkAll(Value value)
        {
            foreach (Value arg in value.Args) Mark(arg);
        }

        void Mark(Value value)
        {
            if (value.Mark == used) return;
            value.Mark = used;
            if (value.Op == Op.Special) specials.Add(value);
        }
    }

    private static string SpecialName(SpecialRegister register)
    {
        if (register == SpecialRegister.LaneId) return "%laneid";
        string name = register.ToString().ToLowerInvariant();
        return $"%{name[..^1]}.{name[^1]}";
    }

    private void EmitBlock(Block block, Block? next)
    {
        if (block.Order > 0) _code.Append(Label(block)).Append(":\n");
        foreach (Value value in block.Body)
        {
            try
            {
                Instruction(value);
            }
            catch (NotSupportedException error)
            {
                KernelCompileException refused = value.Place?.Error(error.Message) ?? new KernelCompileException(error.Message, _kernel.Name, -1, null);
                refused.Needs = (error as TargetTooOldException)?.Least;
                throw refused;
            }
        }
        if (block.Then is null)
        {
            Line("ret");
            return;
        }
        if (block.Condition is { } condition)
        {
            // Critical edges are split: a block with two ways out has no phi copies to make.
            if (block.Then == next) Line($"@!{_registers.Operand(condition)} bra {Label(block.Else!)}");
            else Line($"@{_registers.Operand(condition)} bra {Label(block.Then)}");
            if (block.Else != next && block.Then != next) Line($"bra {Label(block.Else!)}");
            return;
        }
        CopyPhis(block, block.Then);
        if (block.Then != next) Line($"bra {Label(block.Then)}");
    }

    private static string Label(Block block) => string.Create(CultureInfo.InvariantCulture, $"$B{block.Order}");

    /// <summary>The copies of an edge happen at once: a phi that is also a source is saved first.</summary>
    private void CopyPhis(Block from, Block to)
    {
        if (to.Phis.Count == 0) return;
        var copies = new List<(string Target, string Source, IrType Type)>();
        int edge = Array.IndexOf(to.Phis[0].Incoming, from);
        foreach (Value phi in to.Phis)
        {
            // Most phis of a block list its predecessors in one order.
            if (edge >= phi.Incoming.Length || phi.Incoming[edge] != from) edge = Array.IndexOf(phi.Incoming, from);
            string target = _registers.Of(phi), source = _registers.Operand(phi.Args[edge]);
            if (source != target) copies.Add((target, source, phi.Type));
        }
        SaveOverwritten(copies);
        foreach ((string target, string source, IrType type) in copies) Move(type, target, source);
    }

    /// <summary>Where a copy's target is the source of a later one, that one reads a register in which the old value was saved.</summary>
    private void SaveOverwritten(List<(string Target, string Source, IrType Type)> copies)
    {
        // The last copy that reads a register.
        var readers = new Dictionary<string, int>(copies.Count);
        for (int i = 0; i < copies.Count; i++) readers[copies[i].Source] = i;
        for (int i = 0; i < copies.Count; i++)
        {
            (string target, _, IrType type) = copies[i];
            if (!readers.TryGetValue(target, out int last) || last <= i) continue;
            string saved = _registers.New(type);
            Move(type, saved, target);
            for (int j = i + 1; j < copies.Count; j++)
                if (copies[j].Source == target) copies[j] = (copies[j].Target, saved, copies[j].Type);
        }
    }

    private void Move(IrType type, string target, string source)
    {
        string suffix = type switch { IrType.I1 => "pred", IrType.I32 => "u32", IrType.F32 => "f32", IrType.F64 => "f64", _ => "u64" };
        Line($"mov.{suffix} {target}, {source}");
    }

    private void Line(string instruction) => _code.Append("    ").Append(instruction).Append(";\n");

    /// <summary>An interpolated instruction goes straight into the text; what stands in its holes must write no lines of its own.</summary>
    private void Line([InterpolatedStringHandlerArgument("")] ref PtxLine _) => _code.Append(";\n");

    /// <summary>Puts an empty block on each edge from a branch to a block with phis, as a place for the copies.</summary>
    private static void SplitCriticalEdges(KernelIr kernel)
    {
        ControlFlow.Analyse(kernel);
        foreach (Block block in kernel.Blocks.ToArray())
        {
            if (block.Condition is null) continue;
            foreach (Block target in block.Successors.Where(target => target.Phis.Count > 0).ToArray())
            {
                Block middle = kernel.NewBlock();
                middle.JumpTo(target);
                block.Retarget(target, middle);
                foreach (Value phi in target.Phis) phi.Incoming[Array.IndexOf(phi.Incoming, block)] = middle;
            }
        }
        ControlFlow.Analyse(kernel);
    }
}
