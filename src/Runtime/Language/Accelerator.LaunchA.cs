// Written by make_loaders.py; change that instead.
namespace OllmNative.Runtime.Language;

/// <summary>Launches without a loader: a kernel is loaded at its first launch, and kept.</summary>
public abstract partial class Accelerator
{
    public void Launch<T1>(Action<T1> action, in KernelConfig kernelConfig, T1 arg1)
        where T1 : struct =>
        Launch(action, DefaultStream, kernelConfig, arg1);

    public void Launch<T1>(Action<T1> action, AcceleratorStream stream, in KernelConfig kernelConfig, T1 arg1)
        where T1 : struct =>
        Launched(action, IndexType.KernelConfig).Launch(stream, kernelConfig, new Arguments<T1>(action, arg1));

    public void LaunchAutoGrouped<TIndex, T1>(Action<TIndex, T1> action, TIndex extent, T1 arg1)
        where TIndex : struct, IGenericIndex<TIndex>
        where T1 : struct =>
        LaunchAutoGrouped(action, DefaultStream, extent, arg1);

    public void LaunchAutoGrouped<TIndex, T1>(Action<TIndex, T1> action, AcceleratorStream stream, TIndex extent, T1 arg1)
        where TIndex : struct, IGenericIndex<TIndex>
        where T1 : struct =>
        Launched(action, ThreadIndex.Kind<TIndex>()).LaunchIndexed(stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1>(action, extent, arg1));

    public void Launch<T1, T2>(Action<T1, T2> action, in KernelConfig kernelConfig, T1 arg1, T2 arg2)
        where T1 : struct where T2 : struct =>
        Launch(action, DefaultStream, kernelConfig, arg1, arg2);

    public void Launch<T1, T2>(Action<T1, T2> action, AcceleratorStream stream, in KernelConfig kernelConfig, T1 arg1, T2 arg2)
        where T1 : struct where T2 : struct =>
        Launched(action, IndexType.KernelConfig).Launch(stream, kernelConfig, new Arguments<T1, T2>(action, arg1, arg2));

    public void LaunchAutoGrouped<TIndex, T1, T2>(Action<TIndex, T1, T2> action, TIndex extent, T1 arg1, T2 arg2)
        where TIndex : struct, IGenericIndex<TIndex>
        where T1 : struct where T2 : struct =>
        LaunchAutoGrouped(action, DefaultStream, extent, arg1, arg2);

    public void LaunchAutoGrouped<TIndex, T1, T2>(Action<TIndex, T1, T2> action, AcceleratorStream stream, TIndex extent, T1 arg1, T2 arg2)
        where TIndex : struct, IGenericIndex<TIndex>
        where T1 : struct where T2 : struct =>
        Launched(action, ThreadIndex.Kind<TIndex>()).LaunchIndexed(stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2>(action, extent, arg1, arg2));

    public void Launch<T1, T2, T3>(Action<T1, T2, T3> action, in KernelConfig kernelConfig, T1 arg1, T2 arg2, T3 arg3)
        where T1 : struct where T2 : struct where T3 : struct =>
        Launch(action, DefaultStream, kernelConfig, arg1, arg2, arg3);

    public void Launch<T1, T2, T3>(Action<T1, T2, T3> action, AcceleratorStream stream, in KernelConfig kernelConfig, T1 arg1, T2 arg2, T3 arg3)
        where T1 : struct where T2 : struct where T3 : struct =>
        Launched(action, IndexType.KernelConfig).Launch(stream, kernelConfig, new Arguments<T1, T2, T3>(action, arg1, arg2, arg3));

    public void LaunchAutoGrouped<TIndex, T1, T2, T3>(Action<TIndex, T1, T2, T3> action, TIndex extent, T1 arg1, T2 arg2, T3 arg3)
        where TIndex : struct, IGenericIndex<TIndex>
        where T1 : struct where T2 : struct where T3 : struct =>
        LaunchAutoGrouped(action, DefaultStream, extent, arg1, arg2, arg3);

    public void LaunchAutoGrouped<TIndex, T1, T2, T3>(Action<TIndex, T1, T2, T3> action, AcceleratorStream stream, TIndex extent, T1 arg1, T2 arg2, T3 arg3)
        where TIndex : struct, IGenericIndex<TIndex>
        where T1 : struct where T2 : struct where T3 : struct =>
        Launched(action, ThreadIndex.Kind<TIndex>()).LaunchIndexed(stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3>(action, extent, arg1, arg2, arg3));

    public void Launch<T1, T2, T3, T4>(Action<T1, T2, T3, T4> action, in KernelConfig kernelConfig, T1 arg1, T2 arg2, T3 arg3, T4 arg4)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct =>
        Launch(action, DefaultStream, kernelConfig, arg1, arg2, arg3, arg4);

    public void Launch<T1, T2, T3, T4>(Action<T1, T2, T3, T4> action, AcceleratorStream stream, in KernelConfig kernelConfig, T1 arg1, T2 arg2, T3 arg3, T4 arg4)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct =>
        Launched(action, IndexType.KernelConfig).Launch(stream, kernelConfig, new Arguments<T1, T2, T3, T4>(action, arg1, arg2, arg3, arg4));

    public void LaunchAutoGrouped<TIndex, T1, T2, T3, T4>(Action<TIndex, T1, T2, T3, T4> action, TIndex extent, T1 arg1, T2 arg2, T3 arg3, T4 arg4)
        where TIndex : struct, IGenericIndex<TIndex>
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct =>
        LaunchAutoGrouped(action, DefaultStream, extent, arg1, arg2, arg3, arg4);

    public void LaunchAutoGrouped<TIndex, T1, T2, T3, T4>(Action<TIndex, T1, T2, T3, T4> action, AcceleratorStream stream, TIndex extent, T1 arg1, T2 arg2, T3 arg3, T4 arg4)
        where TIndex : struct, IGenericIndex<TIndex>
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct =>
        Launched(action, ThreadIndex.Kind<TIndex>()).LaunchIndexed(stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4>(action, extent, arg1, arg2, arg3, arg4));

    public void Launch<T1, T2, T3, T4, T5>(Action<T1, T2, T3, T4, T5> action, in KernelConfig kernelConfig, T1 arg1, T2 arg2, T3 arg3, T4 arg4, T5 arg5)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct =>
        Launch(action, DefaultStream, kernelConfig, arg1, arg2, arg3, arg4, arg5);

    public void Launch<T1, T2, T3, T4, T5>(Action<T1, T2, T3, T4, T5> action, AcceleratorStream stream, in KernelConfig kernelConfig, T1 arg1, T2 arg2, T3 arg3, T4 arg4, T5 arg5)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct =>
        Launched(action, IndexType.KernelConfig).Launch(stream, kernelConfig, new Arguments<T1, T2, T3, T4, T5>(action, arg1, arg2, arg3, arg4, arg5));

    public void LaunchAutoGrouped<TIndex, T1, T2, T3, T4, T5>(Action<TIndex, T1, T2, T3, T4, T5> action, TIndex extent, T1 arg1, T2 arg2, T3 arg3, T4 arg4, T5 arg5)
        where TIndex : struct, IGenericIndex<TIndex>
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct =>
        LaunchAutoGrouped(action, DefaultStream, extent, arg1, arg2, arg3, arg4, arg5);

    public void LaunchAutoGrouped<TIndex, T1, T2, T3, T4, T5>(Action<TIndex, T1, T2, T3, T4, T5> action, AcceleratorStream stream, TIndex extent, T1 arg1, T2 arg2, T3 arg3, T4 arg4, T5 arg5)
        where TIndex : struct, IGenericIndex<TIndex>
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct =>
        Launched(action, ThreadIndex.Kind<TIndex>()).LaunchIndexed(stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4, T5>(action, extent, arg1, arg2, arg3, arg4, arg5));

    public void Launch<T1, T2, T3, T4, T5, T6>(Action<T1, T2, T3, T4, T5, T6> action, in KernelConfig kernelConfig, T1 arg1, T2 arg2, T3 arg3, T4 arg4, T5 arg5, T6 arg6)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct =>
        Launch(action, DefaultStream, kernelConfig, arg1, arg2, arg3, arg4, arg5, arg6);

    public void Launch<T1, T2, T3, T4, T5, T6>(Action<T1, T2, T3, T4, T5, T6> action, AcceleratorStream stream, in KernelConfig kernelConfig, T1 arg1, T2 arg2, T3 arg3, T4 arg4, T5 arg5, T6 arg6)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct =>
        Launched(action, IndexType.KernelConfig).Launch(stream, kernelConfig, new Arguments<T1, T2, T3, T4, T5, T6>(action, arg1, arg2, arg3, arg4, arg5, arg6));

    public void LaunchAutoGrouped<TIndex, T1, T2, T3, T4, T5, T6>(Action<TIndex, T1, T2, T3, T4, T5, T6> action, TIndex extent, T1 arg1, T2 arg2, T3 arg3, T4 arg4, T5 arg5, T6 arg6)
        where TIndex : struct, IGenericIndex<TIndex>
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct =>
        LaunchAutoGrouped(action, DefaultStream, extent, arg1, arg2, arg3, arg4, arg5, arg6);

    public void LaunchAutoGrouped<TIndex, T1, T2, T3, T4, T5, T6>(Action<TIndex, T1, T2, T3, T4, T5, T6> action, AcceleratorStream stream, TIndex extent, T1 arg1, T2 arg2, T3 arg3, T4 arg4, T5 arg5, T6 arg6)
        where TIndex : struct, IGenericIndex<TIndex>
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct =>
        Launched(action, ThreadIndex.Kind<TIndex>()).LaunchIndexed(stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6>(action, extent, arg1, arg2, arg3, arg4, arg5, arg6));

    public void Launch<T1, T2, T3, T4, T5, T6, T7>(Action<T1, T2, T3, T4, T5, T6, T7> action, in KernelConfig kernelConfig, T1 arg1, T2 arg2, T3 arg3, T4 arg4, T5 arg5, T6 arg6, T7 arg7)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct =>
        Launch(action, DefaultStream, kernelConfig, arg1, arg2, arg3, arg4, arg5, arg6, arg7);

    public void Launch<T1, T2, T3, T4, T5, T6, T7>(Action<T1, T2, T3, T4, T5, T6, T7> action, AcceleratorStream stream, in KernelConfig kernelConfig, T1 arg1, T2 arg2, T3 arg3, T4 arg4, T5 arg5, T6 arg6, T7 arg7)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct =>
        Launched(action, IndexType.KernelConfig).Launch(stream, kernelConfig, new Arguments<T1, T2, T3, T4, T5, T6, T7>(action, arg1, arg2, arg3, arg4, arg5, arg6, arg7));

    public void LaunchAutoGrouped<TIndex, T1, T2, T3, T4, T5, T6, T7>(Action<TIndex, T1, T2, T3, T4, T5, T6, T7> action, TIndex extent, T1 arg1, T2 arg2, T3 arg3, T4 arg4, T5 arg5, T6 arg6, T7 arg7)
        where TIndex : struct, IGenericIndex<TIndex>
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct =>
        LaunchAutoGrouped(action, DefaultStream, extent, arg1, arg2, arg3, arg4, arg5, arg6, arg7);

    public void LaunchAutoGrouped<TIndex, T1, T2, T3, T4, T5, T6, T7>(Action<TIndex, T1, T2, T3, T4, T5, T6, T7> action, AcceleratorStream stream, TIndex extent, T1 arg1, T2 arg2, T3 arg3, T4 arg4, T5 arg5, T6 arg6, T7 arg7)
        where TIndex : struct, IGenericIndex<TIndex>
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct =>
        Launched(action, ThreadIndex.Kind<TIndex>()).LaunchIndexed(stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7>(action, extent, arg1, arg2, arg3, arg4, arg5, arg6, arg7));
}
