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
internal sealed class RandomGroupPrograms : RandomIl
{
    /// <summary>Threads of a group: a warp and half of another.</summary>
    public const int Threads = 48;

    private const int Slots = 64, Own = 8;

    private static readonly string[] AtomicKinds = ["Add", "Min", "Max", "And", "Or", "Xor"];

    private readonly MethodBuilder _function;
    private readonly LocalBuilder _a, _b, _x, _y, _thread, _own, _shared, _floats, _dynamic;
    private readonly string _cellAtomic;

    private RandomGroupPrograms(Random random, ILGenerator il, MethodBuilder function) : base(random, il)
    {
        _function = function;
        (_a, _b, _thread) = (il.DeclareLocal(typeof(int)), il.DeclareLocal(typeof(int)), il.DeclareLocal(typeof(int)));
        (_x, _y) = (il.DeclareLocal(typeof(float)), il.DeclareLocal(typeof(float)));
        (_own, _shared, _dynamic) = (il.DeclareLocal(typeof(ArrayView<int>)), il.DeclareLocal(typeof(ArrayView<int>)), il.DeclareLocal(typeof(ArrayView<int>)));
        _floats = il.DeclareLocal(typeof(ArrayView<float>));
        _cellAtomic = AtomicKinds[random.Next(AtomicKinds.Length)];
    }

    /// <summary>Bytes of dynamic shared memory that a launch must give.</summary>
    public static int DynamicBytes => Slots * sizeof(int);

    /// <summary>An assembly with kernels G0 to G(count - 1) of the type Programs.</summary>
    public static Type Build(int seed, int count) => Build("RandomGroupPrograms", type =>
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
        Store(_thread);
        Allocate<int>(_own, Threads * Own);
        Allocate<int>(_shared, Slots);
        Allocate<float>(_floats, Slots);
        Il.Emit(OpCodes.Call, typeof(SharedMemory).GetMethod("GetDynamic")!.MakeGenericMethod(typeof(int)));
        Store(_dynamic);
        Read(0, false, _a);
        Read(0, true, _b);
        Read(1, false, _x);
        Read(1, true, _y);
        FillOwn();
        FillSlots();
        Call(typeof(Group), "Barrier");
        for (int i = Random.Next(3, 7); i > 0; i--) Phase(2);

        Il.Emit(OpCodes.Ldarga, 0);
        Load(_thread);
        Element(typeof(int));
        Load(_a);
        Load(_b);
        Il.Emit(OpCodes.Xor);
        Il.Emit(OpCodes.Stind_I4);
        Il.Emit(OpCodes.Ldarga, 1);
        Load(_thread);
        Element(typeof(float));
        Load(_x);
        Load(_y);
        Il.Emit(OpCodes.Add);
        Il.Emit(OpCodes.Stind_R4);
        Il.Emit(OpCodes.Ret);
    }

    /// <summary>What all threads of the group do together, and come out of together.</summary>
    private void Phase(int depth)
    {
        switch (Random.Next(depth > 0 ? 10 : 8))
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
        foreach (LocalBuilder local in new[] { _a, _b, _x, _y }) Load(local);
        Il.Emit(OpCodes.Ldloca, _a);
        OwnPart();
        Il.Emit(OpCodes.Call, _function);
        Store(Coin() ? _x : _y);
    }

    /// <summary>Writes to own slots, a barrier, reads of any, a barrier.</summary>
    private void Exchange()
    {
        FillSlots();
        Call(typeof(Group), "Barrier");
        for (int i = Random.Next(1, 4); i > 0; i--)
        {
            switch (Random.Next(3))
            {
                case 0:
                    Slot(_floats, typeof(float));
                    Il.Emit(OpCodes.Ldind_R4);
                    Load(_y);
                    Il.Emit(OpCodes.Sub);
                    Store(_y);
                    break;
                case 1:
                    Slot(Coin() ? _shared : _dynamic, typeof(int));
                    Il.Emit(OpCodes.Ldind_I4);
                    Into(_b, OpCodes.Add);
                    break;
                default:
                    OfAnyOwner();
                    Il.Emit(OpCodes.Ldind_I4);
                    Into(_a, OpCodes.Xor);
                    break;
            }
        }
        Call(typeof(Group), "Barrier");
    }

    /// <summary>All threads change any slots of an array in one way; in the end the order does not show.</summary>
    private void Atomics()
    {
        LocalBuilder array = Coin() ? _shared : _dynamic;
        string kind = AtomicKinds[Random.Next(AtomicKinds.Length)];
        for (int i = Random.Next(1, 3); i > 0; i--)
        {
            Slot(array, typeof(int));
            Load(Coin() ? _a : _b);
            Il.Emit(OpCodes.Call, typeof(Atomic).GetMethod(kind, [typeof(int).MakeByRefType(), typeof(int)])!);
            Il.Emit(OpCodes.Pop); // what was there before depends on the order
        }
        Call(typeof(Group), "Barrier");
        Slot(array, typeof(int));
        Il.Emit(OpCodes.Ldind_I4);
        Into(_b, OpCodes.Xor);
        Call(typeof(Group), "Barrier");
    }

    private void GlobalAtomic()
    {
        Il.Emit(OpCodes.Ldarga, 3);
        Index(7);
        Element(typeof(int));
        Load(_b);
        Il.Emit(OpCodes.Call, typeof(Atomic).GetMethod(_cellAtomic, [typeof(int).MakeByRefType(), typeof(int)])!);
        Il.Emit(OpCodes.Pop);
    }

    private void Shuffle()
    {
        // The last warp has 16 threads: lanes that there are in every warp.
        bool isInt = Coin();
        (LocalBuilder local, Type type) = isInt ? (_a, typeof(int)) : (_x, typeof(float));
        Load(local);
        string name = new[] { "Shuffle", "ShuffleXor", "ShuffleUp" }[Random.Next(3)];
        if (name == "Shuffle") Index(15);
        else Constant(Random.Next(16));
        Il.Emit(OpCodes.Call, typeof(Warp).GetMethods().Single(m => m.Name == name && m.GetParameters().Length == 2).MakeGenericMethod(type));
        if (isInt)
        {
            Into(_b, OpCodes.Sub);
        }
        else
        {
            Load(_y);
            Il.Emit(OpCodes.Mul);
            Store(_y);
        }
    }

    private void Vote()
    {
        Load(_a);
        Load(_b);
        Il.Emit(Coin() ? OpCodes.Clt : OpCodes.Cgt);
        (Type type, string name) = Random.Next(6) switch
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
    private void Branch(int depth) => Either(
        otherwise =>
        {
            Il.Emit(OpCodes.Ldarg_2);
            Mask(1 << Random.Next(3));
            Il.Emit(OpCodes.Brfalse, otherwise);
        },
        () => Phase(depth - 1),
        () =>
        {
            if (Coin()) Phase(depth - 1);
        });

    private void Loop(int depth) => For(
        _ => Phase(depth - 1),
        () =>
        {
            if (Coin())
            {
                Constant(Random.Next(1, 4));
                return;
            }
            Il.Emit(OpCodes.Ldarg_2);
            Mask(3);
        });

    private void FillOwn()
    {
        for (int i = 0; i < Own; i++)
        {
            Il.Emit(OpCodes.Ldloca, _own);
            Load(_thread);
            Constant(Own);
            Il.Emit(OpCodes.Mul);
            Constant(i);
            Il.Emit(OpCodes.Add);
            Element(typeof(int));
            Load(Coin() ? _a : _b);
            Constant(Random.Next(-50, 50));
            Il.Emit(OpCodes.Add);
            Il.Emit(OpCodes.Stind_I4);
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
        int odd = 2 * Random.Next(32) + 1, offset = Random.Next(Slots);
        Label rest = Il.DefineLabel();
        Permuted(array, type, odd, offset, 0);
        Load(value);
        Il.Emit(type == typeof(int) ? OpCodes.Stind_I4 : OpCodes.Stind_R4);
        Load(_thread);
        Constant(Slots - Threads);
        Il.Emit(OpCodes.Bge, rest);
        Permuted(array, type, odd, offset, Threads);
        Load(value);
        Il.Emit(type == typeof(int) ? OpCodes.Stind_I4 : OpCodes.Stind_R4);
        Il.MarkLabel(rest);
    }

    private void Permuted(LocalBuilder array, Type type, int odd, int offset, int first)
    {
        Il.Emit(OpCodes.Ldloca, array);
        Load(_thread);
        Constant(first);
        Il.Emit(OpCodes.Add);
        Constant(odd);
        Il.Emit(OpCodes.Mul);
        Constant(offset);
        Il.Emit(OpCodes.Add);
        Mask(Slots - 1);
        Element(type);
    }

    /// <summary>A reference to a slot that a value chooses, sometimes of a sub-view.</summary>
    private void Slot(LocalBuilder array, Type type)
    {
        Type view = typeof(ArrayView<>).MakeGenericType(type);
        Il.Emit(OpCodes.Ldloca, array);
        if (Coin())
        {
            LocalBuilder part = Il.DeclareLocal(view);
            Index(Slots / 2 - 1);
            Constant(Slots / 2);
            Call(view, "SubView", typeof(int), typeof(int));
            Store(part);
            Il.Emit(OpCodes.Ldloca, part);
            Index(Slots / 2 - 1);
        }
        else
        {
            Index(Slots - 1);
        }
        Element(type);
    }

    /// <summary>A reference to any thread's own part.</summary>
    private void OfAnyOwner()
    {
        Il.Emit(OpCodes.Ldloca, _own);
        Index(255);
        Element(typeof(int));
    }

    private void OwnPart()
    {
        Il.Emit(OpCodes.Ldloca, _own);
        Load(_thread);
        Constant(Own);
        Il.Emit(OpCodes.Mul);
        Constant(Own);
        Call(typeof(ArrayView<int>), "SubView", typeof(int), typeof(int));
    }

    /// <summary>A value's last bits, or the thread's neighbours.</summary>
    private void Index(int mask)
    {
        Load(new[] { _a, _b, _thread }[Random.Next(3)]);
        Constant(Random.Next(-3, 40));
        Il.Emit(OpCodes.Add);
        Mask(mask);
    }

    private void Allocate<T>(LocalBuilder local, int count)
    {
        Constant(count);
        Il.Emit(OpCodes.Call, typeof(SharedMemory).GetMethod("Allocate", [typeof(int)])!.MakeGenericMethod(typeof(T)));
        Store(local);
    }

    private void Read(int view, bool second, LocalBuilder into)
    {
        Il.Emit(OpCodes.Ldarga, view);
        Load(_thread);
        if (second)
        {
            Constant(Threads);
            Il.Emit(OpCodes.Add);
        }
        Element(view == 0 ? typeof(int) : typeof(float));
        Il.Emit(view == 0 ? OpCodes.Ldind_I4 : OpCodes.Ldind_R4);
        Store(into);
    }
}
