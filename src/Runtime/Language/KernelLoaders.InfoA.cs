// Written by make_loaders.py; change that instead.
namespace OllmNative.Runtime.Language;

/// <summary>Makes kernels ready to launch.</summary>
public static partial class KernelLoaders
{
    public static Action<AcceleratorStream, KernelConfig, T1> LoadKernel<T1>(
        this Accelerator accelerator, Action<T1> action, out KernelInfo kernelInfo)
        where T1 : struct =>
        LoadKernel(accelerator, action, KernelSpecialization.Empty, out kernelInfo);

    public static Action<AcceleratorStream, KernelConfig, T1> LoadKernel<T1>(
        this Accelerator accelerator, Action<T1> action, KernelSpecialization specialization, out KernelInfo kernelInfo)
        where T1 : struct =>
        KernelInfo.Of(LoadKernel(accelerator, action, specialization), out kernelInfo);

    public static Action<KernelConfig, T1> LoadStreamKernel<T1>(
        this Accelerator accelerator, Action<T1> action, out KernelInfo kernelInfo)
        where T1 : struct =>
        LoadStreamKernel(accelerator, action, KernelSpecialization.Empty, out kernelInfo);

    public static Action<KernelConfig, T1> LoadStreamKernel<T1>(
        this Accelerator accelerator, Action<T1> action, KernelSpecialization specialization, out KernelInfo kernelInfo)
        where T1 : struct =>
        KernelInfo.Of(LoadStreamKernel(accelerator, action, specialization), out kernelInfo);

    public static Action<AcceleratorStream, TIndex, T1> LoadAutoGroupedKernel<TIndex, T1>(
        this Accelerator accelerator, Action<TIndex, T1> action, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct =>
        KernelInfo.Of(LoadAutoGroupedKernel(accelerator, action), out kernelInfo);

    public static Action<TIndex, T1> LoadAutoGroupedStreamKernel<TIndex, T1>(
        this Accelerator accelerator, Action<TIndex, T1> action, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct =>
        KernelInfo.Of(LoadAutoGroupedStreamKernel(accelerator, action), out kernelInfo);

    public static Action<AcceleratorStream, TIndex, T1> LoadImplicitlyGroupedKernel<TIndex, T1>(
        this Accelerator accelerator, Action<TIndex, T1> action, int customGroupSize, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct =>
        KernelInfo.Of(LoadImplicitlyGroupedKernel(accelerator, action, customGroupSize), out kernelInfo);

    public static Action<TIndex, T1> LoadImplicitlyGroupedStreamKernel<TIndex, T1>(
        this Accelerator accelerator, Action<TIndex, T1> action, int customGroupSize, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct =>
        KernelInfo.Of(LoadImplicitlyGroupedStreamKernel(accelerator, action, customGroupSize), out kernelInfo);

    public static Action<AcceleratorStream, KernelConfig, T1, T2> LoadKernel<T1, T2>(
        this Accelerator accelerator, Action<T1, T2> action, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct =>
        LoadKernel(accelerator, action, KernelSpecialization.Empty, out kernelInfo);

    public static Action<AcceleratorStream, KernelConfig, T1, T2> LoadKernel<T1, T2>(
        this Accelerator accelerator, Action<T1, T2> action, KernelSpecialization specialization, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct =>
        KernelInfo.Of(LoadKernel(accelerator, action, specialization), out kernelInfo);

    public static Action<KernelConfig, T1, T2> LoadStreamKernel<T1, T2>(
        this Accelerator accelerator, Action<T1, T2> action, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct =>
        LoadStreamKernel(accelerator, action, KernelSpecialization.Empty, out kernelInfo);

    public static Action<KernelConfig, T1, T2> LoadStreamKernel<T1, T2>(
        this Accelerator accelerator, Action<T1, T2> action, KernelSpecialization specialization, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct =>
        KernelInfo.Of(LoadStreamKernel(accelerator, action, specialization), out kernelInfo);

    public static Action<AcceleratorStream, TIndex, T1, T2> LoadAutoGroupedKernel<TIndex, T1, T2>(
        this Accelerator accelerator, Action<TIndex, T1, T2> action, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct =>
        KernelInfo.Of(LoadAutoGroupedKernel(accelerator, action), out kernelInfo);

    public static Action<TIndex, T1, T2> LoadAutoGroupedStreamKernel<TIndex, T1, T2>(
        this Accelerator accelerator, Action<TIndex, T1, T2> action, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct =>
        KernelInfo.Of(LoadAutoGroupedStreamKernel(accelerator, action), out kernelInfo);

    public static Action<AcceleratorStream, TIndex, T1, T2> LoadImplicitlyGroupedKernel<TIndex, T1, T2>(
        this Accelerator accelerator, Action<TIndex, T1, T2> action, int customGroupSize, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct =>
        KernelInfo.Of(LoadImplicitlyGroupedKernel(accelerator, action, customGroupSize), out kernelInfo);

    public static Action<TIndex, T1, T2> LoadImplicitlyGroupedStreamKernel<TIndex, T1, T2>(
        this Accelerator accelerator, Action<TIndex, T1, T2> action, int customGroupSize, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct =>
        KernelInfo.Of(LoadImplicitlyGroupedStreamKernel(accelerator, action, customGroupSize), out kernelInfo);

    public static Action<AcceleratorStream, KernelConfig, T1, T2, T3> LoadKernel<T1, T2, T3>(
        this Accelerator accelerator, Action<T1, T2, T3> action, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct where T3 : struct =>
        LoadKernel(accelerator, action, KernelSpecialization.Empty, out kernelInfo);

    public static Action<AcceleratorStream, KernelConfig, T1, T2, T3> LoadKernel<T1, T2, T3>(
        this Accelerator accelerator, Action<T1, T2, T3> action, KernelSpecialization specialization, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct where T3 : struct =>
        KernelInfo.Of(LoadKernel(accelerator, action, specialization), out kernelInfo);

    public static Action<KernelConfig, T1, T2, T3> LoadStreamKernel<T1, T2, T3>(
        this Accelerator accelerator, Action<T1, T2, T3> action, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct where T3 : struct =>
        LoadStreamKernel(accelerator, action, KernelSpecialization.Empty, out kernelInfo);

    public static Action<KernelConfig, T1, T2, T3> LoadStreamKernel<T1, T2, T3>(
        this Accelerator accelerator, Action<T1, T2, T3> action, KernelSpecialization specialization, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct where T3 : struct =>
        KernelInfo.Of(LoadStreamKernel(accelerator, action, specialization), out kernelInfo);

    public static Action<AcceleratorStream, TIndex, T1, T2, T3> LoadAutoGroupedKernel<TIndex, T1, T2, T3>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3> action, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct =>
        KernelInfo.Of(LoadAutoGroupedKernel(accelerator, action), out kernelInfo);

    public static Action<TIndex, T1, T2, T3> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3> action, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct =>
        KernelInfo.Of(LoadAutoGroupedStreamKernel(accelerator, action), out kernelInfo);

    public static Action<AcceleratorStream, TIndex, T1, T2, T3> LoadImplicitlyGroupedKernel<TIndex, T1, T2, T3>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3> action, int customGroupSize, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct =>
        KernelInfo.Of(LoadImplicitlyGroupedKernel(accelerator, action, customGroupSize), out kernelInfo);

    public static Action<TIndex, T1, T2, T3> LoadImplicitlyGroupedStreamKernel<TIndex, T1, T2, T3>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3> action, int customGroupSize, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct =>
        KernelInfo.Of(LoadImplicitlyGroupedStreamKernel(accelerator, action, customGroupSize), out kernelInfo);

    public static Action<AcceleratorStream, KernelConfig, T1, T2, T3, T4> LoadKernel<T1, T2, T3, T4>(
        this Accelerator accelerator, Action<T1, T2, T3, T4> action, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct =>
        LoadKernel(accelerator, action, KernelSpecialization.Empty, out kernelInfo);

    public static Action<AcceleratorStream, KernelConfig, T1, T2, T3, T4> LoadKernel<T1, T2, T3, T4>(
        this Accelerator accelerator, Action<T1, T2, T3, T4> action, KernelSpecialization specialization, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct =>
        KernelInfo.Of(LoadKernel(accelerator, action, specialization), out kernelInfo);

    public static Action<KernelConfig, T1, T2, T3, T4> LoadStreamKernel<T1, T2, T3, T4>(
        this Accelerator accelerator, Action<T1, T2, T3, T4> action, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct =>
        LoadStreamKernel(accelerator, action, KernelSpecialization.Empty, out kernelInfo);

    public static Action<KernelConfig, T1, T2, T3, T4> LoadStreamKernel<T1, T2, T3, T4>(
        this Accelerator accelerator, Action<T1, T2, T3, T4> action, KernelSpecialization specialization, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct =>
        KernelInfo.Of(LoadStreamKernel(accelerator, action, specialization), out kernelInfo);

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4> LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4> action, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct =>
        KernelInfo.Of(LoadAutoGroupedKernel(accelerator, action), out kernelInfo);

    public static Action<TIndex, T1, T2, T3, T4> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4> action, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct =>
        KernelInfo.Of(LoadAutoGroupedStreamKernel(accelerator, action), out kernelInfo);

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4> LoadImplicitlyGroupedKernel<TIndex, T1, T2, T3, T4>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4> action, int customGroupSize, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct =>
        KernelInfo.Of(LoadImplicitlyGroupedKernel(accelerator, action, customGroupSize), out kernelInfo);

    public static Action<TIndex, T1, T2, T3, T4> LoadImplicitlyGroupedStreamKernel<TIndex, T1, T2, T3, T4>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4> action, int customGroupSize, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct =>
        KernelInfo.Of(LoadImplicitlyGroupedStreamKernel(accelerator, action, customGroupSize), out kernelInfo);

    public static Action<AcceleratorStream, KernelConfig, T1, T2, T3, T4, T5> LoadKernel<T1, T2, T3, T4, T5>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5> action, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct =>
        LoadKernel(accelerator, action, KernelSpecialization.Empty, out kernelInfo);

    public static Action<AcceleratorStream, KernelConfig, T1, T2, T3, T4, T5> LoadKernel<T1, T2, T3, T4, T5>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5> action, KernelSpecialization specialization, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct =>
        KernelInfo.Of(LoadKernel(accelerator, action, specialization), out kernelInfo);

    public static Action<KernelConfig, T1, T2, T3, T4, T5> LoadStreamKernel<T1, T2, T3, T4, T5>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5> action, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct =>
        LoadStreamKernel(accelerator, action, KernelSpecialization.Empty, out kernelInfo);

    public static Action<KernelConfig, T1, T2, T3, T4, T5> LoadStreamKernel<T1, T2, T3, T4, T5>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5> action, KernelSpecialization specialization, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct =>
        KernelInfo.Of(LoadStreamKernel(accelerator, action, specialization), out kernelInfo);

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5> LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4, T5>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5> action, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct =>
        KernelInfo.Of(LoadAutoGroupedKernel(accelerator, action), out kernelInfo);

    public static Action<TIndex, T1, T2, T3, T4, T5> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5> action, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct =>
        KernelInfo.Of(LoadAutoGroupedStreamKernel(accelerator, action), out kernelInfo);

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5> LoadImplicitlyGroupedKernel<TIndex, T1, T2, T3, T4, T5>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5> action, int customGroupSize, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct =>
        KernelInfo.Of(LoadImplicitlyGroupedKernel(accelerator, action, customGroupSize), out kernelInfo);

    public static Action<TIndex, T1, T2, T3, T4, T5> LoadImplicitlyGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5> action, int customGroupSize, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct =>
        KernelInfo.Of(LoadImplicitlyGroupedStreamKernel(accelerator, action, customGroupSize), out kernelInfo);

    public static Action<AcceleratorStream, KernelConfig, T1, T2, T3, T4, T5, T6> LoadKernel<T1, T2, T3, T4, T5, T6>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5, T6> action, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct =>
        LoadKernel(accelerator, action, KernelSpecialization.Empty, out kernelInfo);

    public static Action<AcceleratorStream, KernelConfig, T1, T2, T3, T4, T5, T6> LoadKernel<T1, T2, T3, T4, T5, T6>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5, T6> action, KernelSpecialization specialization, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct =>
        KernelInfo.Of(LoadKernel(accelerator, action, specialization), out kernelInfo);

    public static Action<KernelConfig, T1, T2, T3, T4, T5, T6> LoadStreamKernel<T1, T2, T3, T4, T5, T6>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5, T6> action, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct =>
        LoadStreamKernel(accelerator, action, KernelSpecialization.Empty, out kernelInfo);

    public static Action<KernelConfig, T1, T2, T3, T4, T5, T6> LoadStreamKernel<T1, T2, T3, T4, T5, T6>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5, T6> action, KernelSpecialization specialization, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct =>
        KernelInfo.Of(LoadStreamKernel(accelerator, action, specialization), out kernelInfo);

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6> LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6> action, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct =>
        KernelInfo.Of(LoadAutoGroupedKernel(accelerator, action), out kernelInfo);

    public static Action<TIndex, T1, T2, T3, T4, T5, T6> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6> action, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct =>
        KernelInfo.Of(LoadAutoGroupedStreamKernel(accelerator, action), out kernelInfo);

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6> LoadImplicitlyGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6> action, int customGroupSize, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct =>
        KernelInfo.Of(LoadImplicitlyGroupedKernel(accelerator, action, customGroupSize), out kernelInfo);

    public static Action<TIndex, T1, T2, T3, T4, T5, T6> LoadImplicitlyGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6> action, int customGroupSize, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct =>
        KernelInfo.Of(LoadImplicitlyGroupedStreamKernel(accelerator, action, customGroupSize), out kernelInfo);

    public static Action<AcceleratorStream, KernelConfig, T1, T2, T3, T4, T5, T6, T7> LoadKernel<T1, T2, T3, T4, T5, T6, T7>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5, T6, T7> action, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct =>
        LoadKernel(accelerator, action, KernelSpecialization.Empty, out kernelInfo);

    public static Action<AcceleratorStream, KernelConfig, T1, T2, T3, T4, T5, T6, T7> LoadKernel<T1, T2, T3, T4, T5, T6, T7>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5, T6, T7> action, KernelSpecialization specialization, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct =>
        KernelInfo.Of(LoadKernel(accelerator, action, specialization), out kernelInfo);

    public static Action<KernelConfig, T1, T2, T3, T4, T5, T6, T7> LoadStreamKernel<T1, T2, T3, T4, T5, T6, T7>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5, T6, T7> action, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct =>
        LoadStreamKernel(accelerator, action, KernelSpecialization.Empty, out kernelInfo);

    public static Action<KernelConfig, T1, T2, T3, T4, T5, T6, T7> LoadStreamKernel<T1, T2, T3, T4, T5, T6, T7>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5, T6, T7> action, KernelSpecialization specialization, out KernelInfo kernelInfo)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct =>
        KernelInfo.Of(LoadStreamKernel(accelerator, action, specialization), out kernelInfo);

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7> LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7> action, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct =>
        KernelInfo.Of(LoadAutoGroupedKernel(accelerator, action), out kernelInfo);

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7> action, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct =>
        KernelInfo.Of(LoadAutoGroupedStreamKernel(accelerator, action), out kernelInfo);

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7> LoadImplicitlyGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7> action, int customGroupSize, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct =>
        KernelInfo.Of(LoadImplicitlyGroupedKernel(accelerator, action, customGroupSize), out kernelInfo);

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7> LoadImplicitlyGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7>(
        this Accelerator accelerator, Action<TIndex, T1, T2, T3, T4, T5, T6, T7> action, int customGroupSize, out KernelInfo kernelInfo)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct =>
        KernelInfo.Of(LoadImplicitlyGroupedStreamKernel(accelerator, action, customGroupSize), out kernelInfo);
}
