// Writes a CycloneDX bill of materials: every package that a lock file of the shipped projects names, with its version, hash and licence,
// and the .NET runtime, which the single-file programs carry inside.
// Usage: dotnet run build/Sbom.cs -- OUT.json VERSION RUNTIME-VERSION LOCKFILE...
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
using System.Text.Json;
using System.Text.Json.Nodes;

if (args.Length < 4)
{
    Console.Error.WriteLine("error: expected the file to write, the program's version, the runtime's, and at least one packages.lock.json");
    return 2;
}
var packages = new SortedDictionary<string, JsonObject>(StringComparer.OrdinalIgnoreCase);
foreach (string file in args.Skip(3))
{
    JsonObject frameworks = JsonNode.Parse(File.ReadAllText(file))!["dependencies"]!.AsObject();
    foreach ((string name, JsonNode? entry) in frameworks.SelectMany(framework => framework.Value!.AsObject()))
    {
        if (entry!["type"]!.GetValue<string>() == "Project") continue;
        string version = entry["resolved"]!.GetValue<string>(), hash = entry["contentHash"]!.GetValue<string>(), purl = $"pkg:nuget/{name}@{version}";
        packages[purl] = new JsonObject
        {
            ["type"] = "library", ["bom-ref"] = purl, ["name"] = name, ["version"] = version, ["purl"] = purl, ["licenses"] = Licence(LicenceOf(name, version)),
            ["hashes"] = new JsonArray(new JsonObject { ["alg"] = "SHA-512", ["content"] = Convert.ToHexStringLower(Convert.FromBase64String(hash)) }),
        };
    }
}
foreach (string name in (string[])["Microsoft.NETCore.App", "Microsoft.AspNetCore.App"])
{
    string bomRef = $"{name}@{args[2]}";
    packages[bomRef] = new JsonObject
    {
        ["type"] = "framework", ["bom-ref"] = bomRef, ["name"] = name, ["version"] = args[2], ["licenses"] = Licence("MIT"),
        ["description"] = "Inside the single-file programs; elsewhere the machine's own is used.",
    };
}
var bom = new JsonObject
{
    ["bomFormat"] = "CycloneDX", ["specVersion"] = "1.5", ["version"] = 1,
    ["metadata"] = new JsonObject
    {
        ["component"] = new JsonObject { ["type"] = "application", ["bom-ref"] = "ollm", ["name"] = "OllmNative", ["version"] = args[1], ["licenses"] = Licence("MIT") },
    },
    ["components"] = new JsonArray([.. packages.Values]),
};
Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(args[0]))!);
File.WriteAllText(args[0], bom.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n");
Console.WriteLine($"{args[0]}: {packages.Count} packages");
return 0;

static JsonArray Licence(string id) => new(new JsonObject { ["license"] = new JsonObject { ["id"] = id } });

// What the package says itself; it was unpacked when the projects were restored.
static string LicenceOf(string name, string version)
{
    string cache = Environment.GetEnvironmentVariable("NUGET_PACKAGES") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
    string id = name.ToLowerInvariant(), file = Path.Combine(cache, id, version.ToLowerInvariant(), id + ".nuspec");
    System.Xml.Linq.XElement? licence = System.Xml.Linq.XDocument.Load(file).Descendants().FirstOrDefault(element => element.Name.LocalName == "license");
    return licence?.Attribute("type")?.Value == "expression" ? licence.Value : throw new InvalidOperationException($"{file}: no licence expression");
}
