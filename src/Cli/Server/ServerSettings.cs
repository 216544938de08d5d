using System.Net;

namespace OllmNative.Cli.Server;

/// <summary>How the server listens and what it allows.</summary>
internal sealed record ServerSettings
{
    /// <summary>Address to listen on.</summary>
    public IPAddress Address { get; init; } = IPAddress.Loopback;

    /// <summary>Port; 0 takes a free one.</summary>
    public int Port { get; init; }

    /// <summary>What clients send as <c>Authorization: Bearer KEY</c>; null asks for nothing.</summary>
    public string? ApiKey { get; init; }

    /// <summary>The origin whose pages may call the server; null allows the server's own page alone.</summary>
    public string? CorsOrigin { get; init; }

    /// <summary>Sequences decoded together.</summary>
    public int Slots { get; init; } = 8;

    /// <summary>Tokens of the longest sequence, prompt and answer.</summary>
    public int Context { get; init; } = 4096;

    /// <summary>Sequences that may wait for a slot.</summary>
    public int Queue { get; init; } = 64;

    /// <summary>Longest a request may take.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(600);

    /// <summary>Most tokens that one request may ask for.</summary>
    public int MaxTokensLimit { get; init; } = 4096;

    /// <summary>How long running requests may go on after the server was told to stop.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Largest request body in bytes.</summary>
    public const int MaxBodyBytes = 1 << 20;
}
