using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace OllmNative.Model.Cpu;

/// <summary>
/// The operations on the processor: SIMD with a scalar tail, work shared over threads. Each operation is in a file of its
/// own name. Results do not depend on the number of threads: items are cut by size alone, and sums have a fixed order.
/// Callers on several threads are safe and take turns: operations that need scratch memory or the threads run one at a time.
/// </summary>
public sealed unsafe partial class CpuDevice : ComputeDevice
{
    private readonly WorkerPool _pool;
    private readonly GemmScratch* _scratch;
    private readonly Lock _scratchUse = new();
    private CpuBuffer<float>? _work;

    /// <summary>Starts the device.</summary>
    /// <param name="threads">Threads to use; 0 takes one for each core.</param>
    public CpuDevice(int threads = 0)
    {
        _pool = new WorkerPool(threads > 0 ? threads : Environment.ProcessorCount);
        _scratch = GemmScratch.Create(_pool.Threads);
        _amx = AmxScratch.Create(_pool.Threads);
    }

    /// <summary>Threads that share the work.</summary>
    public int Threads => _pool.Threads;

    /// <inheritdoc/>
    public override string Description
    {
        get
        {
            string simd = _amx != null ? "AVX-512, AMX"
                : Avx512F.IsSupported ? "AVX-512"
                : Vector256.IsHardwareAccelerated ? "AVX2"
                : Vector128.IsHardwareAccelerated ? "128-bit SIMD" : "scalar";
            return $"cpu ({Threads} {(Threads == 1 ? "thread" : "threads")}, {simd})";
        }
    }

    /// <inheritdoc/>
    public override DeviceBuffer<T> Allocate<T>(long length) => new CpuBuffer<T>(length);

    /// <inheritdoc/>
    public override DeviceMatrix Matrix(MappedTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (tensor.Shape.Count != 2 || tensor.DType is not (DType.F32 or DType.F16 or DType.BF16))
        {
            throw new OllmException(
                $"{tensor.File}: tensor '{tensor.Name}' is {tensor.DType.Name()} {tensor.ShapeText}; expected a matrix of F32, F16 or BF16");
        }
        int rows = checked((int)tensor.Shape[0]), columns = checked((int)tensor.Shape[1]);
        CpuBuffer<float>? panels = PackWhole(Operand.Transposed(tensor.Data, tensor.DType, columns), rows, columns);
        return new CpuMatrix(tensor, tensor.Data, tensor.DType, rows, columns) { Panels = panels };
    }

    /// <inheritdoc/>
    public override DeviceMatrix Matrix(DeviceView<float> parameters, int rows, int columns)
    {
        Expect(parameters.Length == (long)rows * columns, "a matrix needs rows x columns parameters");
        return new CpuMatrix(parameters.Buffer!, (byte*)P(parameters), DType.F32, rows, columns);
    }

    /// <inheritdoc/>
    public override DeviceMatrix FirstRows(DeviceMatrix matrix, int rows)
    {
        CpuMatrix m = Cpu(matrix);
        Expect(rows >= 0 && rows <= m.Rows, "FirstRows: rows of the matrix");
        return new CpuMatrix(m.Owner, m.Data, m.DType, rows, m.Columns, m.Scales) { Panels = m.Panels };
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing) return;
        foreach (CpuDevice lane in _lanes ?? []) lane.Dispose();
        _pool.Dispose();
        GemmScratch.Free(_scratch, _pool.Threads);
        AmxScratch.Free(_amx, _pool.Threads);
        _work?.Dispose();
    }

    private static T* P<T>(DeviceView<T> view) where T : unmanaged =>
        view.Buffer is null ? null : ((CpuBuffer<T>)view.Buffer).Pointer + view.Offset;

    private static CpuMatrix Cpu(DeviceMatrix matrix) => (CpuMatrix)matrix;

    /// <summary>A shape mistake is a bug of the caller, not of the user.</summary>
    private static void Expect(bool condition, string what)
    {
        if (!condition) throw new ArgumentException(what);
    }

    /// <summary>
    /// Scratch memory of the running operation, which holds <see cref="_scratchUse"/>; it grows to the largest size asked for
    /// and stays.
    /// </summary>
    private float* Work(long floats)
    {
        if (_work is null || _work.Length < floats)
        {
            _work?.Dispose();
            _work = new CpuBuffer<float>(floats);
        }
        return _work.Pointer;
    }

    /// <summary>Rows per item of an elementwise loop: about 16,384 floats, enough to be worth handing to a thread.</summary>
    private static int RowsPerItem(long columns) => (int)Math.Max(1, 16384 / Math.Max(1, columns));

    private static int Items(long rows, int perItem) => checked((int)((rows + perItem - 1) / perItem));
}
