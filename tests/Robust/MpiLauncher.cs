using System.Diagnostics;
using System.Globalization;

namespace OllmNative.Tests;

/// <summary>The mpirun of an MPI that is installed here; several may be, side by side.</summary>
internal static class MpiLauncher
{
    /// <summary>Names that <see cref="Find"/> knows.</summary>
    public const string OpenMpi = "openmpi", Mpich = "mpich";

    private const string Session = "/usr/bin/setsid";

    // Root may start processes, and more of them than there are cores; MPICH asks for neither.
    private static readonly (string, string)[] AsRoot =
    [
        ("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"), ("OMPI_MCA_rmaps_base_oversubscribe", "1"), ("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe"),
    ];

    /// <summary>Runs <c>ollm args</c> in so many processes and waits for the end; skips the test where the MPI is not installed.</summary>
    public static CliRun Run(string mpi, int processes, params string[] args)
    {
        using OllmProcess job = Start(mpi, processes, args);
        return job.Wait();
    }

    /// <summary>Starts <c>ollm args</c> in so many processes.</summary>
    public static OllmProcess Start(string mpi, int processes, params string[] args)
    {
        string? program = Find(mpi);
        Skip.If(program is null, $"{mpi}: its mpirun is not installed");
        // A session of its own, as a terminal gives it: a signal to all of it reaches nobody else.
        bool session = File.Exists(Session);
        return OllmProcess.StartProgram(session ? Session : program!, [.. session ? (string[])[program!] : [], "-n", processes.ToString(CultureInfo.InvariantCulture), "dotnet", OllmProcess.Program, .. args], AsRoot);
    }

    /// <summary>
    /// Debian names each launcher after its MPI (mpirun.mpich); elsewhere there is one mpirun, which says whose it is.
    /// </summary>
    private static string? Find(string mpi)
    {
        string[] folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        string? Program(string name) => folders.Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
        if (Program($"mpirun.{mpi}") is { } own) return own;
        return Program("mpirun") is { } any && Version(any).Contains(mpi == OpenMpi ? "Open MPI" : "HYDRA", StringComparison.OrdinalIgnoreCase) ? any : null;
    }

    private static string Version(string program)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, ["--version"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        string text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return text;
    }

    /// <summary>The process of a rank among all that a launcher has started, itself or through helpers of its own.</summary>
    public static int ProcessOfRank(int launcher, int rank)
    {
        var parents = new Dictionary<int, int>();
        var found = new List<int>();
        foreach (string folder in Directory.EnumerateDirectories("/proc").Where(path => int.TryParse(Path.GetFileName(path), out _)))
        {
            try
            {
                int id = int.Parse(Path.GetFileName(folder), CultureInfo.InvariantCulture);
                string stat = File.ReadAllText(Path.Combine(folder, "stat"));
                parents[id] = int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
                if (File.ReadAllText(Path.Combine(folder, "environ")).Split('\0').Any(entry => entry == $"OMPI_COMM_WORLD_RANK={rank}" || entry == $"PMI_RANK={rank}")) found.Add(id);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // The process has ended meanwhile.
            }
        }
        foreach (int id in found)
        {
            int at = id;
            while (at != launcher && parents.TryGetValue(at, out int parent)) at = parent;
            if (at == launcher) return id;
        }
        throw new InvalidOperationException($"the launcher has no process of rank {rank}");
    }
}
