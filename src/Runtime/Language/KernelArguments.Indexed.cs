// Written by make_loaders.py; change that instead.
namespace OllmNative.Runtime.Language;

internal readonly struct IndexedArguments<TIndex, T1>(
    Action<TIndex, T1> action, TIndex extent, T1 a1) : IKernelArguments
    where TIndex : struct, IIndex
    where T1 : struct
{
    public int Count => 2;

    public void Invoke()
    {
        if (ThreadIndex.Inside(extent, out TIndex index)) action(index, a1);
    }

    public void Write<TSink>(ref TSink sink) where TSink : struct, IArgumentSink
    {
        sink.Add(extent);
        sink.Add(a1);
    }
}

internal readonly struct IndexedArguments<TIndex, T1, T2>(
    Action<TIndex, T1, T2> action, TIndex extent, T1 a1, T2 a2) : IKernelArguments
    where TIndex : struct, IIndex
    where T1 : struct where T2 : struct
{
    public int Count => 3;

    public void Invoke()
    {
        if (ThreadIndex.Inside(extent, out TIndex index)) action(index, a1, a2);
    }

    public void Write<TSink>(ref TSink sink) where TSink : struct, IArgumentSink
    {
        sink.Add(extent);
        sink.Add(a1);
        sink.Add(a2);
    }
}

internal readonly struct IndexedArguments<TIndex, T1, T2, T3>(
    Action<TIndex, T1, T2, T3> action, TIndex extent, T1 a1, T2 a2, T3 a3) : IKernelArguments
    where TIndex : struct, IIndex
    where T1 : struct where T2 : struct where T3 : struct
{
    public int Count => 4;

    public void Invoke()
    {
        if (ThreadIndex.Inside(extent, out TIndex index)) action(index, a1, a2, a3);
    }

    public void Write<TSink>(ref TSink sink) where TSink : struct, IArgumentSink
    {
        sink.Add(extent);
        sink.Add(a1);
        sink.Add(a2);
        sink.Add(a3);
    }
}

internal readonly struct IndexedArguments<TIndex, T1, T2, T3, T4>(
    Action<TIndex, T1, T2, T3, T4> action, TIndex extent, T1 a1, T2 a2, T3 a3, T4 a4) : IKernelArguments
    where TIndex : struct, IIndex
    where T1 : struct where T2 : struct where T3 : struct where T4 : struct
{
    public int Count => 5;

    public void Invoke()
    {
        if (ThreadIndex.Inside(extent, out TIndex index)) action(index, a1, a2, a3, a4);
    }

    public void Write<TSink>(ref TSink sink) where TSink : struct, IArgumentSink
    {
        sink.Add(extent);
        sink.Add(a1);
        sink.Add(a2);
        sink.Add(a3);
        sink.Add(a4);
    }
}

internal readonly struct IndexedArguments<TIndex, T1, T2, T3, T4, T5>(
    Action<TIndex, T1, T2, T3, T4, T5> action, TIndex extent, T1 a1, T2 a2, T3 a3, T4 a4, T5 a5) : IKernelArguments
    where TIndex : struct, IIndex
    where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
{
    public int Count => 6;

    public void Invoke()
    {
        if (ThreadIndex.Inside(extent, out TIndex index)) action(index, a1, a2, a3, a4, a5);
    }

    public void Write<TSink>(ref TSink sink) where TSink : struct, IArgumentSink
    {
        sink.Add(extent);
        sink.Add(a1);
        sink.Add(a2);
        sink.Add(a3);
        sink.Add(a4);
        sink.Add(a5);
    }
}

internal readonly struct IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6>(
    Action<TIndex, T1, T2, T3, T4, T5, T6> action, TIndex extent, T1 a1, T2 a2, T3 a3, T4 a4, T5 a5, T6 a6) : IKernelArguments
    where TIndex : struct, IIndex
    where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
    where T6 : struct
{
    public int Count => 7;

    public void Invoke()
    {
        if (ThreadIndex.Inside(extent, out TIndex index)) action(index, a1, a2, a3, a4, a5, a6);
    }

    public void Write<TSink>(ref TSink sink) where TSink : struct, IArgumentSink
    {
        sink.Add(extent);
        sink.Add(a1);
        sink.Add(a2);
        sink.Add(a3);
        sink.Add(a4);
        sink.Add(a5);
        sink.Add(a6);
    }
}

internal readonly struct IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7>(
    Action<TIndex, T1, T2, T3, T4, T5, T6, T7> action, TIndex extent, T1 a1, T2 a2, T3 a3, T4 a4, T5 a5, T6 a6, T7 a7) : IKernelArguments
    where TIndex : struct, IIndex
    where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
    where T6 : struct where T7 : struct
{
    public int Count => 8;

    public void Invoke()
    {
        if (ThreadIndex.Inside(extent, out TIndex index)) action(index, a1, a2, a3, a4, a5, a6, a7);
    }

    public void Write<TSink>(ref TSink sink) where TSink : struct, IArgumentSink
    {
        sink.Add(extent);
        sink.Add(a1);
        sink.Add(a2);
        sink.Add(a3);
        sink.Add(a4);
        sink.Add(a5);
        sink.Add(a6);
        sink.Add(a7);
    }
}

internal readonly struct IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7, T8>(
    Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8> action, TIndex extent, T1 a1, T2 a2, T3 a3, T4 a4, T5 a5, T6 a6, T7 a7, T8 a8) : IKernelArguments
    where TIndex : struct, IIndex
    where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
    where T6 : struct where T7 : struct where T8 : struct
{
    public int Count => 9;

    public void Invoke()
    {
        if (ThreadIndex.Inside(extent, out TIndex index)) action(index, a1, a2, a3, a4, a5, a6, a7, a8);
    }

    public void Write<TSink>(ref TSink sink) where TSink : struct, IArgumentSink
    {
        sink.Add(extent);
        sink.Add(a1);
        sink.Add(a2);
        sink.Add(a3);
        sink.Add(a4);
        sink.Add(a5);
        sink.Add(a6);
        sink.Add(a7);
        sink.Add(a8);
    }
}

internal readonly struct IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9>(
    Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9> action, TIndex extent, T1 a1, T2 a2, T3 a3, T4 a4, T5 a5, T6 a6, T7 a7, T8 a8, T9 a9) : IKernelArguments
    where TIndex : struct, IIndex
    where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
    where T6 : struct where T7 : struct where T8 : struct where T9 : struct
{
    public int Count => 10;

    public void Invoke()
    {
        if (ThreadIndex.Inside(extent, out TIndex index)) action(index, a1, a2, a3, a4, a5, a6, a7, a8, a9);
    }

    public void Write<TSink>(ref TSink sink) where TSink : struct, IArgumentSink
    {
        sink.Add(extent);
        sink.Add(a1);
        sink.Add(a2);
        sink.Add(a3);
        sink.Add(a4);
        sink.Add(a5);
        sink.Add(a6);
        sink.Add(a7);
        sink.Add(a8);
        sink.Add(a9);
    }
}

internal readonly struct IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10>(
    Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10> action, TIndex extent, T1 a1, T2 a2, T3 a3, T4 a4, T5 a5, T6 a6, T7 a7, T8 a8, T9 a9, T10 a10) : IKernelArguments
    where TIndex : struct, IIndex
    where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
    where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
{
    public int Count => 11;

    public void Invoke()
    {
        if (ThreadIndex.Inside(extent, out TIndex index)) action(index, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10);
    }

    public void Write<TSink>(ref TSink sink) where TSink : struct, IArgumentSink
    {
        sink.Add(extent);
        sink.Add(a1);
        sink.Add(a2);
        sink.Add(a3);
        sink.Add(a4);
        sink.Add(a5);
        sink.Add(a6);
        sink.Add(a7);
        sink.Add(a8);
        sink.Add(a9);
        sink.Add(a10);
    }
}

internal readonly struct IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11>(
    Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11> action, TIndex extent, T1 a1, T2 a2, T3 a3, T4 a4, T5 a5, T6 a6, T7 a7, T8 a8, T9 a9, T10 a10, T11 a11) : IKernelArguments
    where TIndex : struct, IIndex
    where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
    where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
    where T11 : struct
{
    public int Count => 12;

    public void Invoke()
    {
        if (ThreadIndex.Inside(extent, out TIndex index)) action(index, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11);
    }

    public void Write<TSink>(ref TSink sink) where TSink : struct, IArgumentSink
    {
        sink.Add(extent);
        sink.Add(a1);
        sink.Add(a2);
        sink.Add(a3);
        sink.Add(a4);
        sink.Add(a5);
        sink.Add(a6);
        sink.Add(a7);
        sink.Add(a8);
        sink.Add(a9);
        sink.Add(a10);
        sink.Add(a11);
    }
}

internal readonly struct IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12>(
    Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12> action, TIndex extent, T1 a1, T2 a2, T3 a3, T4 a4, T5 a5, T6 a6, T7 a7, T8 a8, T9 a9, T10 a10, T11 a11, T12 a12) : IKernelArguments
    where TIndex : struct, IIndex
    where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
    where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
    where T11 : struct where T12 : struct
{
    public int Count => 13;

    public void Invoke()
    {
        if (ThreadIndex.Inside(extent, out TIndex index)) action(index, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12);
    }

    public void Write<TSink>(ref TSink sink) where TSink : struct, IArgumentSink
    {
        sink.Add(extent);
        sink.Add(a1);
        sink.Add(a2);
        sink.Add(a3);
        sink.Add(a4);
        sink.Add(a5);
        sink.Add(a6);
        sink.Add(a7);
        sink.Add(a8);
        sink.Add(a9);
        sink.Add(a10);
        sink.Add(a11);
        sink.Add(a12);
    }
}

internal readonly struct IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13>(
    Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13> action, TIndex extent, T1 a1, T2 a2, T3 a3, T4 a4, T5 a5, T6 a6, T7 a7, T8 a8, T9 a9, T10 a10, T11 a11, T12 a12, T13 a13) : IKernelArguments
    where TIndex : struct, IIndex
    where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
    where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
    where T11 : struct where T12 : struct where T13 : struct
{
    public int Count => 14;

    public void Invoke()
    {
        if (ThreadIndex.Inside(extent, out TIndex index)) action(index, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13);
    }

    public void Write<TSink>(ref TSink sink) where TSink : struct, IArgumentSink
    {
        sink.Add(extent);
        sink.Add(a1);
        sink.Add(a2);
        sink.Add(a3);
        sink.Add(a4);
        sink.Add(a5);
        sink.Add(a6);
        sink.Add(a7);
        sink.Add(a8);
        sink.Add(a9);
        sink.Add(a10);
        sink.Add(a11);
        sink.Add(a12);
        sink.Add(a13);
    }
}

internal readonly struct IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14>(
    Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14> action, TIndex extent, T1 a1, T2 a2, T3 a3, T4 a4, T5 a5, T6 a6, T7 a7, T8 a8, T9 a9, T10 a10, T11 a11, T12 a12, T13 a13, T14 a14) : IKernelArguments
    where TIndex : struct, IIndex
    where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
    where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
    where T11 : struct where T12 : struct where T13 : struct where T14 : struct
{
    public int Count => 15;

    public void Invoke()
    {
        if (ThreadIndex.Inside(extent, out TIndex index)) action(index, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14);
    }

    public void Write<TSink>(ref TSink sink) where TSink : struct, IArgumentSink
    {
        sink.Add(extent);
        sink.Add(a1);
        sink.Add(a2);
        sink.Add(a3);
        sink.Add(a4);
        sink.Add(a5);
        sink.Add(a6);
        sink.Add(a7);
        sink.Add(a8);
        sink.Add(a9);
        sink.Add(a10);
        sink.Add(a11);
        sink.Add(a12);
        sink.Add(a13);
        sink.Add(a14);
    }
}
