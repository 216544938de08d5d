using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>
/// The baseline that a user would try first: the same rewards, rollouts and surrogate, but on tokens. Rollouts draw every
/// token from softmax(W h') of an adapter with one option, h' = h + b(h), and the gradient of log p(token) reaches
/// <c>decoder.*</c> through the frozen head. Nothing holds the outputs inside the language that the model knew before.
/// </summary>
public sealed class TokenRl : AnswerRl
{
    // Logits and their gradient take 32 MiB each at most.
    private const int BlockFloats = 1 << 23, MaxRows = 2048;

    private readonly DeviceMatrix _head;
    private readonly Decoder _decoder;
    private readonly int _vocab, _d;
    private readonly DeviceBuffer<float> _z, _bent, _dBent, _logits, _dLogits, _loss, _log;
    private readonly float[] _hostLoss;

    /// <summary>Prepares a run.</summary>
    /// <exception cref="OllmException">An option is out of range, there is no problem, the OLLM has more than one option, or the context is too short.</exception>
    public TokenRl(QwenBackbone backbone, OllmModel ollm, Tokenizer tokenizer, IReadOnlyList<AnswerProblem> problems, IReadOnlyList<int> stopTokens, LatentRlOptions options)
        : base(backbone, WithOneOption(ollm), tokenizer, problems, stopTokens, options, "decoder", Rows(backbone, tokenizer))
    {
        int rows = Rows(backbone, tokenizer);
        // The same ids that the rollouts may draw, so that both see one distribution.
        (_vocab, _d) = (Vocabulary(backbone, tokenizer), ollm.Shape.HiddenSize);
        _head = Device.FirstRows(backbone.Head, _vocab);
        _decoder = new Decoder(Device, ollm.Parameters, Gradients, rows);
        DeviceBuffer<float> Floats(int columns) => Device.Allocate<float>((long)rows * columns);
        (_z, _bent, _dBent, _logits, _dLogits, _loss, _log) = (Floats(1), Floats(_d), Floats(_d), Floats(_vocab), Floats(_vocab), Floats(1), Floats(1));
        _hostLoss = new float[rows];
        Array.Fill(_hostLoss, 1);
        _z.Upload(0, _hostLoss);
    }

    /// <inheritdoc/>
    protected override GenerationRequest Rollout(AnswerProblem problem, ulong seed, GenerationRequest? finished)
    {
        ArgumentNullException.ThrowIfNull(problem);
        return new GenerationRequest(finished)
        {
            Prompt = problem.Prompt, MaxTokens = Options.MaxTokens, StopTokens = StopTokens, Latent = LatentChoice.Force, Record = true, Seed = seed,
            Sampler = new SamplerOptions { Temperature = 1 }, TopScores = 0,
        };
    }

    /// <inheritdoc/>
    protected override (IReadOnlyList<int> Choices, IReadOnlyList<float> LogProbabilities) ChoicesOf(GenerationRequest rollout)
    {
        ArgumentNullException.ThrowIfNull(rollout);
        return (rollout.Generated, [.. rollout.Scores.Select(score => score.LogProbability)]);
    }

    /// <inheritdoc/>
    protected override double Pass(in RlBatch batch)
    {
        int n = (int)batch.Choices.Length;
        DeviceView<float> z = _z.First(n), bent = _bent.First((long)n * _d), dBent = _dBent.First((long)n * _d);
        DeviceView<float> logits = _logits.First((long)n * _vocab), dLogits = _dLogits.First((long)n * _vocab);
        _decoder.Forward(batch.Hidden, z, bent);                                             // h' [N, D]
        Device.MatMul(bent, _head, default, logits);                                         //    [N, V]
        Device.PolicyGradient(
            logits, batch.Choices, batch.Advantage, batch.OldLog, (float)Options.ClipRatio, batch.Entropy, _loss.First(n), _log.First(n), dLogits, _vocab, batch.Scale);
        Device.MatMulBackwardInput(dLogits, _head, dBent);                                   // dh' = dLogits W
        _decoder.Backward(z, dBent, default);
        _decoder.FinishGradients();
        _loss.First(n).Download(_hostLoss.AsSpan(0, n));
        double sum = 0;
        for (int i = 0; i < n; i++) sum += _hostLoss[i];
        return sum;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        foreach (IDisposable item in (IDisposable[])[_decoder, _z, _bent, _dBent, _logits, _dLogits, _loss, _log]) item.Dispose();
    }

    private static int Vocabulary(QwenBackbone backbone, Tokenizer tokenizer) => Math.Min(backbone.Config.VocabSize, tokenizer.VocabularySize);

    private static int Rows(QwenBackbone backbone, Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        ArgumentNullException.ThrowIfNull(tokenizer);
        return Math.Clamp(BlockFloats / Vocabulary(backbone, tokenizer), 16, MaxRows);
    }

    private static OllmModel WithOneOption(OllmModel ollm)
    {
        ArgumentNullException.ThrowIfNull(ollm);
        return ollm.Shape.Options == 1 ? ollm
            : throw new OllmException($"token-level RL trains the decoder of an OLLM with one option; this one has {ollm.Shape.Options} (train it with --options 1)");
    }
}
