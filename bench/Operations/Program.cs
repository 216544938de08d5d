using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using OllmNative.Bench;

// dotnet run -c Release --project bench/Operations -- --filter '*Head*'
// dotnet run -c Release --project bench/Operations -- gemm 2 256x896x4864
if (args is ["gemm", ..]) return GemmTable.Run(args.AsSpan(1));

// In this process: the operations start threads of their own and hold hundreds of megabytes, which need no isolation.
IConfig config = DefaultConfig.Instance.AddJob(
    Job.Default.WithToolchain(InProcessEmitToolchain.Instance).WithWarmupCount(2).WithIterationCount(5).WithInvocationCount(1).WithUnrollFactor(1));
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args, config);
return 0;
