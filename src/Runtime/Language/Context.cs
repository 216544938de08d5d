using System.Collections.Immutable;
using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Emulator;

namespace OllmNative.Runtime.Language;

/// <summary>The way in: which devices there are.</summary>
public sealed partial class Context : IDisposable
{
    private Context(Builder properties)
    {
        Properties = properties;
        Devices = [.. properties.RegisteredDevices];
    }

    public static string Version => typeof(Context).Assembly.GetName().Version?.ToString(3) ?? "0";
    public ImmutableArray<Device> Devices { get; }
    public ContextProperties Properties { get; }

    public static Builder Create() => new();

    public static Context Create(Action<Builder> buildingCallback)
    {
        ArgumentNullException.ThrowIfNull(buildingCallback);
        Builder builder = Create();
        buildingCallback(builder);
        return builder.ToContext();
    }

    public static Context CreateDefault() => Create().Default().ToContext();
    public static Context CreateDefaultAutoAssertions() => Create().Default().Assertions().ToContext();

    public static Context CreateDefaultAutoDebug() => Create().Default().AutoDebug().ToContext();

    public TDevice GetDevice<TDevice>(int deviceIndex) where TDevice : Device => GetDevices<TDevice>()[deviceIndex];
    public DeviceCollection<TDevice> GetDevices<TDevice>() where TDevice : Device => new([.. Devices.OfType<TDevice>()]);

    /// <summary>The emulator if asked for, otherwise the first GPU, or the emulator where there is none.</summary>
    public Device GetPreferredDevice(bool preferCPU) =>
        Devices.FirstOrDefault(device => device.AcceleratorType == AcceleratorType.CPU == preferCPU) ?? Devices[0];

    /// <summary>The devices of the preferred kind (see <see cref="GetPreferredDevice"/>), then, unless only those match, the others.</summary>
    public IEnumerable<Device> GetPreferredDevices(bool preferCPU, bool matchingDevicesOnly)
    {
        bool wanted = GetPreferredDevice(preferCPU).AcceleratorType == AcceleratorType.CPU;
        IEnumerable<Device> matching = Devices.Where(device => device.AcceleratorType == AcceleratorType.CPU == wanted);
        return matchingDevicesOnly ? matching : matching.Concat(Devices.Except(matching));
    }

    public ImmutableArray<Device>.Enumerator GetEnumerator() => Devices.GetEnumerator();

    public void Dispose() { }

    /// <summary>The devices of one kind.</summary>
    public readonly struct DeviceCollection<TDevice> where TDevice : Device
    {
        private readonly ImmutableArray<TDevice> _devices;

        internal DeviceCollection(ImmutableArray<TDevice> devices) => _devices = devices;

        public int Count => _devices.Length;
        public TDevice this[int deviceIndex] => _devices[deviceIndex];
        public ImmutableArray<TDevice>.Enumerator GetEnumerator() => _devices.GetEnumerator();
    }
}

/// <summary>Who can find devices. A backend adds its own here.</summary>
public static class DeviceRegistry
{
    private static readonly List<Func<IEnumerable<Device>>> Finders = [static () => CudaDevice.GetDevices(static _ => true), static () => [CPUDevice.Default]];

    /// <summary>Adds a backend's search for devices; those of the latest come first.</summary>
    public static void Add(Func<IEnumerable<Device>> finder)
    {
        lock (Finders) Finders.Insert(0, finder);
    }

    internal static List<Device> All()
    {
        lock (Finders) return [.. Finders.SelectMany(static finder => finder())];
    }
}
