// Written by make_loaders.py; change that instead.
namespace OllmNative.Runtime.Language;

/// <summary>Makes kernels ready to launch.</summary>
public static partial class KernelLoaders
{
    public static Action<AcceleratorStream, TIndex, T1> LoadAutoGroupedKernel<TIndex, T1>(
        this Accelerator accelerator, Action<TIndex, T1> action)
        where TIndex : struct, IIndex
        where T1 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), 0, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1>>((stream, extent, a1) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1>(action, extent, a1)));
    }

    public static Action<TIndex, T1> LoadAutoGroupedStreamKernel<TIndex, T1>(
        this Accelerator accelerator, Action<TIndex, T1> action)
        where TIndex : struct, IIndex
        where T1 : struct
    {
        var load = LoadAutoGroupedKernel(accelerator, action);
        return load.GetKernel().For<Action<TIndex, T1>>((extent, a1) => load(accelerator.DefaultStream, extent, a1));
    }

    public static Action<AcceleratorStream, TIndex, T1> LoadImplicitlyGroupedKernel<TIndex, T1>(
        this Accelerator accelerator, Action<TIndex, T1> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), customGroupSize, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1>>((stream, extent, a1) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1>(action, extent, a1)));
    }

    public static Action<TIndex, T1> LoadImplicitlyGroupedStreamKernel<TIndex, T1>(
        this Accelerator accelerator, Action<TIndex, T1> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct
    {
        var load = LoadImplicitlyGroupedKernel(accelerator, action, customGroupSize);
        return load.GetKernel().For<Action<TIndex, T1>>((extent, a1) => load(accelerator.DefaultStream, extent, a1));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2> LoadAutoGroupedKernel<TIndex, T1, T2>(
        this Accelerator accelerator, Action<TIndex, T1, T2> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), 0, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2>>((stream, extent, a1, a2) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2>(action, extent, a1, a2)));
    }

    public static Action<TIndex, T1, T2> LoadAutoGroupedStreamKernel<TIndex, T1, T2>(
        this Accelerator accelerator, Action<TIndex, T1, T2> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct
    {
        var load = LoadAutoGroupedKernel(accelerator, action);
        return load.GetKernel().For<Action<TIndex, T1, T2>>((extent, a1, a2) => load(accelerator.DefaultStream, extent, a1, a2));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2> LoadImplicitlyGroupedKernel<TIndex, T1, T2>(
        this Accelerator accelerator, Action<TIndex, T1, T2> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), customGroupSize, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2>>((stream, extent, a1, a2) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2>(action, extent, a1, a2)));
    }

    public static Action<TIndex, T1, T2> LoadImplicitlyGroupedStreamKernel<TIndex, T1, T2>(
        this Accelerator accelerator, Action<TIndex, T1, T2> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct
    {
        var load = LoadImplicitlyGroupedKernel(accelerator, action, customGroupSize);
        return load.GetKernel().For<Action<TIndex, T1, T2>>((extent, a1, a2) => load(accelerator.DefaultStream, extent, a1, a2));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3> LoadAutoGroupedKernel<TIndex, T1, T2, T3>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), 0, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3>>((stream, extent, a1, a2, a3) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3>(action, extent, a1, a2, a3)));
    }

    public static Action<TIndex, T1, T2, T3> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct
    {
        var load = LoadAutoGroupedKernel(accelerator, action);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3>>((extent, a1, a2, a3) => load(accelerator.DefaultStream, extent, a1, a2, a3));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3> LoadImplicitlyGroupedKernel<TIndex, T1, T2, T3>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), customGroupSize, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3>>((stream, extent, a1, a2, a3) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3>(action, extent, a1, a2, a3)));
    }

    public static Action<TIndex, T1, T2, T3> LoadImplicitlyGroupedStreamKernel<TIndex, T1, T2, T3>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct
    {
        var load = LoadImplicitlyGroupedKernel(accelerator, action, customGroupSize);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3>>((extent, a1, a2, a3) => load(accelerator.DefaultStream, extent, a1, a2, a3));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4> LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), 0, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3, T4>>((stream, extent, a1, a2, a3, a4) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4>(action, extent, a1, a2, a3, a4)));
    }

    public static Action<TIndex, T1, T2, T3, T4> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct
    {
        var load = LoadAutoGroupedKernel(accelerator, action);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3, T4>>((extent, a1, a2, a3, a4) => load(accelerator.DefaultStream, extent, a1, a2, a3, a4));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4> LoadImplicitlyGroupedKernel<TIndex, T1, T2, T3, T4>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), customGroupSize, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3, T4>>((stream, extent, a1, a2, a3, a4) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4>(action, extent, a1, a2, a3, a4)));
    }

    public static Action<TIndex, T1, T2, T3, T4> LoadImplicitlyGroupedStreamKernel<TIndex, T1, T2, T3, T4>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct
    {
        var load = LoadImplicitlyGroupedKernel(accelerator, action, customGroupSize);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3, T4>>((extent, a1, a2, a3, a4) => load(accelerator.DefaultStream, extent, a1, a2, a3, a4));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5> LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4, T5>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), 0, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5>>((stream, extent, a1, a2, a3, a4, a5) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4, T5>(action, extent, a1, a2, a3, a4, a5)));
    }

    public static Action<TIndex, T1, T2, T3, T4, T5> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
    {
        var load = LoadAutoGroupedKernel(accelerator, action);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3, T4, T5>>((extent, a1, a2, a3, a4, a5) => load(accelerator.DefaultStream, extent, a1, a2, a3, a4, a5));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5> LoadImplicitlyGroupedKernel<TIndex, T1, T2, T3, T4, T5>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), customGroupSize, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5>>((stream, extent, a1, a2, a3, a4, a5) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4, T5>(action, extent, a1, a2, a3, a4, a5)));
    }

    public static Action<TIndex, T1, T2, T3, T4, T5> LoadImplicitlyGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
    {
        var load = LoadImplicitlyGroupedKernel(accelerator, action, customGroupSize);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3, T4, T5>>((extent, a1, a2, a3, a4, a5) => load(accelerator.DefaultStream, extent, a1, a2, a3, a4, a5));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6> LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), 0, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6>>((stream, extent, a1, a2, a3, a4, a5, a6) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6>(action, extent, a1, a2, a3, a4, a5, a6)));
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct
    {
        var load = LoadAutoGroupedKernel(accelerator, action);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3, T4, T5, T6>>((extent, a1, a2, a3, a4, a5, a6) => load(accelerator.DefaultStream, extent, a1, a2, a3, a4, a5, a6));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6> LoadImplicitlyGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), customGroupSize, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6>>((stream, extent, a1, a2, a3, a4, a5, a6) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6>(action, extent, a1, a2, a3, a4, a5, a6)));
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6> LoadImplicitlyGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct
    {
        var load = LoadImplicitlyGroupedKernel(accelerator, action, customGroupSize);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3, T4, T5, T6>>((extent, a1, a2, a3, a4, a5, a6) => load(accelerator.DefaultStream, extent, a1, a2, a3, a4, a5, a6));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7> LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), 0, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7>>((stream, extent, a1, a2, a3, a4, a5, a6, a7) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7>(action, extent, a1, a2, a3, a4, a5, a6, a7)));
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct
    {
        var load = LoadAutoGroupedKernel(accelerator, action);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3, T4, T5, T6, T7>>((extent, a1, a2, a3, a4, a5, a6, a7) => load(accelerator.DefaultStream, extent, a1, a2, a3, a4, a5, a6, a7));
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7> LoadImplicitlyGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct
    {
        Kernel kernel = Load(accelerator, action, ThreadIndex.Kind<TIndex>(), customGroupSize, KernelSpecialization.Empty);
        return kernel.For<Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7>>((stream, extent, a1, a2, a3, a4, a5, a6, a7) => kernel.LaunchIndexed(
            stream, ThreadIndex.ToExtent(extent), new IndexedArguments<TIndex, T1, T2, T3, T4, T5, T6, T7>(action, extent, a1, a2, a3, a4, a5, a6, a7)));
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7> LoadImplicitlyGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7> action, int customGroupSize)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct
    {
        var load = LoadImplicitlyGroupedKernel(accelerator, action, customGroupSize);
        return load.GetKernel().For<Action<TIndex, T1, T2, T3, T4, T5, T6, T7>>((extent, a1, a2, a3, a4, a5, a6, a7) => load(accelerator.DefaultStream, extent, a1, a2, a3, a4, a5, a6, a7));
    }
}
