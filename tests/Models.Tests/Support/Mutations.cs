namespace DfPO.Models.Tests.Support;

/// <summary>Files with a few bytes changed, for loaders to survive.</summary>
internal static class Mutations
{
    /// <summary>One to three changes: bits flipped, bytes replaced, put in or taken out, or the end cut off.</summary>
    /// <param name="good">A file that loads.</param>
    /// <param name="seed">Which mutation.</param>
    /// <param name="structure">Number of first bytes that half of the changes hit, because the structure is there.</param>
    public static byte[] Mutate(byte[] good, int seed, int structure)
    {
        var random = new Random(seed);
        List<byte> file = [.. good];
        for (var change = random.Next(1, 4); change > 0 && file.Count > 0; change--)
        {
            var at = random.Next(random.Next(2) == 0 ? Math.Min(file.Count, structure) : file.Count);
            switch (random.Next(7))
            {
                case 0 or 1:
                    file[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    file[at] = (byte)random.Next(256);
                    break;
                case 3:
                    file[at] = (byte)('0' + random.Next(10));
                    break;
                case 4:
                    file.Insert(at, (byte)random.Next(256));
                    break;
                case 5:
                    file.RemoveRange(at, random.Next(Math.Min(20, file.Count - at)));
                    break;
                default:
                    if (random.Next(8) == 0)
                        file.RemoveRange(at, file.Count - at);
                    else
                        file[at] = (byte)(random.Next(2) * 255);
                    break;
            }
        }
        return [.. file];
    }
}
