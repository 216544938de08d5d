using OllmNative.Model;
using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Language;

namespace OllmNative.Cli.Trials;

/// <summary>Sizes of one trial; each kernel says what they are to it.</summary>
/// <param name="Rows">Tokens, or M of a product.</param>
/// <param name="Columns">Width, heads, or N of a product.</param>
/// <param name="Depth">Vocabulary, half a head, or K of a product.</param>
internal readonly record struct TrialSize(int Rows, int Columns, int Depth)
{
    /// <summary>Small and odd, so that tiles do not come out even.</summary>
    public static TrialSize Random(Random random) => new(1 + random.Next(6), 1 + random.Next(300), 1 + random.Next(40));

    /// <summary>Of several tiles in each direction: for GPUs, which have the time.</summary>
    public static TrialSize LargerRandom(Random random) => new(1 + random.Next(400), 1 + random.Next(600), 1 + random.Next(400));

    public override string ToString() => $"{Rows} x {Columns} x {Depth}";
}

/// <summary>
/// A kernel on one device with random inputs in place: it can be launched any number of times, and its results can be held against a plain
/// computation in f64.
/// </summary>
internal sealed class KernelTrial(Accelerator accelerator, int seed) : IDisposable
{
    private readonly List<IDisposable> _buffers = [];
    private readonly List<Action> _resets = [];
    private readonly List<Func<double>> _errors = [];
    private ulong _drawn;

    /// <summary>Where it runs.</summary>
    public Accelerator Accelerator { get; } = accelerator;

    /// <summary>Starts the kernel once.</summary>
    public Action Launch { get; set; } = () => throw new InvalidOperationException("the trial has no kernel");

    /// <summary>Bytes that one launch must at least read and write.</summary>
    public double Bytes { get; set; }

    /// <summary>Arithmetic of one launch.</summary>
    public double Flops { get; set; }

    /// <summary>Whether the arithmetic is done by tensor cores.</summary>
    public bool OnTensorCores { get; set; }

    /// <summary>Numbers in (-scale, scale).</summary>
    public float[] Random(int count, float scale = 1)
    {
        ulong key = NextKey();
        return Fill(count, i => (Counter.Uniform(key, (ulong)i) * 2 - 1) * scale);
    }

    /// <summary>Numbers in [0, limit).</summary>
    public int[] Integers(int count, int limit)
    {
        ulong key = NextKey();
        return Fill(count, i => Counter.Below(key, (ulong)i, limit));
    }

    /// <summary>An array by its elements, on all cores: the weights of a head are hundreds of millions.</summary>
    public static T[] Fill<T>(int count, Func<int, T> element)
    {
        const int block = 1 << 16;
        var values = new T[count];
        Parallel.For(0, (count + block - 1) / block, b =>
        {
            for (int i = b * block; i < Math.Min(count, (b + 1) * block); i++) values[i] = element(i);
        });
        return values;
    }

    private ulong NextKey() => Counter.Key((ulong)seed, _drawn++);

    /// <summary>A buffer that the kernel reads.</summary>
    public ArrayView<T> Input<T>(T[] values) where T : unmanaged
    {
        MemoryBuffer1D<T, Stride1D.Dense> buffer = Accelerator.Allocate1D(values);
        _buffers.Add(buffer);
        return buffer.View;
    }

    /// <summary>A buffer that the kernel writes all of.</summary>
    public ArrayView<float> Output(int count, Func<double[]> expected) => Changed(new float[count], expected);

    /// <summary>A buffer that the kernel changes; it has these values again before results are compared.</summary>
    public ArrayView<float> Changed(float[] values, Func<double[]> expected) => Changed(values, value => value, expected);

    /// <summary>The same for elements of any type, which <paramref name="value"/> reads.</summary>
    public ArrayView<T> Changed<T>(T[] values, Func<T, double> value, Func<double[]> expected) where T : unmanaged =>
        Judged(values, actual => Largest(expected(), Array.ConvertAll(actual, element => value(element))));

    /// <summary>Integers that the kernel changes, or writes all of; each must be what is expected.</summary>
    public ArrayView<int> ChangedInts(int[] values, Func<int[]> expected) =>
        Judged(values, actual => expected().AsSpan().SequenceEqual(actual) ? 0 : double.PositiveInfinity);

    /// <summary>A buffer that the kernel changes, and what is wrong with its result.</summary>
    public ArrayView<T> Judged<T>(T[] values, Func<T[], double> error) where T : unmanaged
    {
        MemoryBuffer1D<T, Stride1D.Dense> buffer = Accelerator.Allocate1D(values);
        _buffers.Add(buffer);
        _resets.Add(() => buffer.CopyFromCPU(values));
        _errors.Add(() => error(buffer.GetAsArray1D()));
        return buffer.View;
    }

    /// <summary>Launches on fresh inputs. The largest of |result - expected| / (1 + |expected|); NaN counts as infinite.</summary>
    public double MaxError()
    {
        foreach (Action reset in _resets) reset();
        Launch();
        Accelerator.Synchronize();
        return _errors.Max(error => error());
    }

    private static double Largest(double[] expected, double[] actual)
    {
        double largest = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            double error = Math.Abs(expected[i] - actual[i]) / (1 + Math.Abs(expected[i]));
            largest = Math.Max(largest, double.IsNaN(error) ? double.PositiveInfinity : error);
        }
        return largest;
    }

    public void Dispose()
    {
        foreach (IDisposable buffer in _buffers) buffer.Dispose();
        _buffers.Clear();
    }
}

/// <summary>How to try one kernel.</summary>
/// <param name="Kernel">Its name in the catalog.</param>
/// <param name="Tolerance">Largest <see cref="KernelTrial.MaxError"/> that is right.</param>
/// <param name="Large">Sizes that keep a large GPU busy, of a 1.5 B model's layers.</param>
/// <param name="Prepare">Fills a trial of some sizes.</param>
internal sealed record KernelTrialPlan(string Kernel, double Tolerance, TrialSize Large, Action<KernelTrial, TrialSize> Prepare)
{
    /// <summary>Whether a GPU must be of compute capability 9.0; the emulator runs everything.</summary>
    public bool NeedsHopper { get; init; }

    /// <summary>Whether its products are of tiles that small sizes do not fill.</summary>
    public bool LargeTiles { get; init; }

    /// <summary>Whether it can run there.</summary>
    public bool RunsOn(Accelerator accelerator) =>
        !NeedsHopper || accelerator is not CudaAccelerator gpu || gpu.Architecture is { Major: 9, Minor: 0 };

    /// <summary>A trial on a device.</summary>
    public KernelTrial On(Accelerator accelerator, TrialSize size, int seed)
    {
        var trial = new KernelTrial(accelerator, seed);
        try
        {
            Prepare(trial, size);
            return trial;
        }
        catch
        {
            trial.Dispose();
            throw;
        }
    }
}
