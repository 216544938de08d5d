using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace OllmNative.Model.Cpu;

/// <summary>What the processor can do at best, measured now: the roofline that benchmarks are held against.</summary>
public static unsafe class MachineLimits
{
    /// <summary>Multiply-adds from registers on all threads, in FLOP/s (an FMA counts two): the best of several tries.</summary>
    public static double FlopsPerSecond(int threads)
    {
        using var pool = new WorkerPool(threads);
        const int Rounds = 2_000_000;
        double lanes = Avx512F.IsSupported ? 16 : 8, best = 0;
        float sink = 0;
        for (int attempt = 0; attempt < 8; attempt++)
        {
            long start = Stopwatch.GetTimestamp();
            pool.For(pool.Threads, new FmaBody { Rounds = Rounds, Sink = &sink });
            best = Math.Max(best, pool.Threads * (double)Rounds * FmaBody.Chains * lanes * 2 / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return best;
    }

    /// <summary>
    /// Products of f32 with bf16 numbers on the matrix unit, in FLOP/s (a multiply-add counts two, however many terms it takes there), operands in
    /// the first-level cache: the best of several tries; 0 where there is no unit or it is switched off.
    /// </summary>
    public static double MatrixUnitFlopsPerSecond(int threads)
    {
        if (!Amx.IsSupported) return 0;
        using var pool = new WorkerPool(threads);
        const int Rounds = 50_000;
        double best = 0;
        for (int attempt = 0; attempt < 8; attempt++)
        {
            long start = Stopwatch.GetTimestamp();
            pool.For(pool.Threads, new TileBody { Rounds = Rounds });
            best = Math.Max(best, pool.Threads * (double)Rounds * TileBody.Flops / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return best;
    }

    /// <summary>Bytes read per second from memory by all threads, over a buffer far larger than the caches.</summary>
    public static double BytesPerSecond(int threads)
    {
        const long Bytes = 1L << 30;
        using var pool = new WorkerPool(threads);
        void* buffer = NativeMemory.AlignedAlloc((nuint)Bytes, 64);
        NativeMemory.Fill(buffer, (nuint)Bytes, 1);
        double best = 0;
        float sink = 0;
        for (int attempt = 0; attempt < 4; attempt++)
        {
            long start = Stopwatch.GetTimestamp();
            pool.For(256, new ReadBody { Buffer = (float*)buffer, Count = Bytes / sizeof(float) / 256, Sink = &sink });
            best = Math.Max(best, Bytes / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        NativeMemory.AlignedFree(buffer);
        return best;
    }

    private struct FmaBody : IParallelBody
    {
        public const int Chains = 12;
        public int Rounds;
        public float* Sink;

        public readonly void Run(int index, int thread)
        {
            float result = Avx512F.IsSupported ? Wide(Rounds) : Narrow(Rounds);
            if (float.IsNaN(result)) *Sink = result;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static float Wide(int rounds)
        {
            Vector512<float> x = Vector512.Create(0.999f), y = Vector512.Create(0.001f);
            Vector512<float> a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
            for (int r = 0; r < rounds; r++)
            {
                a = Avx512F.FusedMultiplyAdd(a, x, y); b = Avx512F.FusedMultiplyAdd(b, x, y); c = Avx512F.FusedMultiplyAdd(c, x, y);
                d = Avx512F.FusedMultiplyAdd(d, x, y); e = Avx512F.FusedMultiplyAdd(e, x, y); f = Avx512F.FusedMultiplyAdd(f, x, y);
                g = Avx512F.FusedMultiplyAdd(g, x, y); h = Avx512F.FusedMultiplyAdd(h, x, y); i = Avx512F.FusedMultiplyAdd(i, x, y);
                j = Avx512F.FusedMultiplyAdd(j, x, y); k = Avx512F.FusedMultiplyAdd(k, x, y); l = Avx512F.FusedMultiplyAdd(l, x, y);
            }
            return Vector512.Sum(a + b + c + d + e + f + g + h + i + j + k + l);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static float Narrow(int rounds)
        {
            Vector256<float> x = Vector256.Create(0.999f), y = Vector256.Create(0.001f);
            Vector256<float> a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
            for (int r = 0; r < rounds; r++)
            {
                a = Vector256.FusedMultiplyAdd(a, x, y); b = Vector256.FusedMultiplyAdd(b, x, y); c = Vector256.FusedMultiplyAdd(c, x, y);
                d = Vector256.FusedMultiplyAdd(d, x, y); e = Vector256.FusedMultiplyAdd(e, x, y); f = Vector256.FusedMultiplyAdd(f, x, y);
                g = Vector256.FusedMultiplyAdd(g, x, y); h = Vector256.FusedMultiplyAdd(h, x, y); i = Vector256.FusedMultiplyAdd(i, x, y);
                j = Vector256.FusedMultiplyAdd(j, x, y); k = Vector256.FusedMultiplyAdd(k, x, y); l = Vector256.FusedMultiplyAdd(l, x, y);
            }
            return Vector256.Sum(a + b + c + d + e + f + g + h + i + j + k + l);
        }
    }

    private struct TileBody : IParallelBody
    {
        private const int Steps = 2;

        /// <summary>Of one round: a block of 32 x 32 and its depth.</summary>
        public const double Flops = 2.0 * Amx.Block * Amx.Block * Amx.Block * Steps;

        public int Rounds;

        public readonly void Run(int index, int thread)
        {
            int whole = Steps * 2 * 1024, terms = Amx.Terms * whole, c = 4 * 1024;
            byte* memory = (byte*)NativeMemory.AlignedAlloc((nuint)(whole + terms + c), 64);
            NativeMemory.Clear(memory, (nuint)(whole + terms + c));
            for (int r = 0; r < Rounds; r++) Amx.Multiply(termsFirst: false, accumulate: true, memory, memory + whole, (float*)(memory + whole + terms), Steps, 1);
            NativeMemory.AlignedFree(memory);
        }
    }

    private struct ReadBody : IParallelBody
    {
        public float* Buffer, Sink;
        public long Count;

        public readonly void Run(int index, int thread)
        {
            float* from = Buffer + index * Count;
            Vector256<float> a = default, b = default, c = default, d = default;
            for (long i = 0; i < Count; i += 32)
            {
                a += Vector256.Load(from + i);
                b += Vector256.Load(from + i + 8);
                c += Vector256.Load(from + i + 16);
                d += Vector256.Load(from + i + 24);
            }
            float result = Vector256.Sum(a + b + c + d);
            if (float.IsNaN(result)) *Sink = result;
        }
    }
}
