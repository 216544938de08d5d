using OllmNative.Runtime.Emulator;

namespace OllmNative.Runtime.Extensions;

/// <summary>Votes of a warp's lanes (PTX vote.sync). Every lane of the warp must take part.</summary>
public static class WarpVote
{
    /// <summary>Bit i is set where lane i's predicate holds.</summary>
    public static uint Ballot(bool predicate) => EmulatedThread.Current.WarpBallot(predicate);

    public static bool Any(bool predicate) => EmulatedThread.Current.WarpBallot(predicate) != 0;

    public static bool All(bool predicate)
    {
        EmulatedThread thread = EmulatedThread.Current;
        return thread.WarpBallot(predicate) == thread.LaneMask;
    }
}
