using OllmNative.Model;
using OllmNative.Training;

namespace OllmNative.Cli.Server;

/// <summary>The model that the server offers, and how it speaks.</summary>
internal sealed class ServedModel
{
    /// <summary>Describes a session's model.</summary>
    /// <param name="session">Stays the caller's.</param>
    /// <param name="format">How conversations are written.</param>
    /// <param name="name">Name in the API; null takes the folder's.</param>
    /// <param name="ollmFolder">The folder of --ollm.</param>
    /// <exception cref="OllmException">The folder has no tokenizer, or it is not this model's.</exception>
    public ServedModel(ModelSession session, ChatFormat format, string? name, string? ollmFolder)
    {
        (Session, Format, OllmFolder) = (session, format, ollmFolder);
        Name = name ?? Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(ollmFolder ?? session.Folder)));
        StopTokens = new RowEncoder(session.Config, session.Tokenizer, format).StopTokens;
    }

    /// <summary>Device, backbone, OLLM and tokenizer.</summary>
    public ModelSession Session { get; }

    /// <summary>How conversations are written.</summary>
    public ChatFormat Format { get; }

    /// <summary>Name in the API.</summary>
    public string Name { get; }

    /// <summary>The folder of --ollm; null without one.</summary>
    public string? OllmFolder { get; }

    /// <summary>Tokens that end an answer.</summary>
    public IReadOnlyList<int> StopTokens { get; }

    /// <summary>When the model was loaded, in seconds since 1970.</summary>
    public long Created { get; } = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    /// <summary>The tokenizer.</summary>
    public Tokenizer Tokenizer => Session.Tokenizer;

    /// <summary>K; null without an OLLM.</summary>
    public int? Options => Session.Ollm?.Shape.Options;
}
