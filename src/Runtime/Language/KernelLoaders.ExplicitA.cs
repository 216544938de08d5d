// Written by make_loaders.py; change that instead.
namespace OllmNative.Runtime.Language;

/// <summary>Makes kernels ready to launch.</summary>
public static partial class KernelLoaders
{
    public static Action<AcceleratorStream, KernelConfig, T1> LoadKernel<T1>(
        this Accelerator accelerator, Action<T1> action)
        where T1 : struct =>
        LoadKernel(accelerator, action, KernelSpecialization.Empty);

    public static Action<AcceleratorStream, KernelConfig, T1> LoadKernel<T1>(
        this Accelerator accelerator, Action<T1> action, KernelSpecialization specialization)
        where T1 : struct
    {
        Kernel kernel = Load(accelerator, action, IndexType.KernelConfig, 0, specialization);
        return kernel.For<Action<AcceleratorStream, KernelConfig, T1>>(
            (stream, config, a1) => kernel.Launch(stream, config, new Arguments<T1>(action, a1)));
    }

    public static Action<KernelConfig, T1> LoadStreamKernel<T1>(
        this Accelerator accelerator, Action<T1> action)
        where T1 : struct =>
        LoadStreamKernel(accelerator, action, KernelSpecialization.Empty);

    public static Action<KernelConfig, T1> LoadStreamKernel<T1>(
        this Accelerator accelerator, Action<T1> action, KernelSpecialization specialization)
        where T1 : struct
    {
        Kernel kernel = Load(accelerator, action, IndexType.KernelConfig, 0, specialization);
        return kernel.For<Action<KernelConfig, T1>>(
            (config, a1) => kernel.Launch(accelerator.DefaultStream, config, new Arguments<T1>(action, a1)));
    }

    public static Action<AcceleratorStream, KernelConfig, T1, T2> LoadKernel<T1, T2>(
        this Accelerator accelerator, Action<T1, T2> action)
        where T1 : struct where T2 : struct =>
        LoadKernel(accelerator, action, KernelSpecialization.Empty);

    public static Action<AcceleratorStream, KernelConfig, T1, T2> LoadKernel<T1, T2>(
        this Accelerator accelerator, Action<T1, T2> action, KernelSpecialization specialization)
        where T1 : struct where T2 : struct
    {
        Kernel kernel = Load(accelerator, action, IndexType.KernelConfig, 0, specialization);
        return kernel.For<Action<AcceleratorStream, KernelConfig, T1, T2>>(
            (stream, config, a1, a2) => kernel.Launch(stream, config, new Arguments<T1, T2>(action, a1, a2)));
    }

    public static Action<KernelConfig, T1, T2> LoadStreamKernel<T1, T2>(
        this Accelerator accelerator, Action<T1, T2> action)
        where T1 : struct where T2 : struct =>
        LoadStreamKernel(accelerator, action, KernelSpecialization.Empty);

    public static Action<KernelConfig, T1, T2> LoadStreamKernel<T1, T2>(
        this Accelerator accelerator, Action<T1, T2> action, KernelSpecialization specialization)
        where T1 : struct where T2 : struct
    {
        Kernel kernel = Load(accelerator, action, IndexType.KernelConfig, 0, specialization);
        return kernel.For<Action<KernelConfig, T1, T2>>(
            (config, a1, a2) => kernel.Launch(accelerator.DefaultStream, config, new Arguments<T1, T2>(action, a1, a2)));
    }

    public static Action<AcceleratorStream, KernelConfig, T1, T2, T3> LoadKernel<T1, T2, T3>(
        this Accelerator accelerator, Action<T1, T2, T3> action)
        where T1 : struct where T2 : struct where T3 : struct =>
        LoadKernel(accelerator, action, KernelSpecialization.Empty);

    public static Action<AcceleratorStream, KernelConfig, T1, T2, T3> LoadKernel<T1, T2, T3>(
        this Accelerator accelerator, Action<T1, T2, T3> action, KernelSpecialization specialization)
        where T1 : struct where T2 : struct where T3 : struct
    {
        Kernel kernel = Load(accelerator, action, IndexType.KernelConfig, 0, specialization);
        return kernel.For<Action<AcceleratorStream, KernelConfig, T1, T2, T3>>(
            (stream, config, a1, a2, a3) => kernel.Launch(stream, config, new Arguments<T1, T2, T3>(action, a1, a2, a3)));
    }

    public static Action<KernelConfig, T1, T2, T3> LoadStreamKernel<T1, T2, T3>(
        this Accelerator accelerator, Action<T1, T2, T3> action)
        where T1 : struct where T2 : struct where T3 : struct =>
        LoadStreamKernel(accelerator, action, KernelSpecialization.Empty);

    public static Action<KernelConfig, T1, T2, T3> LoadStreamKernel<T1, T2, T3>(
        this Accelerator accelerator, Action<T1, T2, T3> action, KernelSpecialization specialization)
        where T1 : struct where T2 : struct where T3 : struct
    {
        Kernel kernel = Load(accelerator, action, IndexType.KernelConfig, 0, specialization);
        return kernel.For<Action<KernelConfig, T1, T2, T3>>(
            (config, a1, a2, a3) => kernel.Launch(accelerator.DefaultStream, config, new Arguments<T1, T2, T3>(action, a1, a2, a3)));
    }

    public static Action<AcceleratorStream, KernelConfig, T1, T2, T3, T4> LoadKernel<T1, T2, T3, T4>(
        this Accelerator accelerator, Action<T1, T2, T3, T4> action)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct =>
        LoadKernel(accelerator, action, KernelSpecialization.Empty);

    public static Action<AcceleratorStream, KernelConfig, T1, T2, T3, T4> LoadKernel<T1, T2, T3, T4>(
        this Accelerator accelerator, Action<T1, T2, T3, T4> action, KernelSpecialization specialization)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct
    {
        Kernel kernel = Load(accelerator, action, IndexType.KernelConfig, 0, specialization);
        return kernel.For<Action<AcceleratorStream, KernelConfig, T1, T2, T3, T4>>(
            (stream, config, a1, a2, a3, a4) => kernel.Launch(stream, config, new Arguments<T1, T2, T3, T4>(action, a1, a2, a3, a4)));
    }

    public static Action<KernelConfig, T1, T2, T3, T4> LoadStreamKernel<T1, T2, T3, T4>(
        this Accelerator accelerator, Action<T1, T2, T3, T4> action)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct =>
        LoadStreamKernel(accelerator, action, KernelSpecialization.Empty);

    public static Action<KernelConfig, T1, T2, T3, T4> LoadStreamKernel<T1, T2, T3, T4>(
        this Accelerator accelerator, Action<T1, T2, T3, T4> action, KernelSpecialization specialization)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct
    {
        Kernel kernel = Load(accelerator, action, IndexType.KernelConfig, 0, specialization);
        return kernel.For<Action<KernelConfig, T1, T2, T3, T4>>(
            (config, a1, a2, a3, a4) => kernel.Launch(accelerator.DefaultStream, config, new Arguments<T1, T2, T3, T4>(action, a1, a2, a3, a4)));
    }

    public static Action<AcceleratorStream, KernelConfig, T1, T2, T3, T4, T5> LoadKernel<T1, T2, T3, T4, T5>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5> action)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct =>
        LoadKernel(accelerator, action, KernelSpecialization.Empty);

    public static Action<AcceleratorStream, KernelConfig, T1, T2, T3, T4, T5> LoadKernel<T1, T2, T3, T4, T5>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5> action, KernelSpecialization specialization)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
    {
        Kernel kernel = Load(accelerator, action, IndexType.KernelConfig, 0, specialization);
        return kernel.For<Action<AcceleratorStream, KernelConfig, T1, T2, T3, T4, T5>>(
            (stream, config, a1, a2, a3, a4, a5) => kernel.Launch(stream, config, new Arguments<T1, T2, T3, T4, T5>(action, a1, a2, a3, a4, a5)));
    }

    public static Action<KernelConfig, T1, T2, T3, T4, T5> LoadStreamKernel<T1, T2, T3, T4, T5>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5> action)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct =>
        LoadStreamKernel(accelerator, action, KernelSpecialization.Empty);

    public static Action<KernelConfig, T1, T2, T3, T4, T5> LoadStreamKernel<T1, T2, T3, T4, T5>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5> action, KernelSpecialization specialization)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
    {
        Kernel kernel = Load(accelerator, action, IndexType.KernelConfig, 0, specialization);
        return kernel.For<Action<KernelConfig, T1, T2, T3, T4, T5>>(
            (config, a1, a2, a3, a4, a5) => kernel.Launch(accelerator.DefaultStream, config, new Arguments<T1, T2, T3, T4, T5>(action, a1, a2, a3, a4, a5)));
    }

    public static Action<AcceleratorStream, KernelConfig, T1, T2, T3, T4, T5, T6> LoadKernel<T1, T2, T3, T4, T5, T6>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5, T6> action)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct =>
        LoadKernel(accelerator, action, KernelSpecialization.Empty);

    public static Action<AcceleratorStream, KernelConfig, T1, T2, T3, T4, T5, T6> LoadKernel<T1, T2, T3, T4, T5, T6>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5, T6> action, KernelSpecialization specialization)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct
    {
        Kernel kernel = Load(accelerator, action, IndexType.KernelConfig, 0, specialization);
        return kernel.For<Action<AcceleratorStream, KernelConfig, T1, T2, T3, T4, T5, T6>>(
            (stream, config, a1, a2, a3, a4, a5, a6) => kernel.Launch(stream, config, new Arguments<T1, T2, T3, T4, T5, T6>(action, a1, a2, a3, a4, a5, a6)));
    }

    public static Action<KernelConfig, T1, T2, T3, T4, T5, T6> LoadStreamKernel<T1, T2, T3, T4, T5, T6>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5, T6> action)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct =>
        LoadStreamKernel(accelerator, action, KernelSpecialization.Empty);

    public static Action<KernelConfig, T1, T2, T3, T4, T5, T6> LoadStreamKernel<T1, T2, T3, T4, T5, T6>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5, T6> action, KernelSpecialization specialization)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct
    {
        Kernel kernel = Load(accelerator, action, IndexType.KernelConfig, 0, specialization);
        return kernel.For<Action<KernelConfig, T1, T2, T3, T4, T5, T6>>(
            (config, a1, a2, a3, a4, a5, a6) => kernel.Launch(accelerator.DefaultStream, config, new Arguments<T1, T2, T3, T4, T5, T6>(action, a1, a2, a3, a4, a5, a6)));
    }

    public static Action<AcceleratorStream, KernelConfig, T1, T2, T3, T4, T5, T6, T7> LoadKernel<T1, T2, T3, T4, T5, T6, T7>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5, T6, T7> action)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct =>
        LoadKernel(accelerator, action, KernelSpecialization.Empty);

    public static Action<AcceleratorStream, KernelConfig, T1, T2, T3, T4, T5, T6, T7> LoadKernel<T1, T2, T3, T4, T5, T6, T7>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5, T6, T7> action, KernelSpecialization specialization)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct
    {
        Kernel kernel = Load(accelerator, action, IndexType.KernelConfig, 0, specialization);
        return kernel.For<Action<AcceleratorStream, KernelConfig, T1, T2, T3, T4, T5, T6, T7>>(
            (stream, config, a1, a2, a3, a4, a5, a6, a7) => kernel.Launch(stream, config, new Arguments<T1, T2, T3, T4, T5, T6, T7>(action, a1, a2, a3, a4, a5, a6, a7)));
    }

    public static Action<KernelConfig, T1, T2, T3, T4, T5, T6, T7> LoadStreamKernel<T1, T2, T3, T4, T5, T6, T7>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5, T6, T7> action)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct =>
        LoadStreamKernel(accelerator, action, KernelSpecialization.Empty);

    public static Action<KernelConfig, T1, T2, T3, T4, T5, T6, T7> LoadStreamKernel<T1, T2, T3, T4, T5, T6, T7>(
        this Accelerator accelerator, Action<T1, T2, T3, T4, T5, T6, T7> action, KernelSpecialization specialization)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct
    {
        Kernel kernel = Load(accelerator, action, IndexType.KernelConfig, 0, specialization);
        return kernel.For<Action<KernelConfig, T1, T2, T3, T4, T5, T6, T7>>(
            (config, a1, a2, a3, a4, a5, a6, a7) => kernel.Launch(accelerator.DefaultStream, config, new Arguments<T1, T2, T3, T4, T5, T6, T7>(action, a1, a2, a3, a4, a5, a6, a7)));
    }
}
