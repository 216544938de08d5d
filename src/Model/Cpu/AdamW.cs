using System.Runtime.Intrinsics;

namespace OllmNative.Model.Cpu;

public sealed unsafe partial class CpuDevice
{
    private const int ReduceBlock = 65536;

    /// <inheritdoc/>
    public override void AdamW(
        DeviceView<float> parameters, DeviceView<float> gradients, DeviceView<float> firstMoment, DeviceView<float> secondMoment, in AdamWStep step)
    {
        long count = parameters.Length;
        Expect(gradients.Length == count && firstMoment.Length == count && secondMoment.Length == count, "AdamW: four buffers of equal length");
        _pool.For(Items(count, ReduceBlock), new AdamWBody
        {
            Parameters = P(parameters), Gradients = P(gradients), First = P(firstMoment), Second = P(secondMoment), Count = count, Step = step,
            Correction1 = (float)(1 - Math.Pow(step.Beta1, step.Step)), Correction2 = (float)(1 - Math.Pow(step.Beta2, step.Step)),
        });
    }

    /// <inheritdoc/>
    public override double SquaredNorm(DeviceView<float> x)
    {
        int items = Items(x.Length, ReduceBlock);
        // Partial sums are f64: two floats of scratch each.
        using Lock.Scope alone = _scratchUse.EnterScope();
        var partial = (double*)Work(2L * items);
        _pool.For(items, new SquaredNormBody { X = P(x), Count = x.Length, Partial = partial });
        double total = 0;
        for (int i = 0; i < items; i++) total += partial[i];
        return total;
    }

    private struct AdamWBody : IParallelBody
    {
        public float* Parameters, Gradients, First, Second;
        public long Count;
        public AdamWStep Step;
        public float Correction1, Correction2;

        public readonly void Run(int index, int thread)
        {
            long i = (long)index * ReduceBlock, end = Math.Min(Count, i + ReduceBlock);
            float b1 = Step.Beta1, b2 = Step.Beta2, shrink = 1 - Step.LearningRate * Step.WeightDecay;
            float rate = Step.LearningRate / Correction1, root = 1 / MathF.Sqrt(Correction2);
            for (; i + 8 <= end; i += 8)
            {
                Vector256<float> g = Vector256.Load(Gradients + i) * Step.GradientScale;
                Vector256<float> m = Vector256.Load(First + i) * b1 + g * (1 - b1);
                Vector256<float> v = Vector256.Load(Second + i) * b2 + g * g * (1 - b2);
                m.Store(First + i);
                v.Store(Second + i);
                Vector256<float> scale = Vector256.Sqrt(v) * root + Vector256.Create(Step.Epsilon);
                (Vector256.Load(Parameters + i) * shrink - m * rate / scale).Store(Parameters + i);
            }
            for (; i < end; i++)
            {
                float g = Gradients[i] * Step.GradientScale;
                First[i] = First[i] * b1 + g * (1 - b1);
                Second[i] = Second[i] * b2 + g * g * (1 - b2);
                Parameters[i] = Parameters[i] * shrink - First[i] * rate / (MathF.Sqrt(Second[i]) * root + Step.Epsilon);
            }
        }
    }

    private struct SquaredNormBody : IParallelBody
    {
        public float* X;
        public long Count;
        public double* Partial;

        public readonly void Run(int index, int thread)
        {
            long i = (long)index * ReduceBlock, end = Math.Min(Count, i + ReduceBlock);
            double sum = 0;
            for (; i < end; i++) sum += (double)X[i] * X[i];
            Partial[index] = sum;
        }
    }
}
