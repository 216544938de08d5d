using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace OllmNative.Cli.Server;

/// <summary>Who may ask, and what browsers are told about it.</summary>
internal sealed class AccessRules(ServerSettings settings)
{
    private readonly byte[]? _key = settings.ApiKey is null ? null : SHA256.HashData(Encoding.UTF8.GetBytes(settings.ApiKey));

    /// <summary>Headers of every answer.</summary>
    public void AddHeaders(HttpContext http)
    {
        IHeaderDictionary headers = http.Response.Headers;
        headers.ContentSecurityPolicy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Resource-Policy"] = settings.CorsOrigin is null ? "same-origin" : "cross-origin";
        if (settings.CorsOrigin is null) return;
        headers.Vary = "Origin";
        if (http.Request.Headers.Origin != settings.CorsOrigin) return;
        headers.AccessControlAllowOrigin = settings.CorsOrigin;
        headers.AccessControlAllowMethods = "GET, POST";
        headers.AccessControlAllowHeaders = "Authorization, Content-Type";
        headers.AccessControlMaxAge = "600";
    }

    /// <summary>Whether the request is a browser's question if a page of the allowed origin may call.</summary>
    public bool IsPreflight(HttpRequest request) =>
        settings.CorsOrigin is not null && request.Method == HttpMethods.Options && request.Headers.Origin == settings.CorsOrigin;

    /// <summary>
    /// Refuses pages of other origins. On the local machine the name that was asked for has to be a local one too: a foreign
    /// name that was made to point here is somebody else's page (DNS rebinding).
    /// </summary>
    /// <exception cref="ApiException">The page may not call.</exception>
    public void CheckOrigin(HttpRequest request)
    {
        if (settings.ApiKey is null && IPAddress.IsLoopback(settings.Address) && !IsLocal(request.Host.Host))
            throw new ApiException(403, $"the host '{request.Host.Host}' is not this server's: expected 127.0.0.1 or localhost", code: "wrong_host");
        StringValues origin = request.Headers.Origin;
        if (origin.Count == 0 || origin == settings.CorsOrigin || origin == $"{request.Scheme}://{request.Host}") return;
        throw new ApiException(403, $"pages of {origin} may not call this server; --cors allows an origin", code: "wrong_origin");
    }

    /// <summary>Asks for the key, when there is one; the comparison takes the same time whatever was sent.</summary>
    /// <exception cref="ApiException">The key is missing or wrong.</exception>
    public void CheckKey(HttpRequest request)
    {
        if (_key is null) return;
        const string scheme = "Bearer ";
        string header = request.Headers.Authorization.ToString();
        string given = header.StartsWith(scheme, StringComparison.OrdinalIgnoreCase) ? header[scheme.Length..] : "";
        if (CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(given)), _key)) return;
        throw new ApiException(401, header.Length == 0 ? "no API key: expected 'Authorization: Bearer KEY'" : "the API key is not valid", code: "invalid_api_key");
    }

    private static bool IsLocal(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || (IPAddress.TryParse(host.Trim('[', ']'), out IPAddress? address) && IPAddress.IsLoopback(address));
}
