using DfPO.Host.Commands;

return await CommandLine.Invoke(args);
