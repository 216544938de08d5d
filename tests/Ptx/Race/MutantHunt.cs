using OllmNative.Cli.Trials;
using OllmNative.Tests.Cuda;

namespace OllmNative.Tests.Ptx;

/// <summary>Trials of a kernel on the adversary: as it is, and again with each of its mutants.</summary>
internal sealed class MutantHunt : IDisposable
{
    private readonly PtxGpu _gpu = new(new PtxDriver { Multiprocessors = 2 });
    private readonly List<KernelTrial> _trials = [];
    private readonly KernelTrialPlan _plan;
    private readonly Action _restore;

    /// <summary>Trials of some sizes on a chip of two multiprocessors, so that a group has several tiles to make.</summary>
    public MutantHunt(KernelTrialPlan plan, int seed, params TrialSize[] sizes)
    {
        _plan = plan;
        foreach (TrialSize size in sizes) _trials.Add(plan.On(_gpu.Accelerator, size, seed));
        _restore = _gpu.Driver.Memory.Snapshot();
    }

    /// <summary>Small and odd; and of several tiles, with more steps than a pipeline has stages.</summary>
    public static TrialSize[] Sizes(KernelTrialPlan plan, int seed)
    {
        var random = new Random(seed + plan.Kernel.Length);
        TrialSize small = TrialSize.Random(random) with { Columns = 1 + random.Next(70), Depth = 1 + random.Next(20) };
        // One group does 65,536 elements.
        if (plan.Kernel == "SquaredNorm") return [small, new(230, 300, 1)];
        if (plan.LargeTiles) return [small, new(130 + random.Next(20), 130 + random.Next(90), 330 + random.Next(90))];
        return [small, new(2 + random.Next(6), 200 + random.Next(100), 100 + random.Next(60))];
    }

    /// <summary>The programs that have run, each with one of the instructions that have been reached left out or weakened.</summary>
    public IReadOnlyList<PtxMutant> Mutants() =>
        [.. _gpu.Driver.Ran.GroupBy(ran => Program(ran.Key)).SelectMany(same => PtxMutant.Of(same.First().Key).Where(mutant => same.Any(ran => ran.Value[mutant.Place])))];

    // Each trial has loaded the program for itself.
    private static (string, int) Program(PtxModule module) => (module.Entry, module.Code.Count);

    /// <summary>What is wrong with the kernel, or gives a mutant away: a race, a deadlock, a wrong result; null when nothing does.</summary>
    public string? Finds(PtxMutant? mutant, int seeds)
    {
        for (int seed = 0; seed < seeds; seed++)
            foreach (PtxMoment moment in Enum.GetValues<PtxMoment>())
                if (Run(mutant, moment, seed, true) is { } finding) return finding;
        return null;
    }

    /// <summary>One schedule of the kernel as it is.</summary>
    public string? FindsAtOnce(PtxMoment moment, int seed) => Run(null, moment, seed, false);

    private string? Run(PtxMutant? mutant, PtxMoment moment, int seed, bool twice)
    {
        PtxDriver driver = _gpu.Driver;
        driver.Changes = mutant is null ? null : each => Program(each) == Program(mutant.Module) ? each.With(mutant.Place, mutant.Instead) : each;
        foreach (KernelTrial trial in _trials)
        {
            _restore();
            driver.Findings.Clear();
            driver.Adversary = new PtxAdversary(seed, moment);
            if (twice)
            {
                // The second launch may overlap the first where the kernel allows it. A look at the results would take longer than the runs.
                trial.Launch();
                trial.Launch();
                trial.Accelerator.Synchronize();
                if (driver.Findings.Count > 0) return driver.Findings[0];
                _restore();
            }
            double error = trial.MaxError();
            if (driver.Findings.Count > 0) return driver.Findings[0];
            if (!(error <= _plan.Tolerance)) return $"error {error:g2}";
        }
        return null;
    }

    public void Dispose()
    {
        foreach (KernelTrial trial in _trials) trial.Dispose();
        _gpu.Dispose();
    }
}
