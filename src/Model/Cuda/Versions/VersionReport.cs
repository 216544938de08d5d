namespace OllmNative.Model.Cuda;

/// <summary>One version on one chip, as people and programs are told of it.</summary>
/// <param name="Name">What <c>OLLM_CUDA_WITHOUT</c> calls it.</param>
/// <param name="Title">What it is.</param>
/// <param name="State"><c>in use</c>, <c>left out</c>, <c>not tried</c> yet, or <c>not here</c>: the chip, its driver, or a version that it builds on has it not.</param>
/// <param name="Why">Why it is left out; null when it is not.</param>
/// <param name="InPlace">What is used where it is left out.</param>
public sealed record VersionReport(string Name, string Title, string State, string? Why, string InPlace);
