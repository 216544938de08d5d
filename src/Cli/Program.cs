using System.CommandLine;
using OllmNative.Cli.Commands;

var root = new RootCommand("Options-based language models: training and inference.") { DataCommand.Create() };
return root.Parse(args).Invoke();
