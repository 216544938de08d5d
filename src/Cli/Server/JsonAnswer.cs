using Microsoft.AspNetCore.Http;

namespace OllmNative.Cli.Server;

/// <summary>Writes JSON answers.</summary>
internal static class JsonAnswer
{
    /// <summary>Writes a value with a status.</summary>
    public static async Task WriteAsync(HttpResponse response, int status, object value, CancellationToken cancellation)
    {
        byte[] body = JsonOutput.SerializeUtf8(value);
        response.StatusCode = status;
        response.ContentType = "application/json";
        response.ContentLength = body.Length;
        await response.Body.WriteAsync(body, cancellation);
    }
}
