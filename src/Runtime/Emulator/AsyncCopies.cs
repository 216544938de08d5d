using OllmNative.Runtime.Language;

namespace OllmNative.Runtime.Emulator;

/// <summary>A thread's copies to shared memory that it has not waited for. They take place at the wait.</summary>
internal sealed unsafe class AsyncCopies
{
    private readonly Queue<Copy[]> _groups = new();
    private readonly List<Copy> _open = [];

    private readonly record struct Copy(MemoryBuffer? Shared, nint Target, nint Source);

    /// <summary>Starts the copy of 16 bytes; a source of zero fills with zeros.</summary>
    public void Start(MemoryBuffer? shared, nint target, nint source) => _open.Add(new Copy(shared, target, source));

    public void Commit()
    {
        _groups.Enqueue([.. _open]);
        _open.Clear();
    }

    /// <summary>Completes all but the latest <paramref name="pending"/> groups.</summary>
    public void Wait(int pending)
    {
        while (_groups.Count > pending)
            foreach (Copy copy in _groups.Dequeue()) Perform(copy);
    }

    /// <summary>The thread ends: whatever is left completes.</summary>
    public void Finish()
    {
        if (_open.Count > 0) Commit();
        Wait(0);
    }

    private static void Perform(Copy copy)
    {
        copy.Shared?.Races?.Touch(copy.Target, 16);
        var target = new Span<byte>((void*)copy.Target, 16);
        if (copy.Source == 0) target.Clear();
        else new ReadOnlySpan<byte>((void*)copy.Source, 16).CopyTo(target);
    }
}
