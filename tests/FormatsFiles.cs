using System.Buffers.Binary;
using System.Text;
using OllmNative.Model;

namespace OllmNative.Tests;

/// <summary>Small files for the tests of the formats.</summary>
internal static class FormatsFiles
{
    /// <summary>The bytes of a safetensors file with this header text, taken as it is, and this many data bytes.</summary>
    public static byte[] Safetensors(string header, int dataBytes = 0)
    {
        byte[] json = Encoding.UTF8.GetBytes(header);
        byte[] file = new byte[8 + json.Length + dataBytes];
        BinaryPrimitives.WriteInt64LittleEndian(file, json.Length);
        json.CopyTo(file, 8);
        return file;
    }

    /// <summary>Writes a file into a fresh folder and returns its path.</summary>
    public static string Save(byte[] bytes, string name = "model.safetensors")
    {
        string path = Path.Combine(TestData.NewFolder(), name);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    /// <summary>A fresh folder holding one text file.</summary>
    public static string FolderWith(string name, string text) => Path.GetDirectoryName(Save(Encoding.UTF8.GetBytes(text), name))!;

    /// <summary>An F32 tensor holding 0, 1, 2, ...</summary>
    public static TensorToWrite Counting(string name, params long[] shape)
    {
        long count = shape.Aggregate(1L, (product, extent) => product * extent);
        return TensorToWrite.FromFloats(name, Enumerable.Range(0, (int)count).Select(i => (float)i).ToArray(), shape);
    }

    /// <summary>Runs the action, which must fail with an <see cref="OllmException"/>, and returns its message.</summary>
    public static string Error(Action action) => Assert.Throws<OllmException>(action).Message;
}
