#if !ILGPU
namespace OllmNative.Kernels;

/// <summary>
/// Picks a token of each row of logits: repetition penalty, temperature, min-p, top-k, top-p, one draw. Nothing is sorted: a cut is a threshold
/// on the weights exp((l - max) / temperature), found in three rounds of 10 bits of their float patterns, and sums of weights are integers,
/// which any order adds up to the same. The CPU twin is <c>TokenDraw</c> in src/Model: same thresholds, same draw.
/// </summary>
public static class SampleTokens
{
    private const int Bins = 1024;

    private const string Contract = """
        picked[n] = the token that rows[n]'s draw falls on among the weights w[v] = exp((l[v] - max l) / temperature), in the order of ids, where
        l = logits[n] with tokens of seen[n] penalised, w[v] >= min-p, w[v] >= the k-th largest, w[v] >= the one that reaches top-p of the rest
        temperature 0: the first largest l        logits [N,V] f32, rows [N,12] i32, knobs [N,4] f32 (DecodeRow), seen [N,ceil(V/32)] bits, picked [N] i32
        grid N, group whole warps, one-dimensional
        bytes 4NV (2 + 0 to 3 rounds a cut) from the cache, flops 6NV a round
        """;

    /// <summary>A row of logits and what weights are made of.</summary>
    private struct Source
    {
        public ArrayView<float> Logits;
        public ArrayView<int> Seen;
        public float Penalty, Max, Inverse, Least;

        /// <summary>The penalised logit.</summary>
        public readonly float Logit(int v)
        {
            float l = Logits[v];
            if (Penalty == 1f || (Seen[v / 32] >> (v % 32) & 1) == 0) return l;
            return l > 0f ? l / Penalty : l * Penalty;
        }

        /// <summary>Its weight, 1 for the largest; -1 below min-p.</summary>
        public readonly float Weight(int v)
        {
            float weight = XMath.Exp((Logit(v) - Max) * Inverse);
            return weight >= Least ? weight : -1f;
        }
    }

    /// <summary>A histogram in shared memory and what was found in it: bin, what is still needed, mass above the bin, mass in all.</summary>
    private struct Histogram
    {
        public ArrayView<int> Counts;
        public ArrayView<long> Masses, Found;
    }

    [Kernel("SampleTokens", Contract), Runtime.Extensions.OverlapsPredecessor]
    public static void Forward(ArrayView<float> logits, ArrayView<int> rows, ArrayView<float> knobs, ArrayView<int> seen, ArrayView<int> picked, int columns)
    {
        Overlap.Begin();
        Histogram histogram = default;
        histogram.Counts = SharedMemory.Allocate<int>(Bins);
        histogram.Masses = SharedMemory.Allocate<long>(Bins);
        histogram.Found = SharedMemory.Allocate<long>(4);
        int row = Grid.IdxX, words = (columns + 31) / 32, knob = row * DecodeRow.Knobs;
        float temperature = knobs[knob + DecodeRow.Temperature], topP = knobs[knob + DecodeRow.TopP];
        Source source = default;
        source.Logits = logits.SubView((long)row * columns, columns);
        source.Seen = seen.SubView((long)row * words, words);
        source.Penalty = knobs[knob + DecodeRow.Penalty];
        int at = Largest(source, columns);
        if (temperature <= 0f)
        {
            if (Group.IdxX == 0) picked[row] = at;
            return;
        }
        source.Max = source.Logit(at);
        source.Inverse = 1f / temperature;
        source.Least = knobs[knob + DecodeRow.MinP];
        int topK = rows[row * DecodeRow.Ints + DecodeRow.TopK];
        long mass = -1;
        int threshold = 0;
        if (topK > 0) threshold = Cut(source, histogram, columns, false, topK, 0, ref mass);
        if (topP < 1f)
        {
            int share = (int)(topP * (1 << 24));
            threshold = Cut(source, histogram, columns, true, mass < 0 ? 0 : AtLeastOne(Share(mass, share)), mass < 0 ? share : 0, ref mass);
        }
        Draw(source, histogram, columns, threshold, (int)(GumbelSoftmax.Key(DecodeRow.Key(rows, row), 0) >> 41), picked, row);
    }

    /// <summary>floor(total * share / 2^24) without leaving 64 bits.</summary>
    private static long Share(long total, int share) => (total >> 24) * share + ((total & 0xffffff) * share >> 24);

    private static long AtLeastOne(long mass) => mass < 1 ? 1 : mass;

    private static long Mass(float weight) => (long)(weight * (1 << 30));

    private static int Largest(Source source, int columns)
    {
        float best = float.NegativeInfinity;
        int at = int.MaxValue;
        for (int v = Group.IdxX; v < columns; v += Group.DimX)
        {
            float value = source.Logit(v);
            if (value > best || (value == best && at == int.MaxValue))
            {
                best = value;
                at = v;
            }
        }
        at = GroupReduce.FirstMaxAll(best, at);
        return at == int.MaxValue ? 0 : at;
    }

    /// <summary>
    /// The bits of the smallest weight that stays when the largest ones are taken until there are <paramref name="need"/> of them, or of their
    /// mass; a share is one of all mass. <paramref name="mass"/> becomes that of what stays. Equals of the smallest stay too.
    /// </summary>
    private static int Cut(Source source, Histogram histogram, int columns, bool byMass, long need, int share, ref long mass)
    {
        int prefix = 0;
        long above = 0;
        for (int shift = 20; shift >= 0; shift -= 10)
        {
            Clear(histogram);
            for (int v = Group.IdxX; v < columns; v += Group.DimX)
            {
                float weight = source.Weight(v);
                int bits = (int)Interop.FloatAsInt(weight);
                if (weight < 0f || (shift < 20 && bits >> (shift + 10) != prefix)) continue;
                Atomic.Add(ref histogram.Counts[bits >> shift & (Bins - 1)], 1);
                Atomic.Add(ref histogram.Masses[bits >> shift & (Bins - 1)], Mass(weight));
            }
            Group.Barrier();
            if (Group.IdxX < 32) Find(histogram, byMass, need, share);
            Group.Barrier();
            int bin = (int)histogram.Found[0];
            if (bin < 0)
            {
                mass = histogram.Found[3];
                return 0;
            }
            prefix = prefix << 10 | bin;
            need = histogram.Found[1];
            share = 0;
            above += histogram.Found[2];
            int inBin = histogram.Counts[bin];
            mass = above + histogram.Masses[bin];
            Group.Barrier();
            // One weight is its whole bin.
            if (inBin == 1) return prefix << shift;
        }
        return prefix;
    }

    private static void Clear(Histogram histogram)
    {
        for (int i = Group.IdxX; i < Bins; i += Group.DimX)
        {
            histogram.Counts[i] = 0;
            histogram.Masses[i] = 0;
        }
        Group.Barrier();
    }

    /// <summary>From the highest bin down, the one in which the need is met; bin -1 where all bins do not meet it. One warp; each lane has 32 bins.</summary>
    private static void Find(Histogram histogram, bool byMass, long need, int share)
    {
        int lane = Group.IdxX, first = Bins - 1 - 32 * lane;
        long count = 0, mass = 0;
        for (int i = 0; i < 32; i++)
        {
            count += histogram.Counts[first - i];
            mass += histogram.Masses[first - i];
        }
        long counts = count, masses = mass;
        for (int offset = 1; offset < 32; offset *= 2)
        {
            long otherCount = Warp.ShuffleUp(counts, offset), otherMass = Warp.ShuffleUp(masses, offset);
            if (lane >= offset)
            {
                counts += otherCount;
                masses += otherMass;
            }
        }
        long total = Warp.Shuffle(masses, 31);
        if (share > 0) need = AtLeastOne(Share(total, share));
        long reached = byMass ? masses : counts, before = reached - (byMass ? mass : count);
        if (lane == 31)
        {
            histogram.Found[3] = total;
            if (reached < need) histogram.Found[0] = -1;
        }
        if (before >= need || reached < need) return;
        long massBefore = masses - mass;
        int bin = first;
        long next = byMass ? histogram.Masses[bin] : histogram.Counts[bin];
        while (before + next < need)
        {
            before += next;
            massBefore += histogram.Masses[bin];
            bin--;
            next = byMass ? histogram.Masses[bin] : histogram.Counts[bin];
        }
        histogram.Found[0] = bin;
        histogram.Found[1] = need - before;
        histogram.Found[2] = massBefore;
    }

    /// <summary>The token on which the draw (23 bits) falls: sums of stretches of the row, the stretch of the draw, the token in it.</summary>
    private static void Draw(Source source, Histogram histogram, int columns, int threshold, int draw, ArrayView<int> picked, int row)
    {
        int lane = Group.IdxX % 32, length = (columns + 32 * Bins - 1) / (32 * Bins) * 32;
        Clear(histogram);
        for (int stretch = Group.IdxX / 32; stretch * length < columns; stretch += Group.DimX / 32)
        {
            long mass = 0;
            for (int i = lane; i < length; i += 32) mass += Kept(source, stretch * length + i, columns, threshold);
            for (int offset = 16; offset > 0; offset /= 2) mass += Warp.ShuffleXor(mass, offset);
            // The search goes downwards, tokens are drawn upwards.
            if (lane == 0) histogram.Masses[Bins - 1 - stretch] = mass;
        }
        Group.Barrier();
        if (Group.IdxX >= 32) return;
        // Two searches: the first tells the sum of all, of which the draw is a share.
        Find(histogram, true, long.MaxValue, 0);
        Warp.Barrier();
        long need = Share(histogram.Found[3], 2 * draw + 1) + 1;
        Warp.Barrier();
        Find(histogram, true, need, 0);
        Warp.Barrier();
        int found = Bins - 1 - (int)histogram.Found[0];
        need = histogram.Found[1];
        for (int i = 0; i < length; i += 32)
        {
            int v = found * length + i + lane;
            long own = Kept(source, v, columns, threshold), sum = own;
            for (int offset = 1; offset < 32; offset *= 2)
            {
                long other = Warp.ShuffleUp(sum, offset);
                if (lane >= offset) sum += other;
            }
            if (sum >= need && sum - own < need) picked[row] = v;
            need -= Warp.Shuffle(sum, 31);
        }
    }

    private static long Kept(Source source, int v, int columns, int threshold)
    {
        if (v >= columns) return 0;
        float weight = source.Weight(v);
        return weight >= 0f && (int)Interop.FloatAsInt(weight) >= threshold ? Mass(weight) : 0;
    }
}
#endif
