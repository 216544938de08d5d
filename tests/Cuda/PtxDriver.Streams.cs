using System.Diagnostics;
using OllmNative.Runtime.Cuda;
using OllmNative.Tests.Ptx;

namespace OllmNative.Tests.Cuda;

internal sealed unsafe partial class PtxDriver
{
    /// <summary>Something for a stream to do: its kind, the function of a launch, and how.</summary>
    private sealed record Work(string Kind, object? Subject, Action Run);

    private sealed class Stream
    {
        public Queue<Work> Pending { get; } = new();
        public List<Work>? Captured { get; set; }
        public bool CaptureSpoilt { get; set; }

        /// <summary>0 refuses unsafe calls of every thread, 1 of the capturing one, 2 none.</summary>
        public int CaptureMode { get; set; }

        public int CaptureThread { get; set; }
    }

    private sealed class Event(uint flags)
    {
        public uint Flags { get; } = flags;
        public Stream? Stream { get; set; }

        /// <summary>The capture that it was last recorded in.</summary>
        public List<Work>? Capture { get; set; }

        public int Recorded { get; set; }
        public int Reached { get; set; }
        public long Time { get; set; }
    }

    private static CuResult Give(Stream stream, Work work)
    {
        if (stream.Captured is { } captured) captured.Add(work);
        else stream.Pending.Enqueue(work);
        return CuResult.Success;
    }

    /// <summary>Does what a stream has been given. A kernel that fails takes the context with it.</summary>
    private void Drain(Stream stream)
    {
        while (_sticky == 0 && stream.Pending.TryDequeue(out Work? work))
        {
            try
            {
                work.Run();
            }
            catch (Exception error) when (error is PtxException or ArgumentException or InvalidOperationException or IndexOutOfRangeException or KeyNotFoundException)
            {
                KernelFailure = error.Message;
                _sticky = CodeOf(error);
                Explain?.Invoke($"{NameOf(_sticky)}: {work.Kind}: {error.Message}");
            }
        }
    }

    /// <summary>What a chip would report for it.</summary>
    private static CuResult CodeOf(Exception error)
    {
        bool Says(string words) => error.Message.Contains(words, StringComparison.Ordinal);
        return error is not PtxException ? CuResult.LaunchFailed
            : Says("multiple of") ? CuResult.MisalignedAddress
            : Says("unknown instruction") ? CuResult.IllegalInstruction
            : Says("does not end") || Says("never ends") ? CuResult.LaunchTimeout
            : CuResult.IllegalAddress;
    }

    private void DrainAll()
    {
        foreach (Stream stream in _live.Values.OfType<Stream>().ToArray()) Drain(stream);
    }

    public CuResult StreamCreate(out nint stream, uint flags)
    {
        stream = 0;
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (flags > 1) return Refuse(CuResult.InvalidValue, $"cuStreamCreate: flags {flags}");
            stream = NewHandle(new Stream());
            return CuResult.Success;
        }
    }

    public CuResult StreamDestroy(nint stream)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Stream>(stream) is not { } s) return Refuse(CuResult.InvalidHandle, "cuStreamDestroy: no such stream");
            Spoil(other => other == s);
            Drain(s);
            _live.Remove(stream);
            return CuResult.Success;
        }
    }

    public CuResult StreamSynchronize(nint stream)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Stream>(stream) is not { } s) return Refuse(CuResult.InvalidHandle, "cuStreamSynchronize: no such stream");
            if (Spoil(other => other == s)) return Refuse(CuResult.StreamCaptureUnsupported, "cuStreamSynchronize while the stream is captured");
            Drain(s);
            return _sticky;
        }
    }

    public CuResult StreamWaitEvent(nint stream, nint @event, uint flags)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Stream>(stream) is not { } s || Get<Event>(@event) is not { } e) return Refuse(CuResult.InvalidHandle, "cuStreamWaitEvent: no such stream or event");
            // Within one capture it is an edge; between a capture and what is outside of it there can be none.
            if (e.Recorded > 0 && e.Capture != s.Captured)
            {
                Spoil(other => other == s || (e.Capture is not null && other.Captured == e.Capture));
                return Refuse(CuResult.StreamCaptureIsolation, "cuStreamWaitEvent: the event is of another capture than the stream");
            }
            int number = e.Recorded;
            if (IgnoresLaunches) return CuResult.Success;
            return Give(s, new Work("wait", null, () =>
            {
                if (e.Reached < number && e.Stream is { } other) Drain(other);
            }));
        }
    }

    public CuResult EventCreate(out nint @event, uint flags)
    {
        @event = 0;
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if ((flags & ~7u) != 0) return Refuse(CuResult.InvalidValue, $"cuEventCreate: flags {flags}");
            @event = NewHandle(new Event(flags));
            return CuResult.Success;
        }
    }

    public CuResult EventRecord(nint @event, nint stream)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Event>(@event) is not { } e || Get<Stream>(stream) is not { } s) return Refuse(CuResult.InvalidHandle, "cuEventRecord: no such event or stream");
            (e.Stream, e.Capture) = (s, s.Captured);
            if (IgnoresLaunches)
            {
                (e.Reached, e.Time) = (++e.Recorded, Stopwatch.GetTimestamp());
                return CuResult.Success;
            }
            return Mark(s, e, ++e.Recorded);
        }
    }

    // Apart, so that a record that is ignored makes no closure.
    private static CuResult Mark(Stream stream, Event e, int number) => Give(stream, new Work("event", null, () => (e.Reached, e.Time) = (number, Stopwatch.GetTimestamp())));

    public CuResult EventSynchronize(nint @event)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Event>(@event) is not { } e) return Refuse(CuResult.InvalidHandle, "cuEventSynchronize: no such event");
            if (e.Capture is not null) return Refuse(CuResult.CapturedEvent, "cuEventSynchronize of an event that was recorded in a capture");
            if (e.Reached < e.Recorded && e.Stream is { } stream) Drain(stream);
            return _sticky;
        }
    }

    public CuResult EventElapsedTime(out float milliseconds, nint start, nint end)
    {
        const uint withoutTime = 2;
        milliseconds = 0;
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            if (Get<Event>(start) is not { } from || Get<Event>(end) is not { } to) return Refuse(CuResult.InvalidHandle, "cuEventElapsedTime: no such event");
            if (((from.Flags | to.Flags) & withoutTime) != 0 || from.Recorded == 0 || to.Recorded == 0)
                return Refuse(CuResult.InvalidHandle, "cuEventElapsedTime: an event that was not recorded or takes no time");
            if (from.Capture is not null || to.Capture is not null) return Refuse(CuResult.CapturedEvent, "cuEventElapsedTime: an event that was recorded in a capture");
            if (from.Reached < from.Recorded || to.Reached < to.Recorded) return CuResult.NotReady;
            milliseconds = (float)Stopwatch.GetElapsedTime(from.Time, to.Time).TotalMilliseconds;
            return CuResult.Success;
        }
    }

    public CuResult EventDestroy(nint @event)
    {
        lock (_gate)
        {
            if (Enter() is var bad && bad != 0) return bad;
            return Get<Event>(@event) is not null && _live.Remove(@event) ? CuResult.Success : CuResult.InvalidHandle;
        }
    }
}
