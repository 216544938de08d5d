using System.Diagnostics.CodeAnalysis;
using OllmNative.Runtime.Emulator;

namespace OllmNative.Runtime.Language;

/// <summary>Errors of view accesses, out of line so that the accesses stay small.</summary>
internal static class ViewErrors
{
    [DoesNotReturn]
    public static void OutOfRange<T>(long index, long length) =>
        throw EmulatedThread.Error($"index {index} is outside of a view of {length} {typeof(T).Name} elements");

    [DoesNotReturn]
    public static void OutOfRange2D<T>(LongIndex2D index, LongIndex2D extent) =>
        throw EmulatedThread.Error($"index {index} is outside of a view of {extent} {typeof(T).Name} elements");

    [DoesNotReturn]
    public static void OutOfRange3D<T>(LongIndex3D index, LongIndex3D extent) =>
        throw EmulatedThread.Error($"index {index} is outside of a view of {extent} {typeof(T).Name} elements");

    [DoesNotReturn]
    public static void BadSubView<T>(long index, long subViewLength, long length) =>
        throw EmulatedThread.Error($"a sub-view of {subViewLength} elements from {index} leaves a view of {length} {typeof(T).Name} elements");
}
