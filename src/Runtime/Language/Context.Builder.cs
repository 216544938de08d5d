namespace OllmNative.Runtime.Language;

public sealed partial class Context
{
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
            RegisteredDevices.AddRange(DeviceRegistry.All().Where(device => predicate(device) && !RegisteredDevices.Contains(device)));
            return this;
        }

        /// <summary>Checks that cost time; here the race check of shared memory.</summary>
        public Builder Assertions() => Set(() => EnableAssertions = true);

        /// <summary>The same where a debugger is attached.</summary>
        public Builder AutoAssertions() => System.Diagnostics.Debugger.IsAttached ? Assertions() : this;

        /// <summary>Markers may be measured.</summary>
        public Builder Profiling() => Set(() => EnableProfiling = true);

        /// <summary>Kernels print: in the emulator they always do, on a device never.</summary>
        public Builder IOOperations() => Set(() => EnableIOOperations = true);

        /// <summary>The same where a debugger is attached.</summary>
        public Builder AutoIOOperations() => System.Diagnostics.Debugger.IsAttached ? IOOperations() : this;

        public Builder Optimize(OptimizationLevel level) => Set(() => OptimizationLevel = level);

        public Builder Debug() => Optimize(OptimizationLevel.Debug).Assertions();

        public Builder Release() => Optimize(OptimizationLevel.Release);

        public Builder AutoDebug() => System.Diagnostics.Debugger.IsAttached ? Debug() : this;

        public Builder Math(MathMode mathMode) => Set(() => MathMode = mathMode);

        public Builder Inlining(InliningMode inliningMode) => Set(() => InliningMode = inliningMode);

        public Builder DebugSymbols(DebugSymbolsMode debugSymbolsMode) => Set(() => DebugSymbolsMode = debugSymbolsMode);

        public Builder StaticFields(StaticFieldMode fieldMode) => Set(() => StaticFieldMode = fieldMode);

        public Builder PageLocking(PageLockingMode mode) => Set(() => PageLockingMode = mode);

        public Builder Caching(CachingMode cachingMode) => Set(() => CachingMode = cachingMode);

        /// <summary>Adds one device that no search finds.</summary>
        internal Builder With(Device device) => Set(() => RegisteredDevices.Add(device));

        public Context ToContext() => new(this);

        private Builder Set(Action setting)
        {
            setting();
            return this;
        }
    }
}
