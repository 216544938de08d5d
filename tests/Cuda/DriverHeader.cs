using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using OllmNative.Runtime.Compiler.Frontend;
using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Extensions;

namespace OllmNative.Tests.Cuda;

/// <summary>
/// A C file that says of NVIDIA's own cuda.h what the runtime takes for granted: the type of every function that it imports, the size and the
/// offsets of every struct, the value of every number. A C compiler accepts it where all of that is so.
/// </summary>
internal static class DriverHeader
{
    private const BindingFlags Everything = BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;

    // By name: a handle, an address and a pointer are all nint in C#.
    private static readonly Dictionary<string, string> Words = new()
    {
        ["context"] = "CUcontext", ["stream"] = "CUstream", ["event"] = "CUevent", ["start"] = "CUevent", ["end"] = "CUevent", ["state"] = "CUlinkState",
        ["module"] = "CUmodule", ["function"] = "CUfunction", ["executable"] = "CUgraphExec", ["graph"] = "CUgraph", ["address"] = "CUdeviceptr",
        ["target"] = "CUdeviceptr", ["source"] = "CUdeviceptr", ["text"] = "char *", ["cubin"] = "void *", ["values"] = "void *", ["nodes"] = "CUgraphNode",
        ["sharedOfBlock"] = "CUoccupancyB2DSize",
    };

    /// <summary>Where the same C# name is something else: host memory, and numbers that have an enum of their own.</summary>
    private static readonly Dictionary<string, string> Exceptions = new()
    {
        ["cuMemHostAlloc.address"] = "void *", ["cuMemFreeHost.address"] = "void *", ["cuTensorMapEncodeTiled.address"] = "void *",
        ["cuMemcpyHtoDAsync_v2.source"] = "void *", ["cuMemcpyDtoHAsync_v2.target"] = "void *", ["cuStreamBeginCapture_v2.mode"] = "CUstreamCaptureMode",
        ["cuTensorMapEncodeTiled.dataType"] = "CUtensorMapDataType", ["cuTensorMapEncodeTiled.interleave"] = "CUtensorMapInterleave",
        ["cuTensorMapEncodeTiled.swizzle"] = "CUtensorMapSwizzle", ["cuTensorMapEncodeTiled.promotion"] = "CUtensorMapL2promotion",
        ["cuTensorMapEncodeTiled.fill"] = "CUtensorMapFloatOOBfill", ["cuTensorMapEncodeTiled.dimensions"] = "cuuint64_t",
        ["cuTensorMapEncodeTiled.strides"] = "cuuint64_t", ["cuTensorMapEncodeTiled.box"] = "cuuint32_t", ["cuTensorMapEncodeTiled.elementStrides"] = "cuuint32_t",
        ["cuModuleGetFunction.name"] = "char", ["cuDeviceGetName.name"] = "char", ["cuLinkAddData_v2.name"] = "char",
    };

    private static readonly Dictionary<Type, string> Types = new()
    {
        [typeof(int)] = "int", [typeof(uint)] = "unsigned int", [typeof(ulong)] = "unsigned long long", [typeof(nuint)] = "size_t", [typeof(float)] = "float",
        [typeof(byte)] = "unsigned char", [typeof(void)] = "void", [typeof(CuResult)] = "CUresult", [typeof(DeviceAttribute)] = "CUdevice_attribute",
        [typeof(FunctionAttribute)] = "CUfunction_attribute", [typeof(JitOption)] = "CUjit_option", [typeof(JitInput)] = "CUjitInputType",
        [typeof(LaunchConfig)] = "CUlaunchConfig", [typeof(TensorMapBits)] = "CUtensorMap", [typeof(GraphUpdateInfo)] = "CUgraphExecUpdateResultInfo",
    };

    /// <summary>The functions as the runtime imports them.</summary>
    public static MethodInfo[] Imports { get; } =
        [.. typeof(CudaLibrary).GetNestedType("Native", BindingFlags.NonPublic)!.GetMethods(Everything).Where(method => EntryPoint(method) is not null)];

    /// <summary>The exported name of an import; null for what is none.</summary>
    public static string? EntryPoint(MethodInfo method) =>
        method.GetCustomAttribute<LibraryImportAttribute>() is { EntryPoint: { } name } ? name : null;

    /// <summary>The C file.</summary>
    public static string Claims()
    {
        var text = new StringBuilder("""
            #include <stddef.h>
            #include <stdint.h>
            #include <stdlib.h>
            #define const /* what a function promises about its arguments has no place in a calling convention */
            #include <cuda.h>
            #define TEXT_OF(name) #name
            #define TEXT(name) TEXT_OF(name)
            #define FUNCTION(name, ...) _Static_assert(__builtin_types_compatible_p(__typeof__(&name), __VA_ARGS__), "type of " #name)
            #define CURRENT(name, exported) _Static_assert(sizeof(TEXT(name)) == sizeof(exported), #name " is exported as " TEXT(name) " by now")
            #define NUMBER(name, value) _Static_assert((long)(name) == (value), #name)
            #define SIZE(name, bytes) _Static_assert(sizeof(name) == (bytes), "size of " #name)
            #define FIELD(name, field, offset, bytes) _Static_assert(offsetof(name, field) == (offset) && sizeof(((name *)0)->field) == (bytes), #name "." #field)

            """);
        foreach (MethodInfo import in Imports)
        {
            string name = EntryPoint(import)!;
            text.Append($"FUNCTION({name}, CUresult (*)({Parameters(name, import)}));\n");
            text.Append($"CURRENT({name.Split("_v")[0]}, \"{name}\");\n");
        }
        Numbers(text);
        Structs(text);
        return text.ToString();
    }

    private static string Parameters(string function, MethodInfo import) =>
        import.GetParameters() is { Length: > 0 } parameters ? string.Join(", ", parameters.Select(parameter => TypeOf(function, parameter))) : "void";

    private static string TypeOf(string function, ParameterInfo parameter)
    {
        Type type = parameter.ParameterType;
        string stars = "";
        while (type.IsPointer || type.IsByRef) (type, stars) = (type.GetElementType()!, stars + "*");
        string key = $"{function}.{parameter.Name}";
        return $"{(Exceptions.TryGetValue(key, out string? known) ? known : type == typeof(nint) ? Words[parameter.Name!] : Types[type])} {stars}".TrimEnd();
    }

    private static void Numbers(StringBuilder text)
    {
        void All<T>(string prefix, Func<T, string> name) where T : struct, Enum
        {
            foreach (T value in Enum.GetValues<T>()) text.Append($"NUMBER({prefix}{name(value)}, {Convert.ToInt32(value, null)});\n");
        }

        All<CuResult>("CUDA_", value => value == CuResult.Success ? "SUCCESS" : $"ERROR{Upper(value)}");
        All<DeviceAttribute>("CU_DEVICE_ATTRIBUTE", value => Upper(value));
        All<FunctionAttribute>("CU_FUNC_ATTRIBUTE", value => value == FunctionAttribute.NumRegisters ? "_NUM_REGS" : Upper(value));
        All<JitOption>("CU_JIT", value => Upper(value));
        All<JitInput>("CU_JIT_INPUT", value => Upper(value));
        All<TensorSwizzle>("CU_TENSOR_MAP_SWIZZLE", value => value == TensorSwizzle.Bytes128 ? "_128B" : Upper(value));
        foreach ((Type type, string field, string name) in (ReadOnlySpan<(Type, string, string)>)[
            (typeof(LaunchAttribute), "ClusterDimension", "CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION"),
            (typeof(LaunchAttribute), "ProgrammaticStreamSerialization", "CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION"),
            (typeof(CudaStream), "NonBlocking", "CU_STREAM_NON_BLOCKING"), (typeof(CudaStream), "RelaxedCapture", "CU_STREAM_CAPTURE_MODE_RELAXED"),
            (typeof(CudaAccelerator), "PortableHostMemory", "CU_MEMHOSTALLOC_PORTABLE"),
            (typeof(TensorMapEncoder), "Bytes1", "CU_TENSOR_MAP_DATA_TYPE_UINT8"), (typeof(TensorMapEncoder), "Bytes2", "CU_TENSOR_MAP_DATA_TYPE_UINT16"),
            (typeof(TensorMapEncoder), "Bytes4", "CU_TENSOR_MAP_DATA_TYPE_UINT32"), (typeof(TensorMapEncoder), "Bytes8", "CU_TENSOR_MAP_DATA_TYPE_UINT64"),
            (typeof(TensorMapEncoder), "NoInterleave", "CU_TENSOR_MAP_INTERLEAVE_NONE"), (typeof(TensorMapEncoder), "FillZeros", "CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE"),
            (typeof(TensorMapEncoder), "PromoteTo128Bytes", "CU_TENSOR_MAP_L2_PROMOTION_L2_128B"),
        ])
            text.Append($"NUMBER({name}, {type.GetField(field, Everything)!.GetRawConstantValue()});\n");
    }

    private static unsafe void Structs(StringBuilder text)
    {
        text.Append($"SIZE(CUlaunchConfig, {sizeof(LaunchConfig)});\nSIZE(CUlaunchAttribute, {sizeof(LaunchAttribute)});\n");
        text.Append($"SIZE(CUtensorMap, {sizeof(TensorMapBits)});\nSIZE(CUgraphExecUpdateResultInfo, {sizeof(GraphUpdateInfo)});\n");
        text.Append("_Static_assert(_Alignof(CUtensorMap) == 64, \"alignment of CUtensorMap\");\n");
        void Field(Type type, string field, string name)
        {
            FieldInfo own = type.GetField(field, Everything)!;
            string structure = type == typeof(LaunchAttribute) ? "CUlaunchAttribute" : Types[type];
            text.Append($"FIELD({structure}, {name}, {FieldOffset.Of(type, own)}, {(own.FieldType == typeof(nint) || own.FieldType.IsPointer ? 8 : 4)});\n");
        }

        foreach ((string field, string name) in new[]
        {
            ("GridX", "gridDimX"), ("GridY", "gridDimY"), ("GridZ", "gridDimZ"), ("BlockX", "blockDimX"), ("BlockY", "blockDimY"), ("BlockZ", "blockDimZ"),
            ("SharedBytes", "sharedMemBytes"), ("Stream", "hStream"), ("Attributes", "attrs"), ("AttributeCount", "numAttrs"),
        })
            Field(typeof(LaunchConfig), field, name);
        foreach ((string field, string name) in new[]
        {
            ("Id", "id"), ("X", "value.clusterDim.x"), ("Y", "value.clusterDim.y"), ("Z", "value.clusterDim.z"), ("X", "value.programmaticStreamSerializationAllowed"),
        })
            Field(typeof(LaunchAttribute), field, name);
        foreach ((string field, string name) in new[] { ("Result", "result"), ("ErrorNode", "errorNode"), ("ErrorFromNode", "errorFromNode") })
            Field(typeof(GraphUpdateInfo), field, name);
    }

    /// <summary>OutOfMemory as _OUT_OF_MEMORY.</summary>
    private static string Upper<T>(T value) where T : struct, Enum =>
        string.Concat(value.ToString().Select(c => char.IsUpper(c) ? $"_{c}" : char.ToUpperInvariant(c).ToString()));
}
