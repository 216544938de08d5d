namespace OllmNative.Runtime.Cuda;

/// <summary>What a call of the CUDA driver returns. Only codes that the runtime tells apart have a name here; the driver names the rest.</summary>
public enum CuResult
{
    /// <summary>Done.</summary>
    Success = 0,

    /// <summary>An argument out of its range.</summary>
    InvalidValue = 1,

    /// <summary>Not enough memory.</summary>
    OutOfMemory = 2,

    /// <summary>cuInit has not been called.</summary>
    NotInitialized = 3,

    /// <summary>The process is ending.</summary>
    Deinitialized = 4,

    /// <summary>No GPU that can be used.</summary>
    NoDevice = 100,

    /// <summary>An ordinal without a GPU.</summary>
    InvalidDevice = 101,

    /// <summary>A module image that is none.</summary>
    InvalidImage = 200,

    /// <summary>No context on the calling thread, or one that is gone.</summary>
    InvalidContext = 201,

    /// <summary>No machine code for this GPU in the image.</summary>
    NoBinaryForGpu = 209,

    /// <summary>A memory error that ECC could not correct.</summary>
    EccUncorrectable = 214,

    /// <summary>PTX that the driver's compiler does not accept.</summary>
    InvalidPtx = 218,

    /// <summary>An error on an NVLink connection.</summary>
    NvlinkUncorrectable = 220,

    /// <summary>The driver's PTX compiler is not installed.</summary>
    JitCompilerNotFound = 221,

    /// <summary>PTX of a version newer than the driver.</summary>
    UnsupportedPtxVersion = 222,

    /// <summary>A handle of something that is gone.</summary>
    InvalidHandle = 400,

    /// <summary>A name that the module does not have.</summary>
    NotFound = 500,

    /// <summary>Work is still under way.</summary>
    NotReady = 600,

    /// <summary>A kernel read or wrote where nothing is.</summary>
    IllegalAddress = 700,

    /// <summary>More registers, threads or shared memory than a group can have.</summary>
    LaunchOutOfResources = 701,

    /// <summary>The display's watchdog ended a kernel.</summary>
    LaunchTimeout = 702,

    /// <summary>The primary context was destroyed.</summary>
    ContextIsDestroyed = 709,

    /// <summary>A kernel's assertion.</summary>
    Assert = 710,

    /// <summary>A kernel overran its stack.</summary>
    HardwareStackError = 714,

    /// <summary>An instruction that the GPU does not have.</summary>
    IllegalInstruction = 715,

    /// <summary>An access that is not on a multiple of its size.</summary>
    MisalignedAddress = 716,

    /// <summary>An instruction for another kind of memory.</summary>
    InvalidAddressSpace = 717,

    /// <summary>A jump to nowhere.</summary>
    InvalidPc = 718,

    /// <summary>A kernel failed.</summary>
    LaunchFailed = 719,

    /// <summary>The driver or the GPU cannot do this.</summary>
    NotSupported = 801,

    /// <summary>A call that may not happen while a stream is being captured.</summary>
    StreamCaptureUnsupported = 900,

    /// <summary>A capture that an earlier error has spoilt.</summary>
    StreamCaptureInvalidated = 901,

    /// <summary>An event of one capture in another, or outside of it.</summary>
    StreamCaptureIsolation = 905,

    /// <summary>A wait for an event that was recorded in a capture.</summary>
    CapturedEvent = 907,

    /// <summary>A capture that another thread has begun.</summary>
    StreamCaptureWrongThread = 908,

    /// <summary>A graph that cannot take a change in place.</summary>
    GraphExecUpdateFailure = 910,

    /// <summary>A cluster that does not fit the grid or the GPU.</summary>
    InvalidClusterSize = 912,

    /// <summary>Something else.</summary>
    Unknown = 999,
}

/// <summary>What follows from a code.</summary>
internal static class CuResults
{
    /// <summary>Whether the device's context is unusable from now on: every later call would return the same code.</summary>
    public static bool IsSticky(this CuResult result) => result is CuResult.Deinitialized or CuResult.EccUncorrectable or CuResult.NvlinkUncorrectable
        or CuResult.IllegalAddress or CuResult.LaunchTimeout or CuResult.ContextIsDestroyed or CuResult.Assert or CuResult.HardwareStackError
        or CuResult.IllegalInstruction or CuResult.MisalignedAddress or CuResult.InvalidAddressSpace or CuResult.InvalidPc or CuResult.LaunchFailed;
}
