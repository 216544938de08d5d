using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.Loader;
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
internal sealed class RandomPrograms
{
    private const int Ints = 4, Floats = 3;
    private readonly Random _random;
    private readonly ILGenerator _il;
    private readonly LocalBuilder[] _ints, _floats;
    private readonly LocalBuilder _pair, _array, _wide;
    private readonly List<LocalBuilder> _counters = [];
    private int _loops;

    private RandomPrograms(Random random, ILGenerator il)
    {
        _random = random;
        _il = il;
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

    /// <summary>An assembly whose type Programs has what <paramref name="fill"/> defines.</summary>
    public static Type Build(string name, Action<TypeBuilder> fill)
    {
        var assembly = new PersistedAssemblyBuilder(new AssemblyName(name), typeof(object).Assembly);
        TypeBuilder type = assembly.DefineDynamicModule(name).DefineType("Programs", TypeAttributes.Public | TypeAttributes.Abstract | TypeAttributes.Sealed);
        fill(type);
        type.CreateType();
        using var stream = new MemoryStream();
        assembly.Save(stream);
        stream.Position = 0;
        return new AssemblyLoadContext(null).LoadFromStream(stream).GetType("Programs")!;
    }

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
        _il.Emit(OpCodes.Ldc_I4_4);
        _il.Emit(OpCodes.Newarr, typeof(int));
        _il.Emit(OpCodes.Stloc, _array);
        for (int i = 0; i < 2; i++)
        {
            _il.Emit(OpCodes.Ldarg, i);
            _il.Emit(OpCodes.Stloc, _ints[i]);
            _il.Emit(OpCodes.Ldarg, i + 2);
            _il.Emit(OpCodes.Stloc, _floats[i]);
        }
        for (int i = _random.Next(3, 9); i > 0; i--) Statement(2);
        _il.Emit(OpCodes.Ldarg, 4);
        Int(2);
        _il.Emit(OpCodes.Ldloc, _wide);
        _il.Emit(OpCodes.Conv_I4);
        _il.Emit(OpCodes.Xor);
        _il.Emit(OpCodes.Stind_I4);
        Float(2);
        _il.Emit(OpCodes.Ldloca, _pair);
        _il.Emit(OpCodes.Ldfld, typeof(Pair).GetField("B")!);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Ret);
    }

    private void Statement(int depth)
    {
        switch (_random.Next(depth > 0 ? 10 : 6))
        {
            case 0 or 1: Int(2); _il.Emit(OpCodes.Stloc, Pick(_ints)); break;
            case 2: Float(2); _il.Emit(OpCodes.Stloc, Pick(_floats)); break;
            case 3:
                _il.Emit(OpCodes.Ldloca, _pair);
                if (_random.Next(2) == 0) Int(1);
                else Float(1);
                bool isInt = _lastWasInt;
                _il.Emit(OpCodes.Stfld, typeof(Pair).GetField(isInt ? "A" : "B")!);
                break;
            case 4:
                _il.Emit(OpCodes.Ldloc, _array);
                ArrayIndex();
                Int(1);
                _il.Emit(OpCodes.Stelem_I4);
                break;
            case 5:
                if (_random.Next(2) == 0)
                {
                    Wide();
                    break;
                }
                Cell();
                Int(1);
                _il.Emit(OpCodes.Stind_I4);
                break;
            case 6 or 7: If(depth); break;
            case 8: Loop(depth); break;
            default:
                _il.Emit(OpCodes.Ldloca, _pair);
                Int(1);
                _il.Emit(OpCodes.Call, typeof(Pair).GetMethod("Twist")!);
                break;
        }
    }

    private bool _lastWasInt;

    private void Wide()
    {
        _il.Emit(OpCodes.Ldloc, _wide);
        Int(1);
        _il.Emit(_random.Next(2) == 0 ? OpCodes.Conv_I8 : OpCodes.Conv_U8);
        _il.Emit(_random.Next(3) switch { 0 => OpCodes.Add, 1 => OpCodes.Mul, _ => OpCodes.Xor });
        _il.Emit(OpCodes.Stloc, _wide);
    }

    private void If(int depth)
    {
        Label otherwise = _il.DefineLabel(), end = _il.DefineLabel();
        Condition(otherwise);
        Statement(depth - 1);
        _il.Emit(OpCodes.Br, end);
        _il.MarkLabel(otherwise);
        if (_random.Next(2) == 0) Statement(depth - 1);
        _il.MarkLabel(end);
    }

    /// <summary>Jumps when a random comparison does not hold.</summary>
    private void Condition(Label otherwise)
    {
        OpCode[] jumps = [OpCodes.Beq, OpCodes.Bne_Un, OpCodes.Blt, OpCodes.Ble, OpCodes.Bgt, OpCodes.Bge, OpCodes.Blt_Un, OpCodes.Ble_Un, OpCodes.Bgt_Un, OpCodes.Bge_Un];
        if (_random.Next(3) == 0)
        {
            Float(1);
            Float(1);
        }
        else
        {
            Int(1);
            Int(1);
        }
        _il.Emit(jumps[_random.Next(jumps.Length)], otherwise);
    }

    private void Loop(int depth)
    {
        if (_loops++ > 2) return;
        LocalBuilder counter = _il.DeclareLocal(typeof(int));
        Label test = _il.DefineLabel(), body = _il.DefineLabel();
        bool constant = _random.Next(2) == 0;
        _il.Emit(OpCodes.Ldc_I4_0);
        _il.Emit(OpCodes.Stloc, counter);
        _il.Emit(OpCodes.Br, test);
        _il.MarkLabel(body);
        _counters.Add(counter);
        Statement(depth - 1);
        _counters.Remove(counter);
        _il.Emit(OpCodes.Ldloc, _ints[0]);
        _il.Emit(OpCodes.Ldloc, counter);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Stloc, _ints[0]);
        _il.Emit(OpCodes.Ldloc, counter);
        _il.Emit(OpCodes.Ldc_I4_1);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Stloc, counter);
        _il.MarkLabel(test);
        _il.Emit(OpCodes.Ldloc, counter);
        if (constant)
        {
            _il.Emit(OpCodes.Ldc_I4, _random.Next(1, 6));
        }
        else
        {
            _il.Emit(OpCodes.Ldarg_0);
            _il.Emit(OpCodes.Ldc_I4_7);
            _il.Emit(OpCodes.And);
        }
        _il.Emit(OpCodes.Blt, body);
    }

    private void Int(int depth)
    {
        switch (_random.Next(depth > 0 ? 17 : 3))
        {
            case 0: _il.Emit(OpCodes.Ldc_I4, _random.Next(4) == 0 ? _random.Next(int.MinValue, int.MaxValue) : _random.Next(-9, 70)); break;
            case 1 or 2: _il.Emit(OpCodes.Ldloc, Pick(_ints)); break;
            case 3: Both(depth, OpCodes.Add); break;
            case 4: Both(depth, OpCodes.Sub); break;
            case 5: Both(depth, OpCodes.Mul); break;
            case 6: Both(depth, OpCodes.And); break;
            case 7: Both(depth, OpCodes.Or); break;
            case 8: Both(depth, OpCodes.Xor); break;
            case 9: Shift(depth); break;
            case 10: Divide(depth); break;
            case 11: Int(depth - 1); _il.Emit(_random.Next(2) == 0 ? OpCodes.Neg : OpCodes.Not); break;
            case 12: Float(depth - 1); _il.Emit(OpCodes.Conv_I4); break;
            case 13: Int(depth - 1); _il.Emit(_random.Next(4) switch { 0 => OpCodes.Conv_I1, 1 => OpCodes.Conv_U1, 2 => OpCodes.Conv_I2, _ => OpCodes.Conv_U2 }); break;
            case 14: Choose(depth); break;
            case 15 when _random.Next(2) == 0:
                Cell();
                _il.Emit(OpCodes.Ldind_I4);
                break;
            case 15:
                _il.Emit(OpCodes.Ldloc, _array);
                ArrayIndex();
                _il.Emit(OpCodes.Ldelem_I4);
                break;
            default:
                Int(depth - 1);
                Int(depth - 1);
                _il.Emit(OpCodes.Call, typeof(RandomHelpers).GetMethod("Mix")!);
                break;
        }
        _lastWasInt = true;
    }

    /// <summary>The reference of one of the eight cells: a fixed one, one that a value chooses, or the one of a loop's round or its neighbour.</summary>
    private void Cell()
    {
        _il.Emit(OpCodes.Ldarga, 5);
        int kind = _random.Next(_counters.Count > 0 ? 5 : 2);
        if (kind == 0)
        {
            _il.Emit(OpCodes.Ldc_I4, _random.Next(8));
        }
        else if (kind == 1)
        {
            _il.Emit(OpCodes.Ldloc, Pick(_ints));
            _il.Emit(OpCodes.Ldc_I4_7);
            _il.Emit(OpCodes.And);
        }
        else
        {
            _il.Emit(OpCodes.Ldloc, _counters[_random.Next(_counters.Count)]); // at most 6
            if (kind == 4) _il.Emit(OpCodes.Ldc_I4_1);
            if (kind == 4) _il.Emit(OpCodes.Add);
        }
        _il.Emit(OpCodes.Call, typeof(ArrayView<int>).GetMethod("get_Item", [typeof(int)])!);
    }

    private void ArrayIndex()
    {
        if (_random.Next(2) == 0)
        {
            _il.Emit(OpCodes.Ldc_I4, _random.Next(4));
            return;
        }
        _il.Emit(OpCodes.Ldloc, Pick(_ints));
        _il.Emit(OpCodes.Ldc_I4_3);
        _il.Emit(OpCodes.And);
    }

    private void Both(int depth, OpCode op)
    {
        Int(depth - 1);
        Int(depth - 1);
        _il.Emit(op);
    }

    private void Shift(int depth)
    {
        Int(depth - 1);
        if (_random.Next(2) == 0)
        {
            _il.Emit(OpCodes.Ldc_I4, _random.Next(32));
        }
        else
        {
            _il.Emit(OpCodes.Ldloc, Pick(_ints));
            _il.Emit(OpCodes.Ldc_I4, 31);
            _il.Emit(OpCodes.And);
        }
        _il.Emit(_random.Next(3) switch { 0 => OpCodes.Shl, 1 => OpCodes.Shr, _ => OpCodes.Shr_Un });
    }

    /// <summary>By a constant or by something that is at least 1.</summary>
    private void Divide(int depth)
    {
        Int(depth - 1);
        if (_random.Next(2) == 0)
        {
            _il.Emit(OpCodes.Ldc_I4, 1 << _random.Next(6) | (_random.Next(2) == 0 ? 0 : 1));
        }
        else
        {
            _il.Emit(OpCodes.Ldloc, Pick(_ints));
            _il.Emit(OpCodes.Ldc_I4, 255);
            _il.Emit(OpCodes.And);
            _il.Emit(OpCodes.Ldc_I4_1);
            _il.Emit(OpCodes.Add);
        }
        _il.Emit(_random.Next(4) switch { 0 => OpCodes.Div, 1 => OpCodes.Rem, 2 => OpCodes.Div_Un, _ => OpCodes.Rem_Un });
    }

    /// <summary>condition ? a : b, with the result on the stack across the join.</summary>
    private void Choose(int depth)
    {
        Label otherwise = _il.DefineLabel(), end = _il.DefineLabel();
        Condition(otherwise);
        Int(depth - 1);
        _il.Emit(OpCodes.Br, end);
        _il.MarkLabel(otherwise);
        Int(depth - 1);
        _il.MarkLabel(end);
    }

    private void Float(int depth)
    {
        switch (_random.Next(depth > 0 ? 12 : 3))
        {
            case 0: _il.Emit(OpCodes.Ldc_R4, _random.Next(-8, 9) * 0.375f); break;
            case 1 or 2: _il.Emit(OpCodes.Ldloc, Pick(_floats)); break;
            case 3: BothFloats(depth, OpCodes.Add); break;
            case 4: BothFloats(depth, OpCodes.Sub); break;
            case 5: BothFloats(depth, OpCodes.Mul); break;
            case 6: BothFloats(depth, OpCodes.Div); break;
            case 7: Float(depth - 1); _il.Emit(OpCodes.Neg); break;
            case 8: Int(depth - 1); _il.Emit(OpCodes.Conv_R4); break;
            case 9: Float(depth - 1); _il.Emit(OpCodes.Call, typeof(MathF).GetMethod(_random.Next(3) switch { 0 => "Floor", 1 => "Sqrt", _ => "Abs" }, [typeof(float)])!); break;
            case 10:
                Float(depth - 1);
                Float(depth - 1);
                _il.Emit(OpCodes.Call, typeof(MathF).GetMethod(_random.Next(2) == 0 ? "Min" : "Max", [typeof(float), typeof(float)])!);
                break;
            default:
                Float(depth - 1);
                Float(depth - 1);
                _il.Emit(OpCodes.Call, typeof(RandomHelpers).GetMethod("Blend")!);
                break;
        }
        _lastWasInt = false;
    }

    private void BothFloats(int depth, OpCode op)
    {
        Float(depth - 1);
        Float(depth - 1);
        _il.Emit(op);
    }

    private LocalBuilder Pick(LocalBuilder[] locals) => locals[_random.Next(locals.Length)];
}
