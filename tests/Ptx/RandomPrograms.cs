using System.Reflection;
using System.Reflection.Emit;
using OllmNative.Runtime.Language;

namespace OllmNative.Tests.Ptx;

/// <summary>A struct that the random programs keep values in.</summary>
public struct Pair
{
#pragma warning disable CA1051 // the programs address the fields themselves
    public int A;
    public float B;
#pragma warning restore CA1051

    /// <summary>Changes the struct through its reference.</summary>
    public void Twist(int by)
    {
        A ^= by;
        if (A > 0) B += 1;
        else B *= 0.5f;
    }
}

/// <summary>What the random programs call.</summary>
public static class RandomHelpers
{
    public static int Mix(int a, int b)
    {
        if (a > b) return a * 31 + b;
        return a == b ? 7 : b - a;
    }

    public static float Blend(float a, float b)
    {
        float sum = 0;
        for (int i = 0; i < 3; i++) sum += a * i + b;
        return sum;
    }
}

/// <summary>
/// Random methods <c>static float F(int a, int b, float x, float y, ref int result, ArrayView&lt;int&gt; cells)</c> written as IL, with arithmetic,
/// branches, loops, a struct, a local array, eight cells of memory and calls; and beside each a kernel that applies it to the elements of views.
/// </summary>
internal sealed class RandomPrograms : RandomIl
{
    private const int Ints = 4, Floats = 3;
    private readonly LocalBuilder[] _ints, _floats;
    private readonly LocalBuilder _pair, _array, _wide;
    private readonly List<LocalBuilder> _counters = [];
    private int _loops;

    private RandomPrograms(Random random, ILGenerator il) : base(random, il)
    {
        _ints = [.. Enumerable.Range(0, Ints).Select(_ => il.DeclareLocal(typeof(int)))];
        _floats = [.. Enumerable.Range(0, Floats).Select(_ => il.DeclareLocal(typeof(float)))];
        _pair = il.DeclareLocal(typeof(Pair));
        _array = il.DeclareLocal(typeof(int[]));
        _wide = il.DeclareLocal(typeof(long));
    }

    /// <summary>An assembly with programs 0 to count - 1: methods F{i} and kernels K{i} of the type Programs.</summary>
    public static Type Build(int seed, int count) => Build("RandomPrograms", type =>
    {
        for (int i = 0; i < count; i++) Kernel(type, i, Function(type, seed, i));
    });

    /// <summary>The function F{index} of a seed.</summary>
    public static MethodBuilder Function(TypeBuilder type, int seed, int index)
    {
        MethodBuilder function = type.DefineMethod($"F{index}", MethodAttributes.Public | MethodAttributes.Static, typeof(float),
            [typeof(int), typeof(int), typeof(float), typeof(float), typeof(int).MakeByRefType(), typeof(ArrayView<int>)]);
        new RandomPrograms(new Random(seed * 100_003 + index), function.GetILGenerator()).Function();
        return function;
    }

    /// <summary>A kernel of integers, floats, a number and cells, whose body is still to be written.</summary>
    public static MethodBuilder KernelMethod(TypeBuilder type, string name)
    {
        MethodBuilder kernel = type.DefineMethod(name, MethodAttributes.Public | MethodAttributes.Static, typeof(void),
            [typeof(ArrayView<int>), typeof(ArrayView<float>), typeof(int), typeof(ArrayView<int>)]);
        string[] names = ["ints", "floats", "n", "cells"];
        for (int p = 0; p < names.Length; p++) kernel.DefineParameter(p + 1, ParameterAttributes.None, names[p]);
        return kernel;
    }

    /// <summary>floats[i] = F(ints[i], ints[i + n], floats[i], floats[i + n], ref ints[i], cells.SubView(8 i, 8)) with i the thread.</summary>
    private static void Kernel(TypeBuilder type, int index, MethodBuilder function)
    {
        ILGenerator il = KernelMethod(type, $"K{index}").GetILGenerator();
        MethodInfo ints = typeof(ArrayView<int>).GetMethod("get_Item", [typeof(int)])!, floats = typeof(ArrayView<float>).GetMethod("get_Item", [typeof(int)])!;
        LocalBuilder thread = il.DeclareLocal(typeof(int));
        il.Emit(OpCodes.Call, typeof(Group).GetProperty("IdxX")!.GetMethod!);
        il.Emit(OpCodes.Stloc, thread);
        Element(1, floats, false);
        Element(0, ints, false);
        il.Emit(OpCodes.Ldind_I4);
        Element(0, ints, true);
        il.Emit(OpCodes.Ldind_I4);
        Element(1, floats, false);
        il.Emit(OpCodes.Ldind_R4);
        Element(1, floats, true);
        il.Emit(OpCodes.Ldind_R4);
        Element(0, ints, false);
        il.Emit(OpCodes.Ldarga, 3);
        il.Emit(OpCodes.Ldloc, thread);
        il.Emit(OpCodes.Ldc_I4_8);
        il.Emit(OpCodes.Mul);
        il.Emit(OpCodes.Ldc_I4_8);
        il.Emit(OpCodes.Call, typeof(ArrayView<int>).GetMethod("SubView", [typeof(int), typeof(int)])!);
        il.Emit(OpCodes.Call, function);
        il.Emit(OpCodes.Stind_R4);
        il.Emit(OpCodes.Ret);

        void Element(int view, MethodInfo get, bool second)
        {
            il.Emit(OpCodes.Ldarga, view);
            il.Emit(OpCodes.Ldloc, thread);
            if (second)
            {
                il.Emit(OpCodes.Ldarg_2);
                il.Emit(OpCodes.Add);
            }
            il.Emit(OpCodes.Call, get);
        }
    }

    private void Function()
    {
        Constant(4);
        Il.Emit(OpCodes.Newarr, typeof(int));
        Store(_array);
        for (int i = 0; i < 2; i++)
        {
            Il.Emit(OpCodes.Ldarg, i);
            Store(_ints[i]);
            Il.Emit(OpCodes.Ldarg, i + 2);
            Store(_floats[i]);
        }
        for (int i = Random.Next(3, 9); i > 0; i--) Statement(2);
        Il.Emit(OpCodes.Ldarg, 4);
        Int(2);
        Load(_wide);
        Il.Emit(OpCodes.Conv_I4);
        Il.Emit(OpCodes.Xor);
        Il.Emit(OpCodes.Stind_I4);
        Float(2);
        Il.Emit(OpCodes.Ldloca, _pair);
        Il.Emit(OpCodes.Ldfld, typeof(Pair).GetField("B")!);
        Il.Emit(OpCodes.Add);
        Il.Emit(OpCodes.Ret);
    }

    private void Statement(int depth)
    {
        switch (Random.Next(depth > 0 ? 10 : 6))
        {
            case 0 or 1: Int(2); Store(Pick(_ints)); break;
            case 2: Float(2); Store(Pick(_floats)); break;
            case 3:
                Il.Emit(OpCodes.Ldloca, _pair);
                if (Coin()) Int(1);
                else Float(1);
                bool isInt = _lastWasInt;
                Il.Emit(OpCodes.Stfld, typeof(Pair).GetField(isInt ? "A" : "B")!);
                break;
            case 4:
                Load(_array);
                ArrayIndex();
                Int(1);
                Il.Emit(OpCodes.Stelem_I4);
                break;
            case 5:
                if (Coin())
                {
                    Wide();
                    break;
                }
                Cell();
                Int(1);
                Il.Emit(OpCodes.Stind_I4);
                break;
            case 6 or 7: If(depth); break;
            case 8: Loop(depth); break;
            default:
                Il.Emit(OpCodes.Ldloca, _pair);
                Int(1);
                Il.Emit(OpCodes.Call, typeof(Pair).GetMethod("Twist")!);
                break;
        }
    }

    private bool _lastWasInt;

    private void Wide()
    {
        Load(_wide);
        Int(1);
        Il.Emit(Coin() ? OpCodes.Conv_I8 : OpCodes.Conv_U8);
        Il.Emit(Random.Next(3) switch { 0 => OpCodes.Add, 1 => OpCodes.Mul, _ => OpCodes.Xor });
        Store(_wide);
    }

    private void If(int depth) => Either(Condition, () => Statement(depth - 1), () =>
    {
        if (Coin()) Statement(depth - 1);
    });

    /// <summary>Jumps when a random comparison does not hold.</summary>
    private void Condition(Label otherwise)
    {
        OpCode[] jumps = [OpCodes.Beq, OpCodes.Bne_Un, OpCodes.Blt, OpCodes.Ble, OpCodes.Bgt, OpCodes.Bge, OpCodes.Blt_Un, OpCodes.Ble_Un, OpCodes.Bgt_Un, OpCodes.Bge_Un];
        if (Random.Next(3) == 0)
        {
            Float(1);
            Float(1);
        }
        else
        {
            Int(1);
            Int(1);
        }
        Il.Emit(jumps[Random.Next(jumps.Length)], otherwise);
    }

    private void Loop(int depth)
    {
        if (_loops++ > 2) return;
        bool constant = Coin();
        For(
            counter =>
            {
                _counters.Add(counter);
                Statement(depth - 1);
                _counters.Remove(counter);
                Load(counter);
                Into(_ints[0], OpCodes.Add);
            },
            () =>
            {
                if (constant)
                {
                    Constant(Random.Next(1, 6));
                    return;
                }
                Il.Emit(OpCodes.Ldarg_0);
                Mask(7);
            });
    }

    private void Int(int depth)
    {
        switch (Random.Next(depth > 0 ? 17 : 3))
        {
            case 0: Constant(Random.Next(4) == 0 ? Random.Next(int.MinValue, int.MaxValue) : Random.Next(-9, 70)); break;
            case 1 or 2: Load(Pick(_ints)); break;
            case 3: Both(depth, OpCodes.Add); break;
            case 4: Both(depth, OpCodes.Sub); break;
            case 5: Both(depth, OpCodes.Mul); break;
            case 6: Both(depth, OpCodes.And); break;
            case 7: Both(depth, OpCodes.Or); break;
            case 8: Both(depth, OpCodes.Xor); break;
            case 9: Shift(depth); break;
            case 10: Divide(depth); break;
            case 11: Int(depth - 1); Il.Emit(Coin() ? OpCodes.Neg : OpCodes.Not); break;
            case 12: Float(depth - 1); Il.Emit(OpCodes.Conv_I4); break;
            case 13: Int(depth - 1); Il.Emit(Random.Next(4) switch { 0 => OpCodes.Conv_I1, 1 => OpCodes.Conv_U1, 2 => OpCodes.Conv_I2, _ => OpCodes.Conv_U2 }); break;
            case 14: Choose(depth); break;
            case 15 when Coin():
                Cell();
                Il.Emit(OpCodes.Ldind_I4);
                break;
            case 15:
                Load(_array);
                ArrayIndex();
                Il.Emit(OpCodes.Ldelem_I4);
                break;
            default:
                Int(depth - 1);
                Int(depth - 1);
                Il.Emit(OpCodes.Call, typeof(RandomHelpers).GetMethod("Mix")!);
                break;
        }
        _lastWasInt = true;
    }

    /// <summary>The reference of one of the eight cells: a fixed one, one that a value chooses, or the one of a loop's round or its neighbour.</summary>
    private void Cell()
    {
        Il.Emit(OpCodes.Ldarga, 5);
        int kind = Random.Next(_counters.Count > 0 ? 5 : 2);
        if (kind == 0)
        {
            Constant(Random.Next(8));
        }
        else if (kind == 1)
        {
            Load(Pick(_ints));
            Mask(7);
        }
        else
        {
            Load(_counters[Random.Next(_counters.Count)]); // at most 6
            if (kind == 4) Constant(1);
            if (kind == 4) Il.Emit(OpCodes.Add);
        }
        Element(typeof(int));
    }

    private void ArrayIndex()
    {
        if (Coin())
        {
            Constant(Random.Next(4));
            return;
        }
        Load(Pick(_ints));
        Mask(3);
    }

    private void Both(int depth, OpCode op)
    {
        Int(depth - 1);
        Int(depth - 1);
        Il.Emit(op);
    }

    private void Shift(int depth)
    {
        Int(depth - 1);
        if (Coin())
        {
            Constant(Random.Next(32));
        }
        else
        {
            Load(Pick(_ints));
            Mask(31);
        }
        Il.Emit(Random.Next(3) switch { 0 => OpCodes.Shl, 1 => OpCodes.Shr, _ => OpCodes.Shr_Un });
    }

    /// <summary>By a constant or by something that is at least 1.</summary>
    private void Divide(int depth)
    {
        Int(depth - 1);
        if (Coin())
        {
            Constant(1 << Random.Next(6) | (Coin() ? 0 : 1));
        }
        else
        {
            Load(Pick(_ints));
            Mask(255);
            Constant(1);
            Il.Emit(OpCodes.Add);
        }
        Il.Emit(Random.Next(4) switch { 0 => OpCodes.Div, 1 => OpCodes.Rem, 2 => OpCodes.Div_Un, _ => OpCodes.Rem_Un });
    }

    /// <summary>condition ? a : b, with the result on the stack across the join.</summary>
    private void Choose(int depth) => Either(Condition, () => Int(depth - 1), () => Int(depth - 1));

    private void Float(int depth)
    {
        switch (Random.Next(depth > 0 ? 12 : 3))
        {
            case 0: Il.Emit(OpCodes.Ldc_R4, Random.Next(-8, 9) * 0.375f); break;
            case 1 or 2: Load(Pick(_floats)); break;
            case 3: BothFloats(depth, OpCodes.Add); break;
            case 4: BothFloats(depth, OpCodes.Sub); break;
            case 5: BothFloats(depth, OpCodes.Mul); break;
            case 6: BothFloats(depth, OpCodes.Div); break;
            case 7: Float(depth - 1); Il.Emit(OpCodes.Neg); break;
            case 8: Int(depth - 1); Il.Emit(OpCodes.Conv_R4); break;
            case 9: Float(depth - 1); Il.Emit(OpCodes.Call, typeof(MathF).GetMethod(Random.Next(3) switch { 0 => "Floor", 1 => "Sqrt", _ => "Abs" }, [typeof(float)])!); break;
            case 10:
                Float(depth - 1);
                Float(depth - 1);
                Il.Emit(OpCodes.Call, typeof(MathF).GetMethod(Coin() ? "Min" : "Max", [typeof(float), typeof(float)])!);
                break;
            default:
                Float(depth - 1);
                Float(depth - 1);
                Il.Emit(OpCodes.Call, typeof(RandomHelpers).GetMethod("Blend")!);
                break;
        }
        _lastWasInt = false;
    }

    private void BothFloats(int depth, OpCode op)
    {
        Float(depth - 1);
        Float(depth - 1);
        Il.Emit(op);
    }

}
