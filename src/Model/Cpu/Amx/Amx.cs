using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace OllmNative.Model.Cpu;

/// <summary>
/// The processor's matrix unit (Intel AMX: 16 x 16 sums of products of bf16 numbers, in f32), where there is one and the system lends it:
/// sixteen times the multiply-adds of AVX-512. Linux on x64 only; <c>OLLM_AMX=0</c> in the environment leaves it alone.
/// </summary>
internal static unsafe partial class Amx
{
    /// <summary>Bf16 terms that an f32 operand is cut into: three hold all of its 24 bits (<see cref="SplitTerms"/>).</summary>
    public const int Terms = 3;

    /// <summary>Rows and columns of C that one call of a product computes at a time, and depth of one step.</summary>
    public const int Block = 32;

    private const int TileConfigBytes = 64, PageSize = 4096;

    private static readonly byte* Config;
    private static readonly delegate* unmanaged<byte*, byte*, float*, long, byte*, long, void>* Products;

#pragma warning disable CA1810, S3963 // The order matters: nothing below runs on a processor without the unit.
    static Amx()
    {
        IsSupported = Environment.GetEnvironmentVariable("OLLM_AMX") != "0" && HasUnit() && AskSystem();
        if (!IsSupported) return;
        Config = (byte*)NativeMemory.AlignedAlloc(TileConfigBytes, 64);
        NativeMemory.Clear(Config, TileConfigBytes);
        Config[0] = 1; // palette 1: eight tiles of 1 KB
        for (int tile = 0; tile < 8; tile++)
        {
            ((ushort*)(Config + 16))[tile] = 64; // bytes of a row
            Config[48 + tile] = 16;              // rows
        }
        Products = (delegate* unmanaged<byte*, byte*, float*, long, byte*, long, void>*)NativeMemory.Alloc(4, (nuint)sizeof(nint));
        IsSupported = Load();
    }
#pragma warning restore CA1810, S3963

    /// <summary>Whether products may run on the unit in this process.</summary>
    public static bool IsSupported { get; }

    /// <summary>
    /// C += or = products of tiles, for <paramref name="blocks"/> blocks of 32 x 32 of which each takes <paramref name="steps"/> steps of 32.
    /// <paramref name="c"/> gets four tiles for each block: rows 0-15 with columns 0-15 and 16-31, then rows 16-31.
    /// </summary>
    /// <param name="termsFirst">Whether rows of C belong to <paramref name="terms"/>, or its columns do.</param>
    /// <param name="accumulate">Whether C is added to.</param>
    /// <param name="whole">The operand of bf16 numbers: two tiles for each step; every block takes all of it.</param>
    /// <param name="terms">The operand in <see cref="Terms"/> terms: two tiles for each of them and step, block after block.</param>
    /// <param name="c">Results.</param>
    /// <param name="steps">Depth / 32, at least 1.</param>
    /// <param name="blocks">At least 1.</param>
    public static void Multiply(bool termsFirst, bool accumulate, byte* whole, byte* terms, float* c, long steps, long blocks) =>
        Products[(termsFirst ? 2 : 0) + (accumulate ? 1 : 0)](whole, terms, c, steps, Config, blocks);

    private static bool HasUnit()
    {
        // The packing needs AVX-512; what .NET was told not to use is not used here either.
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64 || !Avx512BW.IsSupported) return false;
        const int Bf16 = 1 << 22, Tile = 1 << 24;
        return X86Base.CpuId(0, 0).Eax >= 7 && (X86Base.CpuId(7, 0).Edx & (Bf16 | Tile)) == (Bf16 | Tile);
    }

    /// <summary>The tiles' 8 KB in every saved context are lent on request: arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA).</summary>
    private static bool AskSystem() => SystemCall(158, 0x1023, 18) == 0;

    /// <summary>Puts the four products into memory that is executable and, by then, no longer writable.</summary>
    private static bool Load()
    {
        const int Read = 1, Write = 2, Execute = 4, Private = 2, Anonymous = 32;
        void* page = Map(null, PageSize, Read | Write, Private | Anonymous, -1, 0);
        if ((nint)page == -1) return false;
        int at = 0;
        for (int i = 0; i < 4; i++)
        {
            byte[] code = AmxCode.Product(Terms, termsFirst: i >= 2, accumulate: i % 2 == 1);
            code.CopyTo(new Span<byte>((byte*)page + at, PageSize - at));
            Products[i] = (delegate* unmanaged<byte*, byte*, float*, long, byte*, long, void>)((byte*)page + at);
            at += (code.Length + 63) & ~63;
        }
        return Protect(page, PageSize, Read | Execute) == 0;
    }

    [LibraryImport("libc", EntryPoint = "syscall")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial long SystemCall(long number, long first, long second);

    [LibraryImport("libc", EntryPoint = "mmap")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial void* Map(void* address, nuint length, int protection, int flags, int file, long offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Protect(void* address, nuint length, int protection);
}
