using System.Reflection;
using System.Reflection.Emit;
using OllmNative.Runtime.Extensions;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Ptx;

/// <summary>
/// Random kernels <c>static void G(ArrayView&lt;int&gt; ints, ArrayView&lt;float&gt; floats, int n, ArrayView&lt;int&gt; cells)</c> whose threads work together:
/// two static arrays and a dynamic one in shared memory, shuffles, votes, barriers and atomics, between calls of a function of
/// <see cref="RandomPrograms"/> that works on the thread's own part of shared memory. The order of the threads cannot matter: a phase either
/// writes, each thread its own slots, or reads any, or adds atomically in one way; barriers lie between, where all threads agree on the way there.
/// </summary>
internal sealed class RandomGroupPrograms
{
    /// <summary>Threads of a group: a warp and half of another.</summary>
    public const int Threads = 48;

    private const int Slots = 64, Own = 8;

    private static readonly string[] AtomicKinds = ["Add", "Min", "Max", "And", "Or", "Xor"];

    private readonly Random _random;
    private readonly ILGenerator _il;
    private readonly MethodBuilder _function;
    private readonly LocalBuilder _a, _b, _x, _y, _thread, _own, _shared, _floats, _dynamic;
    private readonly string _cellAtomic;

    private RandomGroupPrograms(Random random, ILGenerator il, MethodBuilder function)
    {
        (_random, _il, _function) = (random, il, function);
        (_a, _b, _thread) = (il.DeclareLocal(typeof(int)), il.DeclareLocal(typeof(int)), il.DeclareLocal(typeof(int)));
        (_x, _y) = (il.DeclareLocal(typeof(float)), il.DeclareLocal(typeof(float)));
        (_own, _shared, _dynamic) = (il.DeclareLocal(typeof(ArrayView<int>)), il.DeclareLocal(typeof(ArrayView<int>)), il.DeclareLocal(typeof(ArrayView<int>)));
        _floats = il.DeclareLocal(typeof(ArrayView<float>));
        _cellAtomic = AtomicKinds[random.Next(AtomicKinds.Length)];
    }

    /// <summary>Bytes of dynamic shared memory that a launch must give.</summary>
    public static int DynamicBytes => Slots * sizeof(int);

    /// <summary>An assembly with kernels G0 to G(count - 1) of the type Programs.</summary>
    public static Type Build(int seed, int count) => RandomPrograms.Build("RandomGroupPrograms", type =>
    {
        for (int i = 0; i < count; i++)
        {
            MethodBuilder function = RandomPrograms.Function(type, seed, i);
            MethodBuilder kernel = RandomPrograms.KernelMethod(type, $"G{i}");
            new RandomGroupPrograms(new Random(seed * 50_021 + i), kernel.GetILGenerator(), function).Kernel();
        }
    });

    private void Kernel()
    {
        Call(typeof(Group), "get_IdxX");
        _il.Emit(OpCodes.Stloc, _thread);
        Allocate<int>(_own, Threads * Own);
        Allocate<int>(_shared, Slots);
        Allocate<float>(_floats, Slots);
        _il.Emit(OpCodes.Call, typeof(SharedMemory).GetMethod("GetDynamic")!.MakeGenericMethod(typeof(int)));
        _il.Emit(OpCodes.Stloc, _dynamic);
        Element(0, false, _a);
        Element(0, true, _b);
        Element(1, false, _x);
        Element(1, true, _y);
        FillOwn();
        FillSlots();
        Call(typeof(Group), "Barrier");
        for (int i = _random.Next(3, 7); i > 0; i--) Phase(2);

        _il.Emit(OpCodes.Ldarga, 0);
        _il.Emit(OpCodes.Ldloc, _thread);
        Call(typeof(ArrayView<int>), "get_Item", typeof(int));
        _il.Emit(OpCodes.Ldloc, _a);
        _il.Emit(OpCodes.Ldloc, _b);
        _il.Emit(OpCodes.Xor);
        _il.Emit(OpCodes.Stind_I4);
        _il.Emit(OpCodes.Ldarga, 1);
        _il.Emit(OpCodes.Ldloc, _thread);
        Call(typeof(ArrayView<float>), "get_Item", typeof(int));
        _il.Emit(OpCodes.Ldloc, _x);
        _il.Emit(OpCodes.Ldloc, _y);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Stind_R4);
        _il.Emit(OpCodes.Ret);
    }

    /// <summary>What all threads of the group do together, and come out of together.</summary>
    private void Phase(int depth)
    {
        switch (_random.Next(depth > 0 ? 10 : 8))
        {
            case 0 or 1: Compute(); break;
            case 2 or 3: Exchange(); break;
            case 4: Atomics(); break;
            case 5: Shuffle(); break;
            case 6: Vote(); break;
            case 7: GlobalAtomic(); break;
            case 8: Branch(depth); break;
            default: Loop(depth); break;
        }
    }

    /// <summary>x = F(a, b, x, y, ref a, own part of shared memory): arithmetic, branches and loops of the thread's own.</summary>
    private void Compute()
    {
        foreach (LocalBuilder local in new[] { _a, _b, _x, _y }) _il.Emit(OpCodes.Ldloc, local);
        _il.Emit(OpCodes.Ldloca, _a);
        OwnPart();
        _il.Emit(OpCodes.Call, _function);
        _il.Emit(OpCodes.Stloc, _random.Next(2) == 0 ? _x : _y);
    }

    /// <summary>Writes to own slots, a barrier, reads of any, a barrier.</summary>
    private void Exchange()
    {
        FillSlots();
        Call(typeof(Group), "Barrier");
        for (int i = _random.Next(1, 4); i > 0; i--)
        {
            switch (_random.Next(3))
            {
                case 0:
                    Slot(_floats, typeof(float));
                    _il.Emit(OpCodes.Ldind_R4);
                    _il.Emit(OpCodes.Ldloc, _y);
                    _il.Emit(OpCodes.Sub);
                    _il.Emit(OpCodes.Stloc, _y);
                    break;
                case 1:
                    Slot(_random.Next(2) == 0 ? _shared : _dynamic, typeof(int));
                    _il.Emit(OpCodes.Ldind_I4);
                    Into(_b, OpCodes.Add);
                    break;
                default:
                    OfAnyOwner();
                    _il.Emit(OpCodes.Ldind_I4);
                    Into(_a, OpCodes.Xor);
                    break;
            }
        }
        Call(typeof(Group), "Barrier");
    }

    /// <summary>All threads change any slots of an array in one way; in the end the order does not show.</summary>
    private void Atomics()
    {
        LocalBuilder array = _random.Next(2) == 0 ? _shared : _dynamic;
        string kind = AtomicKinds[_random.Next(AtomicKinds.Length)];
        for (int i = _random.Next(1, 3); i > 0; i--)
        {
            Slot(array, typeof(int));
            _il.Emit(OpCodes.Ldloc, _random.Next(2) == 0 ? _a : _b);
            _il.Emit(OpCodes.Call, typeof(Atomic).GetMethod(kind, [typeof(int).MakeByRefType(), typeof(int)])!);
            _il.Emit(OpCodes.Pop); // what was there before depends on the order
        }
        Call(typeof(Group), "Barrier");
        Slot(array, typeof(int));
        _il.Emit(OpCodes.Ldind_I4);
        Into(_b, OpCodes.Xor);
        Call(typeof(Group), "Barrier");
    }

    private void GlobalAtomic()
    {
        _il.Emit(OpCodes.Ldarga, 3);
        Index(7);
        Call(typeof(ArrayView<int>), "get_Item", typeof(int));
        _il.Emit(OpCodes.Ldloc, _b);
        _il.Emit(OpCodes.Call, typeof(Atomic).GetMethod(_cellAtomic, [typeof(int).MakeByRefType(), typeof(int)])!);
        _il.Emit(OpCodes.Pop);
    }

    private void Shuffle()
    {
        // The last warp has 16 threads: lanes that there are in every warp.
        bool isInt = _random.Next(2) == 0;
        (LocalBuilder local, Type type) = isInt ? (_a, typeof(int)) : (_x, typeof(float));
        _il.Emit(OpCodes.Ldloc, local);
        string name = new[] { "Shuffle", "ShuffleXor", "ShuffleUp" }[_random.Next(3)];
        if (name == "Shuffle") Index(15);
        else _il.Emit(OpCodes.Ldc_I4, _random.Next(16));
        _il.Emit(OpCodes.Call, typeof(Warp).GetMethods().Single(m => m.Name == name && m.GetParameters().Length == 2).MakeGenericMethod(type));
        if (isInt)
        {
            Into(_b, OpCodes.Sub);
        }
        else
        {
            _il.Emit(OpCodes.Ldloc, _y);
            _il.Emit(OpCodes.Mul);
            _il.Emit(OpCodes.Stloc, _y);
        }
    }

    private void Vote()
    {
        _il.Emit(OpCodes.Ldloc, _a);
        _il.Emit(OpCodes.Ldloc, _b);
        _il.Emit(_random.Next(2) == 0 ? OpCodes.Clt : OpCodes.Cgt);
        (Type type, string name) = _random.Next(6) switch
        {
            0 => (typeof(WarpVote), "Ballot"),
            1 => (typeof(WarpVote), "Any"),
            2 => (typeof(WarpVote), "All"),
            3 => (typeof(Group), "BarrierPopCount"),
            4 => (typeof(Group), "BarrierAnd"),
            _ => (typeof(Group), "BarrierOr"),
        };
        Call(type, name);
        Into(_a, OpCodes.Add);
    }

    /// <summary>On the argument n, which all threads have alike.</summary>
    private void Branch(int depth)
    {
        Label otherwise = _il.DefineLabel(), end = _il.DefineLabel();
        _il.Emit(OpCodes.Ldarg_2);
        _il.Emit(OpCodes.Ldc_I4, 1 << _random.Next(3));
        _il.Emit(OpCodes.And);
        _il.Emit(OpCodes.Brfalse, otherwise);
        Phase(depth - 1);
        _il.Emit(OpCodes.Br, end);
        _il.MarkLabel(otherwise);
        if (_random.Next(2) == 0) Phase(depth - 1);
        _il.MarkLabel(end);
    }

    private void Loop(int depth)
    {
        LocalBuilder counter = _il.DeclareLocal(typeof(int));
        Label test = _il.DefineLabel(), body = _il.DefineLabel();
        _il.Emit(OpCodes.Ldc_I4_0);
        _il.Emit(OpCodes.Stloc, counter);
        _il.Emit(OpCodes.Br, test);
        _il.MarkLabel(body);
        Phase(depth - 1);
        _il.Emit(OpCodes.Ldloc, counter);
        _il.Emit(OpCodes.Ldc_I4_1);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Stloc, counter);
        _il.MarkLabel(test);
        _il.Emit(OpCodes.Ldloc, counter);
        if (_random.Next(2) == 0)
        {
            _il.Emit(OpCodes.Ldc_I4, _random.Next(1, 4));
        }
        else
        {
            _il.Emit(OpCodes.Ldarg_2);
            _il.Emit(OpCodes.Ldc_I4_3);
            _il.Emit(OpCodes.And);
        }
        _il.Emit(OpCodes.Blt, body);
    }

    private void FillOwn()
    {
        for (int i = 0; i < Own; i++)
        {
            _il.Emit(OpCodes.Ldloca, _own);
            _il.Emit(OpCodes.Ldloc, _thread);
            _il.Emit(OpCodes.Ldc_I4, Own);
            _il.Emit(OpCodes.Mul);
            _il.Emit(OpCodes.Ldc_I4, i);
            _il.Emit(OpCodes.Add);
            Call(typeof(ArrayView<int>), "get_Item", typeof(int));
            _il.Emit(OpCodes.Ldloc, _random.Next(2) == 0 ? _a : _b);
            _il.Emit(OpCodes.Ldc_I4, _random.Next(-50, 50));
            _il.Emit(OpCodes.Add);
            _il.Emit(OpCodes.Stind_I4);
        }
    }

    /// <summary>Each thread writes its slots of the three arrays: thread * odd + offset, which no two threads have alike; the first ones write what is left.</summary>
    private void FillSlots()
    {
        Write(_shared, typeof(int), _a);
        Write(_dynamic, typeof(int), _b);
        Write(_floats, typeof(float), _x);
    }

    private void Write(LocalBuilder array, Type type, LocalBuilder value)
    {
        int odd = 2 * _random.Next(32) + 1, offset = _random.Next(Slots);
        Label rest = _il.DefineLabel();
        Permuted(array, type, odd, offset, 0);
        _il.Emit(OpCodes.Ldloc, value);
        _il.Emit(type == typeof(int) ? OpCodes.Stind_I4 : OpCodes.Stind_R4);
        _il.Emit(OpCodes.Ldloc, _thread);
        _il.Emit(OpCodes.Ldc_I4, Slots - Threads);
        _il.Emit(OpCodes.Bge, rest);
        Permuted(array, type, odd, offset, Threads);
        _il.Emit(OpCodes.Ldloc, value);
        _il.Emit(type == typeof(int) ? OpCodes.Stind_I4 : OpCodes.Stind_R4);
        _il.MarkLabel(rest);
    }

    private void Permuted(LocalBuilder array, Type type, int odd, int offset, int first)
    {
        _il.Emit(OpCodes.Ldloca, array);
        _il.Emit(OpCodes.Ldloc, _thread);
        _il.Emit(OpCodes.Ldc_I4, first);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Ldc_I4, odd);
        _il.Emit(OpCodes.Mul);
        _il.Emit(OpCodes.Ldc_I4, offset);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Ldc_I4, Slots - 1);
        _il.Emit(OpCodes.And);
        Call(typeof(ArrayView<>).MakeGenericType(type), "get_Item", typeof(int));
    }

    /// <summary>A reference to a slot that a value chooses, sometimes of a sub-view.</summary>
    private void Slot(LocalBuilder array, Type type)
    {
        Type view = typeof(ArrayView<>).MakeGenericType(type);
        _il.Emit(OpCodes.Ldloca, array);
        if (_random.Next(2) == 0)
        {
            LocalBuilder part = _il.DeclareLocal(view);
            Index(Slots / 2 - 1);
            _il.Emit(OpCodes.Ldc_I4, Slots / 2);
            Call(view, "SubView", typeof(int), typeof(int));
            _il.Emit(OpCodes.Stloc, part);
            _il.Emit(OpCodes.Ldloca, part);
            Index(Slots / 2 - 1);
        }
        else
        {
            Index(Slots - 1);
        }
        Call(view, "get_Item", typeof(int));
    }

    /// <summary>A reference to any thread's own part.</summary>
    private void OfAnyOwner()
    {
        _il.Emit(OpCodes.Ldloca, _own);
        Index(255);
        Call(typeof(ArrayView<int>), "get_Item", typeof(int));
    }

    private void OwnPart()
    {
        _il.Emit(OpCodes.Ldloca, _own);
        _il.Emit(OpCodes.Ldloc, _thread);
        _il.Emit(OpCodes.Ldc_I4, Own);
        _il.Emit(OpCodes.Mul);
        _il.Emit(OpCodes.Ldc_I4, Own);
        Call(typeof(ArrayView<int>), "SubView", typeof(int), typeof(int));
    }

    /// <summary>A value's last bits, or the thread's neighbours.</summary>
    private void Index(int mask)
    {
        _il.Emit(OpCodes.Ldloc, new[] { _a, _b, _thread }[_random.Next(3)]);
        _il.Emit(OpCodes.Ldc_I4, _random.Next(-3, 40));
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Ldc_I4, mask);
        _il.Emit(OpCodes.And);
    }

    private void Into(LocalBuilder local, OpCode op)
    {
        _il.Emit(OpCodes.Ldloc, local);
        _il.Emit(op);
        _il.Emit(OpCodes.Stloc, local);
    }

    private void Allocate<T>(LocalBuilder local, int count)
    {
        _il.Emit(OpCodes.Ldc_I4, count);
        _il.Emit(OpCodes.Call, typeof(SharedMemory).GetMethod("Allocate", [typeof(int)])!.MakeGenericMethod(typeof(T)));
        _il.Emit(OpCodes.Stloc, local);
    }

    private void Element(int view, bool second, LocalBuilder into)
    {
        _il.Emit(OpCodes.Ldarga, view);
        _il.Emit(OpCodes.Ldloc, _thread);
        if (second)
        {
            _il.Emit(OpCodes.Ldc_I4, Threads);
            _il.Emit(OpCodes.Add);
        }
        Call(view == 0 ? typeof(ArrayView<int>) : typeof(ArrayView<float>), "get_Item", typeof(int));
        _il.Emit(view == 0 ? OpCodes.Ldind_I4 : OpCodes.Ldind_R4);
        _il.Emit(OpCodes.Stloc, into);
    }

    private void Call(Type type, string name, params Type[] parameters) =>
        _il.Emit(OpCodes.Call, parameters.Length == 0 ? type.GetMethod(name)! : type.GetMethod(name, parameters)!);
}
