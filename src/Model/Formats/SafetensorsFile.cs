namespace OllmNative.Model;

/// <summary>One memory-mapped safetensors file.</summary>
public sealed class SafetensorsFile;
