using System.Collections.Immutable;
using OllmNative.Runtime.Cuda;
using OllmNative.Runtime.Emulator;

namespace OllmNative.Runtime.Language;

/// <summary>Settings of a context.</summary>
public class ContextProperties
{
    public bool EnableAssertions { get; protected set; }
    public bool EnableProfiling { get; protected set; }

    /// <summary>Whether the emulator looks for races in shared memory; assertions switch it on.</summary>
    public bool EnableRaceCheck => EnableAssertions;
}

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

    public TDevice GetDevice<TDevice>(int deviceIndex) where TDevice : Device => GetDevices<TDevice>()[deviceIndex];
    public DeviceCollection<TDevice> GetDevices<TDevice>() where TDevice : Device => new([.. Devices.OfType<TDevice>()]);

    /// <summary>The emulator if asked for, otherwise the first GPU, or the emulator where there is none.</summary>
    public Device GetPreferredDevice(bool preferCPU) =>
        Devices.FirstOrDefault(device => device.AcceleratorType == AcceleratorType.CPU == preferCPU) ?? Devices[0];

    public ImmutableArray<Device>.Enumerator GetEnumerator() => Devices.GetEnumerator();

    public void Dispose() { }

    /// <summary>Chooses devices and settings.</summary>
    public sealed class Builder : ContextProperties
    {
        internal List<Device> RegisteredDevices { get; } = [];

        /// <summary>Every device there is.</summary>
        public Builder Default() => AllAccelerators();

        public Builder AllAccelerators() => AllAccelerators(static _ => true);

        public Builder AllAccelerators(Predicate<Device> predicate)
        {
            ArgumentNullException.ThrowIfNull(predicate);
            RegisteredDevices.AddRange(DeviceRegistry.All().Where(device => predicate(device)));
            return this;
        }

        /// <summary>Checks that cost time; here the race check of shared memory.</summary>
        public Builder Assertions()
        {
            EnableAssertions = true;
            return this;
        }

        public Builder Profiling()
        {
            EnableProfiling = true;
            return this;
        }

        /// <summary>Adds one device that no search finds.</summary>
        internal Builder With(Device device)
        {
            RegisteredDevices.Add(device);
            return this;
        }

        public Context ToContext() => new(this);
    }

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
