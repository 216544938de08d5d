// Written by make_loaders.py; change that instead.
namespace OllmNative.Runtime.Language;

/// <summary>Makes kernels ready to launch.</summary>
public static partial class KernelLoaders
{
    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8> LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), 0, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8>>((stream, extent, a1, a2, a3, a4, a5, a6, a7, a8) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7, T8>(action, extent, a1, a2, a3, a4, a5, a6, a7, a8)));
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct
    {
        var load = LoadAutoGroupedKernel(accelerator, action);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8>>((extent, a1, a2, a3, a4, a5, a6, a7, a8) => load(accelerator.DefaultStream, extent, a1, a2, a3, a4, a5, a6, a7, a8));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8> LoadImplicitlyGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), customGroupSize, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8>>((stream, extent, a1, a2, a3, a4, a5, a6, a7, a8) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7, T8>(action, extent, a1, a2, a3, a4, a5, a6, a7, a8)));
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8> LoadImplicitlyGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct
    {
        var load = LoadImplicitlyGroupedKernel(accelerator, action, customGroupSize);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8>>((extent, a1, a2, a3, a4, a5, a6, a7, a8) => load(accelerator.DefaultStream, extent, a1, a2, a3, a4, a5, a6, a7, a8));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9> LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), 0, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9>>((stream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9>(action, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9)));
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct
    {
        var load = LoadAutoGroupedKernel(accelerator, action);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9>>((extent, a1, a2, a3, a4, a5, a6, a7, a8, a9) => load(accelerator.DefaultStream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9> LoadImplicitlyGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), customGroupSize, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9>>((stream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9>(action, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9)));
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9> LoadImplicitlyGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct
    {
        var load = LoadImplicitlyGroupedKernel(accelerator, action, customGroupSize);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9>>((extent, a1, a2, a3, a4, a5, a6, a7, a8, a9) => load(accelerator.DefaultStream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10> LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), 0, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10>>((stream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10>(action, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10)));
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
    {
        var load = LoadAutoGroupedKernel(accelerator, action);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10>>((extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10) => load(accelerator.DefaultStream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10> LoadImplicitlyGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), customGroupSize, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10>>((stream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10>(action, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10)));
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10> LoadImplicitlyGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
    {
        var load = LoadImplicitlyGroupedKernel(accelerator, action, customGroupSize);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10>>((extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10) => load(accelerator.DefaultStream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11> LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), 0, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11>>((stream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11>(action, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11)));
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct
    {
        var load = LoadAutoGroupedKernel(accelerator, action);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11>>((extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11) => load(accelerator.DefaultStream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11> LoadImplicitlyGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), customGroupSize, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11>>((stream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11>(action, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11)));
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11> LoadImplicitlyGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct
    {
        var load = LoadImplicitlyGroupedKernel(accelerator, action, customGroupSize);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11>>((extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11) => load(accelerator.DefaultStream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12> LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct where T12 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), 0, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12>>((stream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12>(action, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12)));
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct where T12 : struct
    {
        var load = LoadAutoGroupedKernel(accelerator, action);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12>>((extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12) => load(accelerator.DefaultStream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12> LoadImplicitlyGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct where T12 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), customGroupSize, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12>>((stream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12>(action, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12)));
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12> LoadImplicitlyGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct where T12 : struct
    {
        var load = LoadImplicitlyGroupedKernel(accelerator, action, customGroupSize);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12>>((extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12) => load(accelerator.DefaultStream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13> LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct where T12 : struct where T13 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), 0, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13>>((stream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13>(action, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13)));
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct where T12 : struct where T13 : struct
    {
        var load = LoadAutoGroupedKernel(accelerator, action);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13>>((extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13) => load(accelerator.DefaultStream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13> LoadImplicitlyGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct where T12 : struct where T13 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), customGroupSize, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13>>((stream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13>(action, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13)));
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13> LoadImplicitlyGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct where T12 : struct where T13 : struct
    {
        var load = LoadImplicitlyGroupedKernel(accelerator, action, customGroupSize);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13>>((extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13) => load(accelerator.DefaultStream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14> LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct where T12 : struct where T13 : struct where T14 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), 0, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14>>((stream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14>(action, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14)));
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct where T12 : struct where T13 : struct where T14 : struct
    {
        var load = LoadAutoGroupedKernel(accelerator, action);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14>>((extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14) => load(accelerator.DefaultStream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14> LoadImplicitlyGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct where T12 : struct where T13 : struct where T14 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), customGroupSize, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14>>((stream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14>(action, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14)));
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14> LoadImplicitlyGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct where T12 : struct where T13 : struct where T14 : struct
    {
        var load = LoadImplicitlyGroupedKernel(accelerator, action, customGroupSize);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14>>((extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14) => load(accelerator.DefaultStream, extent, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14));
    }
}
