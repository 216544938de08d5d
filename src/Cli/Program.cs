using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using OllmNative.Cli;
using OllmNative.Training;

// mpirun gives its processes a terminal that nobody looks at; what a terminal is sent would end up before the result.
bool alone = !MpiGroup.IsLaunched;
if (!alone) Environment.SetEnvironmentVariable("TERM", "");

// Text is UTF-8 whatever the locale says, without a byte order mark, and input is taken byte for byte.
var utf8 = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
using var stdout = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false), 1 << 16);
using var stdin = new StreamReader(Console.OpenStandardInput(), utf8, detectEncodingFromByteOrderMarks: false);

// The first Ctrl-C (or SIGTERM) asks the command to stop, which may write a checkpoint; the second one ends the process. mpirun passes
// one Ctrl-C on as several signals, so those that come together count as one there.
using var stop = new CancellationTokenSource();
long firstSignal = 0;
void Stop(PosixSignalContext signal)
{
    bool isFirst = Interlocked.CompareExchange(ref firstSignal, Stopwatch.GetTimestamp(), 0) == 0;
    signal.Cancel = isFirst || (!alone && Stopwatch.GetElapsedTime(firstSignal) < TimeSpan.FromSeconds(1));
    stop.Cancel();
}
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);

var terminal = new TerminalUse(Output: alone && !Console.IsOutputRedirected, Error: alone && !Console.IsErrorRedirected);
return OllmCli.Run(args, stdout, Console.Error, stdin, terminal, stop.Token);
