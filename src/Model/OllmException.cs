namespace OllmNative.Model;

/// <summary>
/// Bad input from the user: the message names what was wrong, the file (and place in it) and what was expected.
/// The command line prints it as <c>error: ...</c> without a stack trace and exits with code 2.
/// </summary>
public sealed class OllmException : Exception
{
    // A file can make any message long that quotes it; a person reads a page at most.
    private const int MaxMessage = 4000, KeptEnd = 500;

    /// <summary>Creates the error with a message that a user can act on.</summary>
    public OllmException(string message) : base(Cut(message)) { }

    /// <summary>Creates the error, keeping what caused it for debugging.</summary>
    public OllmException(string message, Exception inner) : base(Cut(message), inner) { }

    /// <summary>Creates an error without details; prefer the other constructors.</summary>
    public OllmException() : base("bad input") { }

    private static string Cut(string message) =>
        message is { Length: > MaxMessage } ? string.Concat(message.AsSpan(0, MaxMessage - KeptEnd), " … ", message.AsSpan(message.Length - KeptEnd)) : message;
}
