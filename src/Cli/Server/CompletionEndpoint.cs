using System.Buffers;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;
using OllmNative.Model;

namespace OllmNative.Cli.Server;

/// <summary>/v1/completions and /v1/chat/completions: reads the request, hands it to the scheduler and writes what comes.</summary>
internal sealed class CompletionEndpoint(ServedModel model, ServerSettings settings, Scheduler scheduler, ServerMetrics metrics, CancellationToken stopping)
{
    /// <summary>Least time between two writes of a stream: a hundred tokens a second still go out one by one.</summary>
    private static readonly TimeSpan LeastBetweenFlushes = TimeSpan.FromMilliseconds(5);

    private readonly RequestReader _reader = new(model, settings);

    /// <summary>Answers one request.</summary>
    /// <exception cref="ApiException">The request cannot be served.</exception>
    public async Task HandleAsync(HttpContext http, bool chat)
    {
        long start = Stopwatch.GetTimestamp();
        using JsonDocument body = await ReadBodyAsync(http.Request, http.RequestAborted);
        ParsedRequest request = Understand(body.RootElement, chat);
        using var timeout = new CancellationTokenSource(settings.Timeout);
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, timeout.Token, stopping);
        var job = new GenerationJob(request, model, cancellation.Token);
        scheduler.Submit(job);
        metrics.Prompt(request.Prompts.Sum(prompt => prompt.Length));
        var shapes = new AnswerShapes(request, model);
        try
        {
            // The status line waits for the first token, so that a failure before it is an error like any other.
            await job.Events.WaitToReadAsync(cancellation.Token);
            metrics.FirstToken(Stopwatch.GetElapsedTime(start));
            await (request.Stream ? StreamAsync(http, job, request, shapes) : CollectAsync(http, job, request, shapes));
        }
        catch (OperationCanceledException) when (!http.RequestAborted.IsCancellationRequested)
        {
            await cancellation.CancelAsync();
            ApiException error = timeout.IsCancellationRequested
                ? new ApiException(504, $"the request took longer than {settings.Timeout.TotalSeconds} seconds, this server's limit", code: "timeout")
                : new ApiException(503, "the server is stopping", code: "stopping");
            if (!http.Response.HasStarted) throw error;
            await WriteEventAsync(http.Response, error.Body, http.RequestAborted);
        }
        finally
        {
            // Whatever ended the answer, nobody reads on: the scheduler must not go on either.
            await cancellation.CancelAsync();
        }
    }

    private ParsedRequest Understand(JsonElement body, bool chat)
    {
        try
        {
            return _reader.Read(body, chat);
        }
        catch (InvalidOperationException) // The name of a field is no text: JSON's escapes can write half a surrogate pair.
        {
            throw new ApiException(400, "the body is not valid: a field's name is no Unicode text", code: "invalid_json");
        }
    }

    /// <summary>The body as JSON.</summary>
    private static async Task<JsonDocument> ReadBodyAsync(HttpRequest request, CancellationToken cancellation)
    {
        if (request.ContentLength > ServerSettings.MaxBodyBytes) throw TooLarge();
        using var buffer = new MemoryStream();
        try
        {
            await request.Body.CopyToAsync(buffer, cancellation);
        }
        catch (IOException error) when (error is not BadHttpRequestException)
        {
            // The server's parser of chunks has errors of this kind too.
            throw new ApiException(400, "the body is malformed", code: "bad_request");
        }
        if (buffer.Length > ServerSettings.MaxBodyBytes) throw TooLarge();
        ReadOnlyMemory<byte> bytes = buffer.GetBuffer().AsMemory(0, (int)buffer.Length);
        if (!Utf8.IsValid(bytes.Span)) throw new ApiException(400, "the body is not valid UTF-8", code: "invalid_json");
        try
        {
            // The document refers to the bytes, which outlive the stream.
            return JsonDocument.Parse(bytes);
        }
        catch (JsonException error)
        {
            throw new ApiException(400, $"the body is not valid JSON: line {error.LineNumber + 1}, byte {error.BytePositionInLine + 1}", code: "invalid_json");
        }
    }

    /// <summary>The refusal of a large body.</summary>
    public static ApiException TooLarge() => new(413, $"the body is larger than {ServerSettings.MaxBodyBytes} bytes", code: "request_too_large");

    private async Task CollectAsync(HttpContext http, GenerationJob job, ParsedRequest request, AnswerShapes shapes)
    {
        CollectedAnswer[] answers = [.. job.Answers.Select(_ => new CollectedAnswer(request.ReturnOptions || request.TopScores is not null))];
        int generated = 0;
        // Nobody sees a part of this answer, so nobody is woken for its tokens.
        await job.Ended.WaitAsync(job.Cancellation);
        await foreach (JobEvent happened in job.Events.ReadAllAsync(job.Cancellation))
        {
            answers[happened.Answer].Add(happened);
            if (happened.Token is not null) Count(ref generated);
        }
        await JsonAnswer.WriteAsync(http.Response, 200, shapes.Whole(answers, shapes.Usage(generated)), http.RequestAborted);
    }

    private async Task StreamAsync(HttpContext http, GenerationJob job, ParsedRequest request, AnswerShapes shapes)
    {
        HttpResponse response = http.Response;
        response.ContentType = "text/event-stream; charset=utf-8";
        response.Headers.CacheControl = "no-cache";
        response.Headers["X-Accel-Buffering"] = "no";
        int generated = 0;
        int[] offsets = new int[job.Answers.Count];
        if (request.Chat) foreach (int index in Enumerable.Range(0, job.Answers.Count)) WriteEvent(response, shapes.Opening(index));
        bool everyToken = request.ReturnOptions || request.TopScores is not null;
        long flushed = 0;
        try
        {
            while (await job.Events.WaitToReadAsync(job.Cancellation))
            {
                // Tokens that come faster than a person reads go out together, and where nothing is said about each of them as one piece.
                TimeSpan early = flushed == 0 ? TimeSpan.Zero : LeastBetweenFlushes - Stopwatch.GetElapsedTime(flushed);
                if (early > TimeSpan.Zero) await Task.WhenAny(job.Ended, Task.Delay(early, job.Cancellation));
                JobEvent? held = null;
                while (job.Events.TryRead(out JobEvent happened))
                {
                    if (happened.Token is not null) Count(ref generated);
                    if (held is { } before && !everyToken && before.FinishReason is null && before.Answer == happened.Answer)
                    {
                        held = happened with { Text = before.Text + happened.Text };
                        continue;
                    }
                    Write(held);
                    held = happened;
                }
                Write(held);
                // A slow reader holds this connection up and no other.
                await response.BodyWriter.FlushAsync(job.Cancellation);
                flushed = Stopwatch.GetTimestamp();
            }
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            WriteEvent(response, new ApiException(500, "the answer could not be generated").Body);
            await response.BodyWriter.FlushAsync(http.RequestAborted);
            throw;
        }
        if (request.IncludeUsage) WriteEvent(response, shapes.UsageChunk(shapes.Usage(generated)));
        response.BodyWriter.Write("data: [DONE]\n\n"u8);
        await response.BodyWriter.FlushAsync(http.RequestAborted);

        void Write(JobEvent? piece)
        {
            if (piece is not { } happened || (happened.Text.Length == 0 && happened.FinishReason is null && !everyToken)) return;
            WriteEvent(response, shapes.Piece(happened, offsets[happened.Answer]));
            offsets[happened.Answer] += happened.Text.Length;
        }
    }

    private void Count(ref int generated)
    {
        generated++;
        metrics.Generated();
    }

    private static async Task WriteEventAsync(HttpResponse response, object value, CancellationToken cancellation)
    {
        WriteEvent(response, value);
        await response.BodyWriter.FlushAsync(cancellation);
    }

    private static void WriteEvent(HttpResponse response, object value)
    {
        response.BodyWriter.Write("data: "u8);
        response.BodyWriter.Write(JsonOutput.SerializeUtf8(value));
        response.BodyWriter.Write("\n\n"u8);
    }
}
