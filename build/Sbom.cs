// Writes a CycloneDX bill of materials: every package that a lock file of the shipped projects names, with its version and hash.
// Usage: dotnet run build/Sbom.cs -- OUT.json LOCKFILE...
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
using System.Text.Json;
using System.Text.Json.Nodes;

if (args.Length < 2)
{
    Console.Error.WriteLine("error: expected the file to write and at least one packages.lock.json");
    return 2;
}
var packages = new SortedDictionary<string, JsonObject>(StringComparer.OrdinalIgnoreCase);
foreach (string file in args.Skip(1))
{
    JsonObject frameworks = JsonNode.Parse(File.ReadAllText(file))!["dependencies"]!.AsObject();
    foreach ((string name, JsonNode? entry) in frameworks.SelectMany(framework => framework.Value!.AsObject()))
    {
        if (entry!["type"]!.GetValue<string>() == "Project") continue;
        string version = entry["resolved"]!.GetValue<string>(), hash = entry["contentHash"]!.GetValue<string>(), purl = $"pkg:nuget/{name}@{version}";
        packages[purl] = new JsonObject
        {
            ["type"] = "library", ["bom-ref"] = purl, ["name"] = name, ["version"] = version, ["purl"] = purl,
            ["hashes"] = new JsonArray(new JsonObject { ["alg"] = "SHA-512", ["content"] = Convert.ToHexStringLower(Convert.FromBase64String(hash)) }),
        };
    }
}
var bom = new JsonObject
{
    ["bomFormat"] = "CycloneDX", ["specVersion"] = "1.5", ["version"] = 1,
    ["metadata"] = new JsonObject
    {
        ["component"] = new JsonObject { ["type"] = "application", ["bom-ref"] = "ollm", ["name"] = "OllmNative", ["licenses"] = new JsonArray(new JsonObject { ["license"] = new JsonObject { ["id"] = "MIT" } }) },
    },
    ["components"] = new JsonArray([.. packages.Values]),
};
Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(args[0]))!);
File.WriteAllText(args[0], bom.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n");
Console.WriteLine($"{args[0]}: {packages.Count} packages");
return 0;
