namespace OllmNative.Cli.Server;

/// <summary>A request that cannot be served; the client gets it in OpenAI's shape.</summary>
/// <param name="status">HTTP status.</param>
/// <param name="message">What was wrong, where, and what was expected.</param>
/// <param name="parameter">The field of the request that is to blame.</param>
/// <param name="code">A word that programs can compare.</param>
internal sealed class ApiException(int status, string message, string? parameter = null, string? code = null) : Exception(message)
{
    /// <summary>HTTP status.</summary>
    public int Status { get; } = status;

    /// <summary>The JSON that the client gets.</summary>
    public object Body => new
    {
        error = new
        {
            message = Message,
            type = Status switch
            {
                401 => "authentication_error",
                403 => "permission_error",
                429 => "rate_limit_error",
                >= 500 => "server_error",
                _ => "invalid_request_error",
            },
            param = parameter,
            code,
        },
    };
}
