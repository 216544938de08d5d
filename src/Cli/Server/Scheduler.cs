using OllmNative.Model;

namespace OllmNative.Cli.Server;

/// <summary>
/// Decodes the answers of all requests together. One thread owns the engine: between two steps it takes out what was
/// cancelled and lets waiting answers in, first come, first served.
/// </summary>
internal sealed class Scheduler : IDisposable
{
    private readonly DecodeEngine _engine;
    private readonly ServerMetrics _metrics;
    private readonly Action<string> _log;
    private readonly int _room;
    private readonly object _gate = new();
    private readonly Queue<GenerationJob.Answer> _waiting = new();
    private readonly List<GenerationJob.Answer> _running = [];
    private readonly Thread _thread;
    private bool _stopping;

    /// <summary>Starts the thread.</summary>
    public Scheduler(ServedModel model, ServerSettings settings, ServerMetrics metrics, Action<string> log)
    {
        // Options of many sequences at once need memory for K + 1 rows of logits each.
        int explain = Math.Clamp(256 / ((model.Options ?? 0) + 1), 1, settings.Slots);
        _engine = new DecodeEngine(model.Session.Backbone, model.Session.Ollm, new DecodeEngineOptions
        {
            Slots = settings.Slots,
            Capacity = settings.Context,
            Vocabulary = model.Tokenizer.VocabularySize,
            KeepPrefixes = true,
            PrefillPasses = 1,
            ExplainSlots = explain,
        });
        (_metrics, _log, _room) = (metrics, log, settings.Slots + settings.Queue);
        _thread = new Thread(Work) { IsBackground = true, Name = "ollm-decode" };
        _thread.Start();
    }

    /// <summary>Takes a job in.</summary>
    /// <exception cref="ApiException">The queue is full, or the server stops.</exception>
    /// <exception cref="OllmException">The engine cannot do what it asks for.</exception>
    public void Submit(GenerationJob job)
    {
        foreach (GenerationJob.Answer answer in job.Answers) _engine.Check(answer.Request);
        lock (_gate)
        {
            if (_stopping) throw new ApiException(503, "the server is stopping", code: "stopping");
            if (_waiting.Count + _running.Count + job.Answers.Count > _room)
                throw new ApiException(429, $"the queue is full: {_waiting.Count} answers wait; try again later", code: "queue_full");
            foreach (GenerationJob.Answer answer in job.Answers) _waiting.Enqueue(answer);
            UpdateGauges();
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Refuses new jobs; the thread ends when it has nothing left to do.</summary>
    public void Stop()
    {
        lock (_gate)
        {
            _stopping = true;
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Stops, and waits for running jobs, whose cancellation is the caller's business.</summary>
    public void Dispose()
    {
        Stop();
        _thread.Join();
        _engine.Dispose();
    }

    private void Work()
    {
        while (WaitForWork())
        {
            try
            {
                IReadOnlyList<GenerationRequest> finished = _engine.Step();
                foreach (GenerationRequest request in finished) End(request);
            }
#pragma warning disable CA1031 // Whatever goes wrong in a step must not end the thread that all requests wait for.
            catch (Exception error)
#pragma warning restore CA1031
            {
                _log($"decoding failed: {error}");
                FailAll(error);
            }
        }
    }

    /// <summary>Brings the engine up to date; sleeps while there is nothing to do. False when the server has stopped.</summary>
    private bool WaitForWork()
    {
        lock (_gate)
        {
            while (true)
            {
                DropCancelled();
                while (_waiting.TryPeek(out GenerationJob.Answer? next) && _engine.CanAdd(next.Request))
                {
                    _engine.Add(next.Request);
                    _running.Add(_waiting.Dequeue());
                }
                UpdateGauges();
                if (_running.Count > 0) return true;
                if (_stopping) return false;
                Monitor.Wait(_gate);
            }
        }
    }

    private void DropCancelled()
    {
        for (int i = _running.Count - 1; i >= 0; i--)
        {
            GenerationJob job = _running[i].Job;
            if (!job.Cancellation.IsCancellationRequested) continue;
            _engine.Remove(_running[i].Request);
            _running.RemoveAt(i);
            job.Fail(new OperationCanceledException(job.Cancellation));
        }
        for (int count = _waiting.Count; count > 0; count--)
        {
            GenerationJob.Answer answer = _waiting.Dequeue();
            if (answer.Job.Cancellation.IsCancellationRequested) answer.Job.Fail(new OperationCanceledException(answer.Job.Cancellation));
            else _waiting.Enqueue(answer);
        }
    }

    private void End(GenerationRequest request)
    {
        lock (_gate)
        {
            int at = _running.FindIndex(answer => answer.Request == request);
            GenerationJob.Answer answer = _running[at];
            _running.RemoveAt(at);
            _metrics.Reused(_engine.ReusedTokens);
            if (answer.Job.Cancellation.IsCancellationRequested) answer.Job.Fail(new OperationCanceledException(answer.Job.Cancellation));
            else answer.End();
        }
    }

    private void FailAll(Exception error)
    {
        lock (_gate)
        {
            foreach (GenerationJob.Answer answer in _running) answer.Job.Fail(error);
            _running.Clear();
            // Answers of a failed job that still wait would have no reader.
            GenerationJob.Answer[] waiting = [.. _waiting];
            _waiting.Clear();
            foreach (GenerationJob.Answer answer in waiting)
            {
                if (!answer.Job.Events.Completion.IsFaulted) _waiting.Enqueue(answer);
            }
            _engine.Clear();
        }
    }

    private void UpdateGauges() => _metrics.Load(_waiting.Count, _running.Count);
}
