using System.Runtime.CompilerServices;

// Tests compare the parts with each other: the scanners with the patterns they stand for, for one.
[assembly: InternalsVisibleTo("OllmNative.Tests")]
