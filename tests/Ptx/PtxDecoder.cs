using System.Globalization;

namespace OllmNative.Tests.Ptx;

/// <summary>Instructions to what they do. An unknown one fails when the module is launched, reached or not.</summary>
internal sealed partial class PtxDecoder(PtxModule module, ulong[] arguments)
{
    public (Action<PtxThread>? Step, Action<PtxThread[]>? Warp) Decode(PtxInstruction instruction)
    {
        Action<PtxThread[]>? warp = Collective(instruction);
        if (warp is not null && instruction.Guard >= 0) throw new PtxException($"a guarded warp instruction: {instruction.Text}");
        if (warp is not null) return (null, warp);
        Action<PtxThread>? step = Control(instruction) ?? Hopper(instruction) ?? MemoryStep(instruction) ?? Arithmetic(instruction);
        return step is null ? throw new PtxException($"unknown instruction: {instruction.Text}") : (step, null);
    }

    private Action<PtxThread>? Control(PtxInstruction i)
    {
        switch (i.Op)
        {
            case PtxMutant.Nothing: return _ => { };
            case "ret": return t => t.Done = true;
            case "bra":
                int target = module.Labels[i.Operands[0].Name];
                // A loop of one instruction would look like no jump at all; the compiler never writes one.
                return t => t.Pc = target;
            case "bar.sync" or "bar.red.popc.u32" or "bar.red.or.pred" or "bar.red.and.pred": return t => t.Waiting = true;
            case "membar.cta" or "membar.gl" or "membar.sys":
                bool device = i.Op != "membar.cta";
                return t => t.Race?.Fence(device);
            case "cp.async.commit_group": return t => t.CommitCopies();
            case "cp.async.wait_group":
                int pending = (int)i.Operands[0].Bits;
                return t => t.WaitCopies(pending);
            default: return null;
        }
    }

    /// <summary>Reads an operand; 32-bit registers hold zero-extended bits.</summary>
    private Func<PtxThread, ulong> Source(PtxOperand operand, int bits = 64)
    {
        ulong mask = bits == 64 ? ulong.MaxValue : (1UL << bits) - 1;
        switch (operand.Kind)
        {
            case OperandKind.Register:
                int register = operand.Register;
                return bits == 64 ? t => t.R[register] : t => t.R[register] & mask;
            case OperandKind.Immediate:
                ulong constant = operand.Bits & mask;
                return _ => constant;
            case OperandKind.Name: return Named(operand.Name);
            default: throw new PtxException($"operand {operand.Name}");
        }
    }

    private Func<PtxThread, ulong> Named(string name)
    {
        if (module.Shared.TryGetValue(name, out long shared))
        {
            ulong address = shared >= 0 ? (ulong)shared : (ulong)((module.SharedBytes + 1023) / 1024 * 1024);
            return _ => address;
        }
        if (module.Local.TryGetValue(name, out long local)) return _ => (ulong)local;
        return name switch
        {
            "%tid.x" => t => (ulong)t.TidX,
            "%tid.y" => t => (ulong)t.TidY,
            "%tid.z" => t => (ulong)t.TidZ,
            "%ntid.x" => t => (ulong)t.Group.GroupDim.X,
            "%ntid.y" => t => (ulong)t.Group.GroupDim.Y,
            "%ntid.z" => t => (ulong)t.Group.GroupDim.Z,
            "%ctaid.x" => t => (ulong)t.Group.Index.X,
            "%ctaid.y" => t => (ulong)t.Group.Index.Y,
            "%ctaid.z" => t => (ulong)t.Group.Index.Z,
            "%nctaid.x" => t => (ulong)t.Group.GridDim.X,
            "%nctaid.y" => t => (ulong)t.Group.GridDim.Y,
            "%nctaid.z" => t => (ulong)t.Group.GridDim.Z,
            "%laneid" => t => (ulong)t.Lane,
            _ => throw new PtxException($"unknown name {name}"),
        };
    }

    private static Action<PtxThread, ulong> Target(PtxOperand operand)
    {
        if (operand.Kind != OperandKind.Register) throw new PtxException($"{operand.Name} cannot be written");
        int register = operand.Register;
        return (t, bits) => t.R[register] = bits;
    }

    private static int SizeOf(string type) => type switch
    {
        "pred" => 1,
        _ => int.Parse(type[1..], CultureInfo.InvariantCulture),
    };

    private Action<PtxThread>? MemoryStep(PtxInstruction i)
    {
        string[] p = i.Op.Split('.');
        return p[0] switch
        {
            "ld" when p[1] == "param" => LoadParameter(i, p[2]),
            "ld" => Load(i, p),
            "st" => Store(i, p),
            "atom" => Atomic(i, p),
            "cp" when i.Op == "cp.async.cg.shared.global" => Copy16(i),
            "cvta" => Generic(i, p),
            "mov" when module.Parameters.FindIndex(parameter => parameter.Name == i.Operands[1].Name) is >= 0 and var map => MapAddress(i, map),
            _ => null,
        };
    }

    private Action<PtxThread> LoadParameter(PtxInstruction i, string type)
    {
        int index = module.Parameters.FindIndex(parameter => parameter.Name == i.Operands[1].Name);
        if (index < 0 || SizeOf(module.Parameters[index].Type) != SizeOf(type)) throw new PtxException($"parameter in {i.Text}");
        ulong bits = Extend(arguments[index], type);
        Action<PtxThread, ulong> target = Target(i.Operands[0]);
        return t => target(t, bits);
    }

    /// <summary>The address of a tensor map in parameter memory; the argument is where its 128 bytes are.</summary>
    private Action<PtxThread> MapAddress(PtxInstruction i, int parameter)
    {
        if (i.Op != "mov.b64" || module.Parameters[parameter].Type != "b8") throw new PtxException(i.Text);
        (ulong address, Action<PtxThread, ulong> target) = (arguments[parameter], Target(i.Operands[0]));
        return t => target(t, address);
    }

    /// <summary>A loaded value in a register: signed types narrower than it are sign-extended to 32 bits.</summary>
    private static ulong Extend(ulong bits, string type) => type switch
    {
        "s8" => (uint)(sbyte)bits,
        "s16" => (uint)(short)bits,
        "u8" or "b8" => (byte)bits,
        "u16" or "b16" => (ushort)bits,
        "u32" or "s32" or "b32" or "f32" => (uint)bits,
        _ => bits,
    };

    private static (string Space, int Count, string Type) Form(string[] parts)
    {
        string space = parts[1] is "global" or "shared" or "local" ? parts[1] : "generic";
        int count = parts.Contains("v4") ? 4 : parts.Contains("v2") ? 2 : 1;
        return (space, count, parts[^1]);
    }

    private static Func<PtxThread, ulong> Address(PtxOperand operand)
    {
        if (operand.Kind != OperandKind.Memory || operand.Register < 0) throw new PtxException($"address {operand.Name}");
        (int register, ulong offset) = (operand.Register, operand.Bits);
        return t => t.R[register] + offset;
    }

    private static Action<PtxThread> Load(PtxInstruction i, string[] parts)
    {
        (string space, int count, string type) = Form(parts);
        int size = SizeOf(type) / 8;
        Func<PtxThread, ulong> address = Address(i.Operands[1]);
        Action<PtxThread, ulong>[] targets = [.. (count > 1 ? i.Operands[0].Items : [i.Operands[0]]).Select(Target)];
        if (targets.Length != count) throw new PtxException(i.Text);
        PtxAccess access = parts.Contains("nc") ? PtxAccess.ReadConstant : PtxAccess.Read;
        return t =>
        {
            Span<byte> memory = t.Memory(space, address(t), size * count, i.Text, access);
            for (int k = 0; k < count; k++) targets[k](t, Extend(PtxThread.Read(memory.Slice(k * size, size)), type));
        };
    }

    private Action<PtxThread> Store(PtxInstruction i, string[] parts)
    {
        (string space, int count, string type) = Form(parts);
        int size = SizeOf(type) / 8;
        Func<PtxThread, ulong> address = Address(i.Operands[0]);
        Func<PtxThread, ulong>[] sources = [.. (count > 1 ? i.Operands[1].Items : [i.Operands[1]]).Select(item => Source(item))];
        if (sources.Length != count) throw new PtxException(i.Text);
        return t =>
        {
            Span<byte> memory = t.Memory(space, address(t), size * count, i.Text, PtxAccess.Write);
            for (int k = 0; k < count; k++) PtxThread.Write(memory.Slice(k * size, size), sources[k](t));
        };
    }

    private Action<PtxThread> Copy16(PtxInstruction i)
    {
        Func<PtxThread, ulong> to = Address(i.Operands[0]), from = Address(i.Operands[1]);
        if (i.Operands[2].Bits != 16) throw new PtxException(i.Text);
        Func<PtxThread, ulong> bytes = i.Operands.Length > 3 ? Source(i.Operands[3], 32) : _ => 16;
        return t =>
        {
            (ulong target, ulong source, int count) = (to(t), from(t), (int)bytes(t));
            t.Memory("shared", target, 16, i.Text);
            if (count > 0) t.Memory("global", source, 16, i.Text);
            if (t.Race is { } race)
            {
                (RaceAgent agent, int time) = (t.Group.Race!.Copies(t.Linear), race.StartCopy());
                if (count > 0) t.Group.Watch!.TouchFor(t, agent, time, false, source, count, PtxAccess.Read);
                t.Group.Watch!.TouchFor(t, agent, time, true, target, 16, PtxAccess.Write);
            }
            t.StartCopy(() =>
            {
                Span<byte> memory = t.Memory("shared", target, 16, i.Text);
                memory.Clear();
                if (count > 0) t.Memory("global", source, 16, i.Text)[..count].CopyTo(memory);
            });
        };
    }

    private Action<PtxThread> Generic(PtxInstruction i, string[] parts)
    {
        Func<PtxThread, ulong> source = Source(i.Operands[1]);
        Action<PtxThread, ulong> target = Target(i.Operands[0]);
        string space = parts[1] == "to" ? "to" + parts[2] : parts[1];
        ulong add = space switch
        {
            "global" or "toglobal" or "param" => 0,
            "shared" => PtxThread.SharedWindow,
            "local" => PtxThread.LocalWindow,
            _ => throw new PtxException(i.Text),
        };
        return t => target(t, source(t) + add);
    }
}
