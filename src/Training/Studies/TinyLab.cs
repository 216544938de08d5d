using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// The tiny world of one seed: training rows, held-out problems, and the settings that its experiments share. Data files are
/// written into the folder, so that every run can be repeated with the single commands.
/// </summary>
public sealed class TinyLab
{
    /// <summary>Most tokens of an answer; solutions have about 25.</summary>
    public const int MaxTokens = 48;

    /// <summary>Makes the data.</summary>
    /// <param name="backbone">The tiny backbone.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="seed">Names the data and all random numbers of the experiments.</param>
    /// <param name="trainingRows">Rows to train on; their problems are those of RL too.</param>
    /// <param name="heldOutProblems">Different problems that no training row contains, 300 at most.</param>
    /// <param name="folder">Where train.jsonl and heldout.jsonl go.</param>
    public TinyLab(QwenBackbone backbone, Tokenizer tokenizer, ulong seed, int trainingRows, int heldOutProblems, string folder)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        (Backbone, Tokenizer, Seed) = (backbone, tokenizer, seed);
        var encoder = new RowEncoder(backbone.Config, tokenizer, ChatFormat.Parse("plain"));
        StopTokens = encoder.StopTokens;
        Directory.CreateDirectory(folder);
        string training = Write(Path.Combine(folder, "train.jsonl"), trainingRows, 0, TinySplit.Train, distinct: false);
        string heldOut = Write(Path.Combine(folder, "heldout.jsonl"), heldOutProblems, 1, TinySplit.HeldOut, distinct: true);
        (TrainingRows, HeldOutRows) = (Rows(training, encoder), Rows(heldOut, encoder));
        (RlProblems, HeldOutProblems) = (AnswerProblem.Read(training, encoder), AnswerProblem.Read(heldOut, encoder));
    }

    /// <summary>The frozen backbone.</summary>
    public QwenBackbone Backbone { get; }

    /// <summary>Its tokenizer.</summary>
    public Tokenizer Tokenizer { get; }

    /// <summary>Seed of data and runs.</summary>
    public ulong Seed { get; }

    /// <summary>Tokens that end an answer.</summary>
    public IReadOnlyList<int> StopTokens { get; }

    /// <summary>Rows for supervised training.</summary>
    public TokenRow[] TrainingRows { get; }

    /// <summary>Held-out rows, for token accuracy.</summary>
    public TokenRow[] HeldOutRows { get; }

    /// <summary>The training rows' problems.</summary>
    public IReadOnlyList<AnswerProblem> RlProblems { get; }

    /// <summary>Held-out problems, for answer accuracy.</summary>
    public IReadOnlyList<AnswerProblem> HeldOutProblems { get; }

    /// <summary>Tokens of the longest problem with its answer.</summary>
    public int Capacity => Math.Max(HeldOutProblems.Max(p => p.Prompt.Length), RlProblems.Max(p => p.Prompt.Length)) + MaxTokens;

    /// <summary>Supervised training as the demo does it.</summary>
    public TrainOptions Training(int steps, int rowsPerStep = 64) => new()
    {
        Steps = steps, BatchSize = rowsPerStep, LearningRate = 2e-3, Schedule = ScheduleKind.Cosine, Warmup = Math.Min(20, steps / 10),
        // A run this short has no time to wait for beta to fall from 1: until it is small the options stay unused.
        Beta = 0.2, Seed = Seed, CheckpointEvery = 0,
    };

    /// <summary>Latent RL as the demo does it.</summary>
    public LatentRlOptions Rl(int steps) => new() { Steps = steps, MaxTokens = MaxTokens, Seed = Seed, LearningRate = 4e-3, Entropy = 0.01 };

    /// <summary>A generator for the held-out problems; without an OLLM it runs the backbone alone.</summary>
    public Generator NewGenerator(OllmModel? ollm) => new(Backbone, ollm, 512, Capacity, Tokenizer.VocabularySize);

    private string Write(string path, int count, ulong stream, TinySplit split, bool distinct)
    {
        DurableFiles.Write(path, file => TinyWorld.WriteJsonl(file, TinyWorld.Generate(count, Counter.Key(Seed, stream), split, distinct)));
        return path;
    }

    private static TokenRow[] Rows(string file, RowEncoder encoder) => [.. RowReader.Read(file).Select(row => encoder.Encode(row))];
}
