using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using OllmNative.Model;
using OllmNative.Model.Cpu;

namespace OllmNative.Bench;

/// <summary>Products with bf16 weights on the models' own shapes, one JSON object a line, then the machine's limits: our half of <c>bench/gemm.py</c>.</summary>
internal static class GemmTable
{
    /// <summary>Runs <c>gemm THREADS ROWSxINPUTSxOUTPUTS ...</c>.</summary>
    public static int Run(ReadOnlySpan<string> args)
    {
        int threads = int.Parse(args[0], CultureInfo.InvariantCulture);
        foreach (string shape in args[1..])
        {
            int[] sizes = [.. shape.Split('x').Select(size => int.Parse(size, CultureInfo.InvariantCulture))];
            (double median, double best) = Measure(threads, sizes[0], sizes[1], sizes[2]);
            Console.WriteLine(JsonSerializer.Serialize(new { shape, flops_per_second = median, best }));
        }
        Console.WriteLine(JsonSerializer.Serialize(new
        {
            fma = MachineLimits.FlopsPerSecond(threads), matrix_unit = MachineLimits.MatrixUnitFlopsPerSecond(threads),
        }));
        return 0;
    }

    private static (double Median, double Best) Measure(int threads, int rows, int inputs, int outputs)
    {
        const int Warm = 2, Least = 5, Most = 200;
        const double Seconds = 0.4;
        using var o = new Operands(threads);
        DeviceMatrix w = o.Weights(outputs, inputs, out _);
        DeviceView<float> x = o.Floats((long)rows * inputs), y = o.Device.Allocate<float>((long)rows * outputs).View;
        for (int i = 0; i < Warm; i++) o.Device.MatMul(x, w, default, y);
        var rates = new List<double>();
        long begin = Stopwatch.GetTimestamp();
        while (rates.Count < Least || (rates.Count < Most && Stopwatch.GetElapsedTime(begin).TotalSeconds < Seconds))
        {
            long start = Stopwatch.GetTimestamp();
            o.Device.MatMul(x, w, default, y);
            rates.Add(2.0 * rows * inputs * outputs / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        rates.Sort();
        return (rates[rates.Count / 2], rates[^1]);
    }
}
