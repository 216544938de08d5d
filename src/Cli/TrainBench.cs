using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli;

/// <summary>Training steps to measure: one row of N tokens, half of them targets, on a fresh OLLM unless one is given.</summary>
internal sealed class TrainBench : IDisposable
{
    private readonly OllmModel? _fresh;
    private readonly Trainer _trainer;
    private readonly string? _folder;

    /// <summary>Prepares; nothing has run yet.</summary>
    /// <param name="session">Model and, perhaps, OLLM.</param>
    /// <param name="tokens">N.</param>
    /// <param name="cached">Take hidden states from a cache, as the second epoch does; the first step fills it.</param>
    /// <param name="options">K of a fresh OLLM.</param>
    public TrainBench(ModelSession session, int tokens, bool cached, int options = 10)
    {
        OllmModel ollm = session.Ollm ?? (_fresh = OllmModel.Create(session.Backbone, options, null, 1));
        if (cached) _folder = Directory.CreateTempSubdirectory("ollm-bench-").FullName;
        Row = new TokenRow(Ids(session.Config, tokens), tokens / 2, 1);
        _trainer = new Trainer(session.Backbone, ollm, [Row], new TrainOptions { Steps = int.MaxValue, BatchSize = 1, CacheHidden = _folder });
        Flops = (cached ? 0 : tokens * ModelCost.Backbone(session.Config)) + Row.Targets * ModelCost.Target(session.Config, ollm.Shape);
        Bytes = cached ? session.Backbone.Head.Bytes : session.Backbone.BytesPerToken;
    }

    /// <summary>The row.</summary>
    public TokenRow Row { get; }

    /// <summary>Floating-point operations of a step.</summary>
    public double Flops { get; }

    /// <summary>Bytes of weights that a step reads at least.</summary>
    public double Bytes { get; }

    /// <summary>One optimizer step; a GPU may still be at it when this returns.</summary>
    public void Step() => _trainer.Advance();

    /// <summary>Token ids from a counter: the same in every run, and in the peer scripts.</summary>
    public static int[] Ids(ModelConfig config, int count) => [.. Enumerable.Range(0, count).Select(i => Counter.Below(7, (ulong)i, config.VocabSize))];

    /// <inheritdoc/>
    public void Dispose()
    {
        _trainer.Dispose();
        _fresh?.Dispose();
        if (_folder is not null) Directory.Delete(_folder, recursive: true);
    }
}
