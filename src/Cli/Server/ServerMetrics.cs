using System.Collections.Concurrent;
using System.Globalization;
using System.Text;

namespace OllmNative.Cli.Server;

/// <summary>Counters of the server, written in Prometheus' text format.</summary>
internal sealed class ServerMetrics
{
    private static readonly double[] Bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

    private readonly ConcurrentDictionary<(string Route, int Status), long> _requests = new();
    private readonly ConcurrentDictionary<string, Histogram> _duration = new();
    private readonly Histogram _firstToken = new();
    private long _promptTokens, _generatedTokens, _reusedTokens;
    private int _waiting, _running;

    /// <summary>A request is done.</summary>
    public void Request(string route, int status, TimeSpan took)
    {
        _requests.AddOrUpdate((route, status), 1, (_, count) => count + 1);
        _duration.GetOrAdd(route, _ => new Histogram()).Add(took.TotalSeconds);
    }

    /// <summary>The first token of a request has come.</summary>
    public void FirstToken(TimeSpan took) => _firstToken.Add(took.TotalSeconds);

    /// <summary>Tokens of a prompt that was accepted.</summary>
    public void Prompt(int tokens) => Interlocked.Add(ref _promptTokens, tokens);

    /// <summary>A token was generated.</summary>
    public void Generated() => Interlocked.Increment(ref _generatedTokens);

    /// <summary>Prompt tokens that needed no reading, since the start.</summary>
    public void Reused(long total) => Volatile.Write(ref _reusedTokens, total);

    /// <summary>Answers that wait and that run.</summary>
    public void Load(int waiting, int running)
    {
        Volatile.Write(ref _waiting, waiting);
        Volatile.Write(ref _running, running);
    }

    /// <summary>All of it as text.</summary>
    public string Render()
    {
        var text = new StringBuilder();
        Head("ollm_requests_total", "counter", "Requests by route and status; 499 means that the client left.");
        foreach (((string route, int status), long count) in _requests.OrderBy(entry => entry.Key.Route, StringComparer.Ordinal).ThenBy(entry => entry.Key.Status))
            Line($"ollm_requests_total{{route=\"{route}\",status=\"{status}\"}} {count}");
        Single("ollm_prompt_tokens_total", "counter", "Tokens of accepted prompts.", Volatile.Read(ref _promptTokens));
        Single("ollm_prompt_tokens_reused_total", "counter", "Prompt tokens found in kept prefixes.", Volatile.Read(ref _reusedTokens));
        Single("ollm_generated_tokens_total", "counter", "Generated tokens.", Volatile.Read(ref _generatedTokens));
        Single("ollm_queue_length", "gauge", "Answers that wait for a slot.", Volatile.Read(ref _waiting));
        Single("ollm_active_sequences", "gauge", "Answers that are being decoded.", Volatile.Read(ref _running));
        Head("ollm_first_token_seconds", "histogram", "Time from a request to its first token.");
        _firstToken.Render("ollm_first_token_seconds", "", text);
        Head("ollm_request_seconds", "histogram", "Time from a request to the end of its answer.");
        foreach ((string route, Histogram histogram) in _duration.OrderBy(entry => entry.Key, StringComparer.Ordinal))
            histogram.Render("ollm_request_seconds", $"route=\"{route}\"", text);
        return text.ToString();

        void Line(FormattableString line) => text.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');
        void Head(string name, string type, string help) => text.Append($"# HELP {name} {help}\n# TYPE {name} {type}\n");
        void Single(string name, string type, string help, long value)
        {
            Head(name, type, help);
            Line($"{name} {value}");
        }
    }

    private sealed class Histogram
    {
        private readonly long[] _counts = new long[Bounds.Length + 1];
        private readonly Lock _lock = new();
        private double _sum;

        public void Add(double seconds)
        {
            int at = 0;
            while (at < Bounds.Length && seconds > Bounds[at]) at++;
            lock (_lock)
            {
                _counts[at]++;
                _sum += seconds;
            }
        }

        public void Render(string name, string label, StringBuilder text)
        {
            lock (_lock)
            {
                string prefix = label.Length == 0 ? "" : label + ",", braces = label.Length == 0 ? "" : $"{{{label}}}";
                long below = 0;
                for (int i = 0; i <= Bounds.Length; i++)
                {
                    below += _counts[i];
                    string bound = i == Bounds.Length ? "+Inf" : Bounds[i].ToString(CultureInfo.InvariantCulture);
                    text.Append(CultureInfo.InvariantCulture, $"{name}_bucket{{{prefix}le=\"{bound}\"}} {below}\n");
                }
                text.Append(CultureInfo.InvariantCulture, $"{name}_sum{braces} {_sum}\n{name}_count{braces} {below}\n");
            }
        }
    }
}
