using System.CommandLine;
using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli;

/// <summary>The hyper-parameters of <c>ollm train</c>; their defaults are those of <see cref="TrainOptions"/>.</summary>
internal sealed class TrainFlags
{
    private static readonly TrainOptions Defaults = new();

    private readonly Option<string> _latent = CommonOptions.Choice("--latent", "How z is drawn from the encoder.", "gumbel", "gumbel", "soft", "marginal");
    private readonly Option<int?> _steps = CommonOptions.OptionalNumber("--steps", "Optimizer steps; goes before --epochs.", 1, int.MaxValue);
    private readonly Option<double> _epochs = Real("--epochs", "Passes over the data when --steps is not given.", Defaults.Epochs);
    private readonly Option<int> _batchSize = CommonOptions.Number("--batch-size", "Rows per micro-batch.", Defaults.BatchSize, 1, 1 << 20);
    private readonly Option<int> _gradAccum = CommonOptions.Number("--grad-accum", "Micro-batches per step.", Defaults.GradAccum, 1, 1 << 20);
    private readonly Option<double> _rate = Real("--lr", "Learning rate, its peak with a schedule.", Defaults.LearningRate);
    private readonly Option<int> _warmup = CommonOptions.Number("--warmup", "Steps of linear warm-up.", Defaults.Warmup, 0, int.MaxValue);
    private readonly Option<string> _schedule = CommonOptions.Choice("--schedule", "The learning rate after warm-up.", "constant", "constant", "cosine");
    private readonly Option<double> _weightDecay = Real("--weight-decay", "Decoupled weight decay.", Defaults.WeightDecay);
    private readonly Option<double> _clip = Real("--clip", "Largest global norm of the gradient; 0 does not clip.", Defaults.Clip);
    private readonly Option<double> _klTarget = Real("--kl-target", "Wanted KL of the encoder's choice against uniform, in nats.", Defaults.KlTarget);
    private readonly Option<string> _klAdapt = CommonOptions.Choice("--kl-adapt", "How beta follows the KL.", "log", "log", "mult", "fixed");
    private readonly Option<double> _beta = Real("--beta", "Weight of the KL term in the first step.", Defaults.Beta);
    private readonly Option<ulong> _seed = CommonOptions.Seed("Names the order of rows, the noise and the start of a fresh OLLM.");
    private readonly Option<bool> _noShuffle = new("--no-shuffle") { Description = "Take rows in the order of the file." };
    private readonly Option<string?> _cacheHidden = CommonOptions.OptionalPath(
        "--cache-hidden", "Keep the backbone's hidden states (bf16) in this folder: later epochs and runs on the same rows skip the backbone. "
        + "By default DIR/hidden-cache of --out when --epochs is more than 1.", "DIR");
    private readonly Option<bool> _noCacheHidden = new("--no-cache-hidden") { Description = "Run the backbone in every epoch, with hidden states in f32." };
    private readonly Option<int> _checkpointEvery = CommonOptions.Number(
        "--checkpoint-every", "Steps between checkpoints; 0 writes one only at the end or on Ctrl-C.", Defaults.CheckpointEvery, 0, int.MaxValue);
    private readonly Option<int> _keep = CommonOptions.Number(
        "--keep", "Newest checkpoints to keep; the one with the lowest cross-entropy stays besides.", Defaults.KeepCheckpoints, 1, int.MaxValue);

    private readonly Option<int> _validationRows = CommonOptions.Number("--validation-rows", "Rows held out to measure the losses on; --seed names the split.", 0, 0, int.MaxValue);
    private readonly Option<int> _validationEvery = CommonOptions.Number(
        "--validation-every", "Steps between measurements on the validation rows; 0 measures only after the last step.", Defaults.ValidationEvery, 0, int.MaxValue);

    /// <summary>Adds the options to a command.</summary>
    public TrainFlags(Command command)
    {
        Option[] all =
        [
            _latent, _steps, _epochs, _batchSize, _gradAccum, _rate, _warmup, _schedule, _weightDecay, _clip, _klTarget, _klAdapt, _beta, _seed, _noShuffle,
            _cacheHidden, _noCacheHidden, _checkpointEvery, _keep, _validationRows, _validationEvery,
        ];
        foreach (Option option in all) command.Add(option);
    }

    /// <summary>What the command line says.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="output">The run's folder, where the cache of a run of several epochs lies unless told otherwise.</param>
    /// <param name="ranks">Processes that share each step.</param>
    /// <exception cref="OllmException">A value is out of range, or two exclude each other.</exception>
    public TrainOptions Read(ParseResult parsed, string output, int ranks)
    {
        string? cache = parsed.GetValue(_cacheHidden);
        bool noCache = parsed.GetValue(_noCacheHidden), severalEpochs = parsed.GetValue(_steps) is null && parsed.GetValue(_epochs) > 1;
        if (cache is not null && noCache) throw new OllmException("--cache-hidden and --no-cache-hidden exclude each other");
        if (cache is { Length: 0 }) throw new OllmException("--cache-hidden is empty, expected a folder");
        var options = new TrainOptions
        {
            Latent = Enum.Parse<LatentMode>(parsed.GetValue(_latent)!, ignoreCase: true),
            Steps = parsed.GetValue(_steps),
            Epochs = parsed.GetValue(_epochs),
            BatchSize = parsed.GetValue(_batchSize),
            GradAccum = parsed.GetValue(_gradAccum),
            LearningRate = parsed.GetValue(_rate),
            Warmup = parsed.GetValue(_warmup),
            Schedule = Enum.Parse<ScheduleKind>(parsed.GetValue(_schedule)!, ignoreCase: true),
            WeightDecay = parsed.GetValue(_weightDecay),
            Clip = parsed.GetValue(_clip),
            KlTarget = parsed.GetValue(_klTarget),
            KlAdapt = Enum.Parse<KlAdaptation>(parsed.GetValue(_klAdapt)!, ignoreCase: true),
            Beta = parsed.GetValue(_beta),
            Seed = parsed.GetValue(_seed),
            Shuffle = !parsed.GetValue(_noShuffle),
            CheckpointEvery = parsed.GetValue(_checkpointEvery),
            KeepCheckpoints = parsed.GetValue(_keep),
            Ranks = ranks,
            CacheHidden = cache ?? (severalEpochs && !noCache ? Path.Combine(output, "hidden-cache") : null),
            RequireCache = cache is not null,
            ValidationEvery = parsed.GetValue(_validationEvery),
        };
        options.Validate();
        return options;
    }

    /// <summary>How many rows are held out.</summary>
    public int ValidationRows(ParseResult parsed) => parsed.GetValue(_validationRows);

    /// <summary>A number of at least 0.</summary>
    private static Option<double> Real(string name, string description, double fallback) => CommonOptions.Number(name, description, fallback, 0, double.MaxValue);
}
