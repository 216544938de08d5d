using System.Diagnostics;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using BadHttpRequestException = Microsoft.AspNetCore.Http.BadHttpRequestException;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OllmNative.Model;

namespace OllmNative.Cli.Server;

/// <summary>The HTTP server: routes, errors, and its start and stop.</summary>
internal sealed class OllmServer : IAsyncDisposable
{
    private const int ClientLeft = 499, MostConnections = 1024;

    private readonly ServedModel _model;
    private readonly ServerSettings _settings;
    private readonly Action<string> _log;
    private readonly ServerMetrics _metrics = new();
    private readonly AccessRules _access;
    private readonly Scheduler _scheduler;
    private readonly CancellationTokenSource _abort = new();
    private readonly Dictionary<string, Route> _routes;
    private readonly WebApplication _app;
    private int _inFlight;

    /// <summary>Prepares a server; <paramref name="log"/> gets a line for each failure that is the server's own.</summary>
    public OllmServer(ServedModel model, ServerSettings settings, Action<string> log)
    {
        (_model, _settings, _log) = (model, settings, log);
        _access = new AccessRules(settings);
        _scheduler = new Scheduler(model, settings, _metrics, log);
        _routes = Routes();
        _app = Build();
    }

    /// <summary>Where it listens, once started.</summary>
    public string Address => _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();

    /// <summary>Begins to listen.</summary>
    /// <exception cref="OllmException">The address or port cannot be had.</exception>
    public async Task StartAsync()
    {
        try
        {
            await _app.StartAsync();
        }
        catch (Exception error) when (error is IOException or System.Net.Sockets.SocketException)
        {
            throw new OllmException($"--port {_settings.Port}: cannot listen on {_settings.Address}: {error.Message}", error);
        }
    }

    /// <summary>Refuses new work, lets running requests finish within the grace period, ends the rest, and stops listening.</summary>
    public async Task StopAsync()
    {
        _scheduler.Stop();
        long start = Stopwatch.GetTimestamp();
        while (Volatile.Read(ref _inFlight) > 0 && Stopwatch.GetElapsedTime(start) < _settings.Grace) await Task.Delay(20);
        await _abort.CancelAsync();
        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(3));
        await _app.StopAsync(soon.Token);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _abort.CancelAsync();
        await _app.DisposeAsync();
        _scheduler.Dispose();
        _abort.Dispose();
    }

    private sealed record Route(string Method, bool Open, Func<HttpContext, Task> Handle);

    private Dictionary<string, Route> Routes()
    {
        var completions = new CompletionEndpoint(_model, _settings, _scheduler, _metrics, _abort.Token);
        var routes = new Dictionary<string, Route>(StringComparer.Ordinal)
        {
            ["/v1/completions"] = new(HttpMethods.Post, false, http => completions.HandleAsync(http, chat: false)),
            ["/v1/chat/completions"] = new(HttpMethods.Post, false, http => completions.HandleAsync(http, chat: true)),
            ["/v1/models"] = Json(() => ModelFacts.List(_model)),
            [$"/v1/models/{_model.Name}"] = Json(() => ModelFacts.Entry(_model)),
            ["/ollm/info"] = Json(() => ModelFacts.Info(_model, _settings)),
            ["/ollm/metrics"] = Json(() => ModelFacts.TrainingMetrics(_model)),
            ["/health"] = Json(() => new { status = "ok", model = _model.Name }) with { Open = true },
            ["/metrics"] = new(HttpMethods.Get, false, http => WriteAsync(http, Encoding.UTF8.GetBytes(_metrics.Render()), "text/plain; version=0.0.4; charset=utf-8")),
        };
        foreach ((string path, PageFile file) in PageFiles.Load())
            routes[path] = new Route(HttpMethods.Get, true, http => WriteAsync(http, file.Content, file.ContentType));
        return routes;

        static Route Json(Func<object> value) => new(HttpMethods.Get, false, http => JsonAnswer.WriteAsync(http.Response, 200, value(), http.RequestAborted));
    }

    private static async Task WriteAsync(HttpContext http, byte[] body, string type)
    {
        http.Response.ContentType = type;
        http.Response.ContentLength = body.Length;
        http.Response.Headers.CacheControl = "no-cache";
        await http.Response.Body.WriteAsync(body, http.RequestAborted);
    }

    private WebApplication Build()
    {
        // Empty: no configuration files or variables of the place where the program happens to run.
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = ServerSettings.MaxBodyBytes;
            kestrel.Limits.MaxConcurrentConnections = MostConnections;
            kestrel.Listen(_settings.Address, _settings.Port, listen => listen.Protocols = HttpProtocols.Http1);
        });
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        WebApplication app = builder.Build();
        app.Run(HandleAsync);
        return app;
    }

    /// <summary>Every request passes here: headers, access, the route, and what becomes of failures.</summary>
    private async Task HandleAsync(HttpContext http)
    {
        long start = Stopwatch.GetTimestamp();
        string path = http.Request.Path.Value ?? "/";
        Interlocked.Increment(ref _inFlight);
        int status;
        try
        {
            _access.AddHeaders(http);
            if (_access.IsPreflight(http.Request)) http.Response.StatusCode = 204;
            else await Find(http, path).Handle(http);
            status = http.RequestAborted.IsCancellationRequested ? ClientLeft : http.Response.StatusCode;
        }
#pragma warning disable CA1031 // The last resort of a request: every failure becomes an answer.
        catch (Exception error)
#pragma warning restore CA1031
        {
            status = await AnswerAsync(http, error);
        }
        finally
        {
            Interlocked.Decrement(ref _inFlight);
        }
        _metrics.Request(_routes.ContainsKey(path) ? path : "other", status, Stopwatch.GetElapsedTime(start));
    }

    private Route Find(HttpContext http, string path)
    {
        _access.CheckOrigin(http.Request);
        bool found = _routes.TryGetValue(path, out Route? route);
        if (!found || !route!.Open) _access.CheckKey(http.Request);
        if (!found)
        {
            const string models = "/v1/models/";
            throw path.StartsWith(models, StringComparison.Ordinal)
                ? new RequestReader(_model, _settings).NoModel(path[models.Length..])
                : new ApiException(404, $"there is nothing at {path}", code: "not_found");
        }
        string method = http.Request.Method == HttpMethods.Head ? HttpMethods.Get : http.Request.Method;
        if (method == route!.Method) return route;
        http.Response.Headers.Allow = route.Method;
        throw new ApiException(405, $"{http.Request.Method} is not allowed at {path}: expected {route.Method}", code: "method_not_allowed");
    }

    /// <summary>Tells the client what went wrong, if it still can be told; returns the status.</summary>
    private async Task<int> AnswerAsync(HttpContext http, Exception error)
    {
        if (http.RequestAborted.IsCancellationRequested) return ClientLeft;
        ApiException answer = error switch
        {
            ApiException known => known,
            BadHttpRequestException { StatusCode: 413 } => CompletionEndpoint.TooLarge(),
            BadHttpRequestException bad => new ApiException(bad.StatusCode, "the request is malformed", code: "bad_request"),
            OllmException bad => new ApiException(400, bad.Message),
            _ => new ApiException(500, "the server failed; its log says more"),
        };
        if (answer.Status == 500) _log($"{http.Request.Method} {http.Request.Path}: {error}");
        try
        {
            if (http.Response.HasStarted) http.Abort();
            else await JsonAnswer.WriteAsync(http.Response, answer.Status, answer.Body, http.RequestAborted);
        }
        catch (Exception gone) when (gone is IOException or OperationCanceledException)
        {
            return ClientLeft;
        }
        return answer.Status;
    }

    /// <summary>The command decides when to stop: the host must not listen to signals.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
