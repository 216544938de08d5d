using System.CommandLine;
using System.Net;
using OllmNative.Cli.Server;
using OllmNative.Model;

namespace OllmNative.Cli.Commands;

/// <summary><c>ollm serve</c>: an OpenAI-compatible server with the option explorer's page.</summary>
internal static class ServeCommand
{
    private const string KeyVariable = "OLLM_API_KEY";

    public static Command Create(Output ui)
    {
        var command = new Command("serve", "Serve the model: OpenAI's API under /v1, the option explorer at /.");
        var model = new ModelOptions(command, withQuantize: true);
        var flags = new Flags(command);
        command.SetAction(parsed =>
        {
            ServerSettings settings = flags.Read(parsed);
            using ModelSession session = model.Open(parsed);
            settings = settings with { Context = Math.Min(settings.Context, session.Config.MaxPositions) };
            var served = new ServedModel(
                session, CommonOptions.ChatFormatOf(parsed.GetValue(flags.ChatFormat)!, session), parsed.GetValue(flags.Name), parsed.GetValue<string?>("--ollm"));
            RunAsync(served, settings, ui).GetAwaiter().GetResult();
        });
        return command;
    }

    private static async Task RunAsync(ServedModel model, ServerSettings settings, Output ui)
    {
        if (!IPAddress.IsLoopback(settings.Address))
            ui.Log($"warning: {settings.Address} can be reached from other machines, and HTTP is not encrypted: put a TLS proxy in front");
        await using var server = new OllmServer(model, settings, ui.Log);
        await server.StartAsync();
        ui.Log($"{model.Name} on {model.Session.Device.Description}: listening on {server.Address} (Ctrl-C stops)");
        try
        {
            await Task.Delay(Timeout.Infinite, ui.Cancellation);
        }
        finally
        {
            ui.Log("stopping");
            await server.StopAsync();
        }
    }

    private sealed class Flags
    {
        private readonly Option<string> _host = new("--host") { Description = "Address to listen on; any but this machine's own needs --api-key.", HelpName = "ADDRESS", DefaultValueFactory = _ => "127.0.0.1" };
        private readonly Option<int> _port = CommonOptions.Number("--port", "Port to listen on; 0 takes a free one and prints it.", 8080, 0, 65535);
        private readonly Option<string?> _key = new("--api-key") { Description = $"What clients must send as bearer token; also from the variable {KeyVariable}.", HelpName = "KEY" };
        private readonly Option<string?> _cors = new("--cors") { Description = "Origin whose pages may call the server, as in https://example.org.", HelpName = "ORIGIN" };
        private readonly Option<int> _slots = CommonOptions.Number("--slots", "Answers that are written at the same time.", 8, 1, 256);
        private readonly Option<int> _context = CommonOptions.Number("--context", "Tokens of prompt and answer together, at most the model's own.", 4096, 2, 1 << 20);
        private readonly Option<int> _queue = CommonOptions.Number("--queue", "Answers that may wait; more are refused with 429.", 64, 0, 100_000);
        private readonly Option<double> _timeout = CommonOptions.Number("--timeout", "Seconds that a request may take.", 600.0, 0.001, 86_400.0);
        private readonly Option<int> _maxTokens = CommonOptions.Number("--max-tokens-limit", "Most tokens that a request may ask for.", 4096, 1, int.MaxValue);
        private readonly Option<double> _grace = CommonOptions.Number("--grace", "Seconds that running requests may go on after Ctrl-C.", 10.0, 0.0, 3600.0);

        public Flags(Command command)
        {
            Option[] all = [_host, _port, Name, _key, _cors, _slots, _context, _queue, _timeout, _maxTokens, _grace, ChatFormat];
            foreach (Option option in all) command.Add(option);
        }

        public Option<string?> Name { get; } = new("--name") { Description = "The model's name in the API; the folder's unless given.", HelpName = "NAME" };

        public Option<string> ChatFormat { get; } = CommonOptions.ChatFormat();

        /// <summary>What the command line says.</summary>
        /// <exception cref="OllmException">An address, origin or key is not valid, or an open address has no key.</exception>
        public ServerSettings Read(ParseResult parsed)
        {
            IPAddress address = AddressOf(parsed.GetValue(_host)!);
            string? key = parsed.GetValue(_key) ?? Environment.GetEnvironmentVariable(KeyVariable);
            if (key is { Length: 0 }) key = parsed.GetValue(_key) is null ? null : throw new OllmException("--api-key: is empty, expected at least one character");
            if (!IPAddress.IsLoopback(address) && key is null)
                throw new OllmException($"--host {address}: can be reached from other machines, expected --api-key KEY or {KeyVariable} with it");
            return new ServerSettings
            {
                Address = address,
                Port = parsed.GetValue(_port),
                ApiKey = key,
                CorsOrigin = OriginOf(parsed.GetValue(_cors)),
                Slots = parsed.GetValue(_slots),
                Context = parsed.GetValue(_context),
                Queue = parsed.GetValue(_queue),
                Timeout = TimeSpan.FromSeconds(parsed.GetValue(_timeout)),
                MaxTokensLimit = parsed.GetValue(_maxTokens),
                Grace = TimeSpan.FromSeconds(parsed.GetValue(_grace)),
            };
        }

        private static IPAddress AddressOf(string host)
        {
            if (host == "localhost") return IPAddress.Loopback;
            return IPAddress.TryParse(host, out IPAddress? address) ? address : throw new OllmException($"--host {host}: is no address, expected one as in 127.0.0.1 or ::1");
        }

        private static string? OriginOf(string? text)
        {
            if (text is null) return null;
            bool valid = Uri.TryCreate(text, UriKind.Absolute, out Uri? uri) && uri.Scheme is "http" or "https" && uri.GetLeftPart(UriPartial.Authority) == text;
            return valid ? text : throw new OllmException($"--cors {text}: is no origin, expected one as in https://example.org");
        }
    }
}
