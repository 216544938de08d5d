using OllmNative.Model;

namespace OllmNative.Training;

/// <summary>How answers are generated.</summary>
/// <param name="Samples">N, sampled answers per problem beside the greedy one.</param>
/// <param name="MaxTokens">Most tokens of an answer.</param>
/// <param name="Temperature">Of the backbone's samples; the policy's draw options instead.</param>
/// <param name="Seed">Names the samples.</param>
public sealed record AnswerSettings(int Samples, int MaxTokens, float Temperature, ulong Seed);

/// <summary>
/// Generates and grades the answers of many problems: the backbone's and, with an OLLM, the policy's. All sequences of all
/// problems pass through one batch; one that ends makes room at once for the next, and a problem is handed on as soon as its
/// last sequence has ended.
/// </summary>
public sealed class AnswerStream : IDisposable
{
    private readonly DecodeEngine _engine;
    private readonly Tokenizer _tokenizer;
    private readonly IReadOnlyList<int> _stopTokens;
    private readonly AnswerSettings _settings;
    private readonly int _slots;
    private readonly bool _withPolicy;

    /// <summary>Allocates the batch.</summary>
    /// <param name="backbone">The model.</param>
    /// <param name="ollm">Its OLLM; null generates the backbone's answers alone.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="stopTokens">Tokens that end an answer.</param>
    /// <param name="settings">How answers are generated.</param>
    /// <param name="slots">Sequences that are decoded together.</param>
    /// <param name="capacity">Tokens of the longest sequence, prompt and answer.</param>
    public AnswerStream(
        QwenBackbone backbone, OllmModel? ollm, Tokenizer tokenizer, IReadOnlyList<int> stopTokens, AnswerSettings settings, int slots, int capacity)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        (_tokenizer, _stopTokens, _settings, _slots, _withPolicy) = (tokenizer, stopTokens, settings, slots, ollm is not null);
        _engine = new DecodeEngine(backbone, ollm, new DecodeEngineOptions { Slots = slots, Capacity = capacity, Vocabulary = tokenizer.VocabularySize });
    }

    /// <summary>Forward passes since the start.</summary>
    public long ForwardPasses => _engine.ForwardPasses;

    /// <summary>Runs all problems to their ends.</summary>
    /// <param name="problems">Problems and their numbers, from which the samples' seeds follow; taken one by one as the batch has room.</param>
    /// <param name="onDone">Called once for each problem, in the order in which they end: its number, the backbone's answers, the policy's or null.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    /// <exception cref="OllmException">A prompt does not fit.</exception>
    public void Run(IEnumerable<(int Number, AnswerProblem Problem)> problems, Action<int, MethodAnswers, MethodAnswers?> onDone, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(problems);
        ArgumentNullException.ThrowIfNull(onDone);
        _engine.Clear();
        var waiting = new Queue<GenerationRequest>();
        var owners = new Dictionary<GenerationRequest, Pending>();
        using IEnumerator<(int Number, AnswerProblem Problem)> source = problems.GetEnumerator();
        bool more = true;
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            while (more && waiting.Count < _slots)
            {
                more = source.MoveNext();
                if (more) Enqueue(source.Current.Number, source.Current.Problem, waiting, owners);
            }
            while (waiting.TryPeek(out GenerationRequest? next) && _engine.CanAdd(next)) _engine.Add(waiting.Dequeue());
            if (_engine.Active == 0) return;
            foreach (GenerationRequest ended in _engine.Step())
            {
                owners.Remove(ended, out Pending? owner);
                if (--owner!.Left == 0) Finish(owner, onDone);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _engine.Dispose();

    private void Enqueue(int number, AnswerProblem problem, Queue<GenerationRequest> waiting, Dictionary<GenerationRequest, Pending> owners)
    {
        ulong seed = Counter.Key(_settings.Seed, (ulong)number);
        GenerationRequest[] Requests(bool withPolicy) =>
            [.. AnswerEvaluator.Requests(problem, withPolicy, _settings.Samples, seed, _settings.Temperature, _stopTokens, _settings.MaxTokens)];
        var pending = new Pending(number, problem, Requests(withPolicy: false), _withPolicy ? Requests(withPolicy: true) : []);
        foreach (GenerationRequest request in (GenerationRequest[])[.. pending.Backbone, .. pending.Policy])
        {
            waiting.Enqueue(request);
            owners.Add(request, pending);
        }
    }

    private void Finish(Pending done, Action<int, MethodAnswers, MethodAnswers?> onDone)
    {
        MethodAnswers Grade(GenerationRequest[] requests) => MethodAnswers.Grade(done.Problem, [.. requests.Select(request => _tokenizer.Decode(request.Completion))]);
        onDone(done.Number, Grade(done.Backbone), done.Policy.Length == 0 ? null : Grade(done.Policy));
    }

    private sealed class Pending(int number, AnswerProblem problem, GenerationRequest[] backbone, GenerationRequest[] policy)
    {
        public int Number { get; } = number;

        public AnswerProblem Problem { get; } = problem;

        public GenerationRequest[] Backbone { get; } = backbone;

        public GenerationRequest[] Policy { get; } = policy;

        public int Left { get; set; } = backbone.Length + policy.Length;
    }
}
