using System.Threading.Channels;
using OllmNative.Model;

namespace OllmNative.Cli.Server;

/// <summary>What happened to an answer: a token, or its end.</summary>
/// <param name="Answer">Index of the answer.</param>
/// <param name="Text">Text that is certain now; often empty, as characters and stop texts can span tokens.</param>
/// <param name="Token">The token; null at the end.</param>
/// <param name="IsEnd">The token ended the answer and is no part of its text.</param>
/// <param name="Explained">What each option would have said, when asked for.</param>
/// <param name="Score">Log-probabilities, when asked for.</param>
/// <param name="FinishReason">stop or length, at the end.</param>
/// <param name="Echo">The event gives the prompt back: its tokens and, when asked for, their scores; the first one has none.</param>
internal readonly record struct JobEvent(
    int Answer, string Text, int? Token = null, bool IsEnd = false, ExplainedToken? Explained = null, TokenScore? Score = null, string? FinishReason = null,
    IReadOnlyList<(int Token, TokenScore? Score)>? Echo = null);

/// <summary>
/// A request on its way through the scheduler: its answers, and the stream of what happens to them. The scheduler's thread
/// writes events, the connection reads them; a job holds no more events than its answers have tokens.
/// </summary>
internal sealed class GenerationJob
{
    private readonly Channel<JobEvent> _events = Channel.CreateUnbounded<JobEvent>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _open;

    /// <summary>Prepares the answers of a request.</summary>
    /// <param name="request">What is asked.</param>
    /// <param name="model">The model that answers.</param>
    /// <param name="cancellation">The client has left, time is up or the server stops.</param>
    public GenerationJob(ParsedRequest request, ServedModel model, CancellationToken cancellation)
    {
        Cancellation = cancellation;
        Answers = [.. Enumerable.Range(0, request.Prompts.Count * request.Count).Select(i => new Answer(this, i, request, model))];
        _open = Answers.Count;
    }

    /// <summary>All answers, prompt by prompt.</summary>
    public IReadOnlyList<Answer> Answers { get; }

    /// <summary>Asks to stop.</summary>
    public CancellationToken Cancellation { get; }

    /// <summary>What happens, in order; ends when all answers have, throws what the scheduler failed with.</summary>
    public ChannelReader<JobEvent> Events => _events.Reader;

    /// <summary>Completes when nothing more will happen; what has happened may still be unread.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Ends the stream early.</summary>
    public void Fail(Exception error) => Complete(error);

    private void Complete(Exception? error = null)
    {
        _events.Writer.TryComplete(error);
        _ended.TrySetResult();
    }

    /// <summary>One sequence of a job.</summary>
    internal sealed class Answer
    {
        private readonly StreamDecoder _decoder;
        private readonly StopText _stop;
        private readonly int _index;
        private readonly bool _silent;
        private string? _echo;

        public Answer(GenerationJob job, int index, ParsedRequest request, ServedModel model)
        {
            // An answer of no tokens takes a step too, which scores the prompt; its token is nobody's.
            (Job, _index, _silent) = (job, index, request.MaxTokens == 0);
            _echo = request.Echoes?[index / request.Count];
            _decoder = model.Tokenizer.NewStreamDecoder(skipSpecial: true);
            _stop = new StopText(request.Stops);
            Request = new GenerationRequest
            {
                Prompt = request.Prompts[index / request.Count],
                MaxTokens = Math.Max(1, request.MaxTokens),
                StopTokens = request.IgnoreEnd ? [] : model.StopTokens,
                Sampler = request.Sampler,
                Latent = request.Latent.Choice,
                ForcedOption = request.Latent.Option,
                OptionsPrefix = request.OptionsPrefix,
                // The first answer has the seed itself, so that it is what `ollm generate --seed` writes.
                Seed = index == 0 ? request.Seed : Counter.Key(request.Seed, (ulong)index),
                Explain = request.ReturnOptions,
                TopScores = request.TopScores,
                ScorePrompt = _echo is not null && request.TopScores is not null,
                OnToken = OnToken,
            };
        }

        /// <summary>The job that the answer belongs to.</summary>
        public GenerationJob Job { get; }

        /// <summary>What the engine works on.</summary>
        public GenerationRequest Request { get; }

        /// <summary>Reports the end, and with the last answer's the job's.</summary>
        public void End()
        {
            string rest = _stop.Append(_decoder.Flush()) + _stop.Flush();
            bool stopped = !_silent && (Request.Stopped || _stop.Reached);
            Job._events.Writer.TryWrite(new JobEvent(_index, rest, FinishReason: stopped ? "stop" : "length"));
            if (--Job._open == 0) Job.Complete();
        }

        private void GivePromptBack(string text)
        {
            _echo = null;
            (int, TokenScore?)[] tokens = [.. Request.Prompt.Select((token, i) => (token, i == 0 || !Request.ScorePrompt ? null : Request.PromptScores[i - 1]))];
            Job._events.Writer.TryWrite(new JobEvent(_index, text, Echo: tokens));
        }

        private bool OnToken(int token)
        {
            if (_echo is not null) GivePromptBack(_echo);
            if (_silent) return false;
            bool isEnd = Request.IsStop(token);
            string text = isEnd ? "" : _stop.Append(_decoder.Append(token));
            Job._events.Writer.TryWrite(new JobEvent(
                _index, text, token, isEnd,
                Request.Explain ? Request.Explained[^1] : null,
                Request.TopScores is null ? null : Request.Scores[^1]));
            return !_stop.Reached && !Job.Cancellation.IsCancellationRequested;
        }
    }
}
