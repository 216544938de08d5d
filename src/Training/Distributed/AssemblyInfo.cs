using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("OllmNative.Tests")]
