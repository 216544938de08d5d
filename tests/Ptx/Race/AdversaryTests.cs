using System.Globalization;
using OllmNative.Cli.Trials;
using Xunit.Abstractions;

namespace OllmNative.Tests.Ptx;

/// <summary>
/// Kernels of the catalog on the adversary's schedules, and the adversary itself: leave out, or weaken, one instruction that orders memory, and it must
/// say so. Here a choice of kernels; OLLM_RACES=text,text takes all whose name contains one of the texts (tests/nightly/races.sh),
/// with OLLM_RACE_SEEDS seeds.
/// </summary>
public sealed class AdversaryTests(ITestOutputHelper output)
{
    private static readonly string? s_wanted = Environment.GetEnvironmentVariable("OLLM_RACES");
    private static readonly int s_seeds = int.TryParse(Environment.GetEnvironmentVariable("OLLM_RACE_SEEDS"), NumberStyles.None, CultureInfo.InvariantCulture, out int seeds) ? seeds : 1;

    // OLLM_RACE_SHARE=3/8 takes the third eighth of a kernel's mutants.
    private static readonly int[] s_share = [.. (Environment.GetEnvironmentVariable("OLLM_RACE_SHARE") ?? "1/1").Split('/').Select(part => int.Parse(part, CultureInfo.InvariantCulture))];

    public static TheoryData<string> Plans => [.. KernelTrials.All.Select(plan => plan.Kernel)];

    [Theory]
    [MemberData(nameof(Plans))]
    public void Kernel_WorstSchedules_HasNoRaceAndIsRight(string kernel)
    {
        KernelTrialPlan plan = Plan(kernel);
        TrialSize[] sizes = MutantHunt.Sizes(plan, 1);
        using var hunt = new MutantHunt(plan, 1, s_wanted is null ? sizes[..1] : sizes);
        // Every day one of the three ways, another one for each kernel.
        Assert.Null(s_wanted is null ? hunt.FindsAtOnce((PtxMoment)(KernelTrials.All.ToList().IndexOf(plan) % 3), 1) : hunt.Finds(null, s_seeds));
    }

    [Theory]
    [InlineData("Softmax")]
    [InlineData("SquaredNorm")]
    public void Mutants_OfAKernel_AreAllFound(string kernel)
    {
        KernelTrialPlan plan = Plan(kernel);
        using var hunt = new MutantHunt(plan, 1, MutantHunt.Sizes(plan, 1));
        Assert.Null(hunt.Finds(null, 1));
        Assert.NotEmpty(hunt.Mutants());
        Assert.All(hunt.Mutants(), mutant => Assert.NotNull(hunt.Finds(mutant, 1)));
    }

    public static TheoryData<string> Wanted => s_wanted is null ? ["none"] : [.. KernelTrials.All.Select(plan => plan.Kernel).Where(kernel => s_wanted.Split(',').Any(kernel.Contains))];

    [SkippableTheory]
    [MemberData(nameof(Wanted))]
    public void Mutants_OfEveryKernel_AreFoundOrNamed(string kernel)
    {
        Skip.If(s_wanted is null, "OLLM_RACES is not set");
        KernelTrialPlan plan = Plan(kernel);
        using var hunt = new MutantHunt(plan, 1, MutantHunt.Sizes(plan, 1));
        Assert.Null(hunt.FindsAtOnce(PtxMoment.Random, 1));
        PtxMutant[] mutants = [.. hunt.Mutants().Where((_, i) => i % s_share[1] == s_share[0] - 1)];
        int found = 0;
        foreach (PtxMutant mutant in mutants)
        {
            string? finding = hunt.Finds(mutant, s_seeds);
            if (finding is not null) found++;
            output.WriteLine($"{kernel}: {mutant.Name}: {finding ?? "SURVIVES"}");
        }
        output.WriteLine($"{kernel}: {found} of {mutants.Length} found");
    }

    private static KernelTrialPlan Plan(string kernel) => KernelTrials.All.Single(plan => plan.Kernel == kernel);
}
