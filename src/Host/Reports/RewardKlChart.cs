using System.Globalization;
using System.Net;
using System.Text;

namespace DfPO.Host.Reports;

/// <summary>
/// Reward against KL along training as an SVG picture, which a page in Markdown can show: a line a setting, the mean of its finished runs
/// at each validation.
/// </summary>
internal static class RewardKlChart
{
    private const int Width = 800,
        Height = 460,
        Left = 60,
        Top = 20,
        Right = 250,
        Bottom = 50;

    // Wong's colours, which people who see colours otherwise can tell apart; a setting keeps its colour, and pi- is dashed.
    private static readonly string[] s_palette = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#b8860b", "#7b4fb5", "#333333"];

    /// <summary>The picture.</summary>
    /// <param name="title">What is drawn, for readers who do not see it.</param>
    /// <param name="runs">Runs; those without a result are left out.</param>
    /// <param name="policies">Names of the decoding policies to draw.</param>
    public static string Svg(string title, IReadOnlyList<ReportRun> runs, params string[] policies)
    {
        var groups = runs.Where(run => run.Run.Result is not null).GroupBy(run => run.Group).ToArray();
        var shared = SharedWords([.. groups.Select(group => group.Key)]);
        var lines = groups
            .SelectMany(
                (group, g) =>
                    policies.Select(policy =>
                        (
                            Label: Label(group.Key[shared..], policy),
                            Color: s_palette[g % s_palette.Length],
                            Dashed: policy != "policy",
                            Points: Mean([.. group.Select(run => TrainingCurve.Of(run, policy))])
                        )
                    )
            )
            .Where(line => line.Points.Count > 1)
            .ToArray();
        var all = lines.SelectMany(line => line.Points).ToArray();
        var (maxKl, low, high) =
            all.Length == 0
                ? (1, 0, 1)
                : (Nice(all.Max(p => p.Kl)), Math.Floor(all.Min(p => p.Reward) * 10) / 10, Math.Ceiling(all.Max(p => p.Reward) * 10) / 10);
        string X(double kl) => Text(Left + (Width - Left - Right) * kl / maxKl);
        string Y(double reward) => Text(Height - Bottom - (Height - Top - Bottom) * (reward - low) / (high - low));
        var svg = new StringBuilder();
        svg.Append(
            $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {Height}\" role=\"img\" font-family=\"sans-serif\" font-size=\"12\">\n<title>{E(title)}</title>\n<rect width=\"{Width}\" height=\"{Height}\" fill=\"white\"/>\n"
        );
        foreach (var tick in Ticks(0, maxKl))
            svg.Append(
                $"<line x1=\"{X(tick)}\" y1=\"{Top}\" x2=\"{X(tick)}\" y2=\"{Height - Bottom}\" stroke=\"#ddd\"/><text x=\"{X(tick)}\" y=\"{Height - Bottom + 18}\" text-anchor=\"middle\">{Text(tick)}</text>\n"
            );
        foreach (var tick in Ticks(low, high))
            svg.Append(
                $"<line x1=\"{Left}\" y1=\"{Y(tick)}\" x2=\"{Width - Right}\" y2=\"{Y(tick)}\" stroke=\"#ddd\"/><text x=\"{Left - 8}\" y=\"{Y(tick)}\" dy=\"4\" text-anchor=\"end\">{Text(tick)}</text>\n"
            );
        svg.Append(
            $"<text x=\"{(Left + Width - Right) / 2}\" y=\"{Height - 10}\" text-anchor=\"middle\">KL to the untrained model, nats a token</text>\n"
        );
        svg.Append($"<text transform=\"translate(16 {(Height - Bottom + Top) / 2}) rotate(-90)\" text-anchor=\"middle\">reward</text>\n");
        foreach (var (i, line) in lines.Index())
        {
            var dash = line.Dashed ? " stroke-dasharray=\"5 4\"" : "";
            svg.Append(
                $"<polyline fill=\"none\" stroke=\"{line.Color}\" stroke-width=\"2\"{dash} points=\"{string.Join(' ', line.Points.Select(p => $"{X(p.Kl)},{Y(p.Reward)}"))}\"/>\n"
            );
            foreach (var point in line.Points)
                svg.Append(
                    $"<circle cx=\"{X(point.Kl)}\" cy=\"{Y(point.Reward)}\" r=\"3\" fill=\"{line.Color}\"><title>{E(line.Label)}, iteration {point.Iteration}</title></circle>\n"
                );
            var y = Top + 8 + 18 * i;
            svg.Append(
                $"<line x1=\"{Width - Right + 14}\" y1=\"{y}\" x2=\"{Width - Right + 38}\" y2=\"{y}\" stroke=\"{line.Color}\" stroke-width=\"2\"{dash}/><text x=\"{Width - Right + 44}\" y=\"{y + 4}\">{E(line.Label)}</text>\n"
            );
        }
        return svg.Append("</svg>\n").ToString();
    }

    private static string Label(string group, string policy) => policy == "policy" ? group : $"{group}, {Runs.MetricNames.Symbol(policy)}";

    /// <summary>
    /// Length of the words, spaces included, that all names begin with: a study of one task need not name it in every line.
    /// </summary>
    private static int SharedWords(string[] names) =>
        names.Length < 2
            ? 0
            : Enumerable
                .Range(0, names.Min(name => name.Length))
                .TakeWhile(i => names.All(name => name[i] == names[0][i]))
                .Where(i => names[0][i] == ' ')
                .Select(i => i + 1)
                .LastOrDefault();

    /// <summary>The mean at every validation that all of the runs have.</summary>
    private static IReadOnlyList<TrainingCurve.Point> Mean(IReadOnlyList<TrainingCurve> curves) =>
        [
            .. curves
                .SelectMany(curve => curve.Points)
                .GroupBy(point => point.Iteration)
                .Where(at => at.Count() == curves.Count)
                .OrderBy(at => at.Key)
                .Select(at => new TrainingCurve.Point(
                    at.Key,
                    at.Average(p => p.Kl),
                    at.Average(p => p.Reward),
                    at.Average(p => p.Perplexity),
                    at.Average(p => p.Entropy)
                )),
        ];

    private static double Nice(double most) =>
        new[] { 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1, 1.5, 2, 3, 5, 10, 20, 50, 100 }.FirstOrDefault(end => end >= most, most);

    private static IEnumerable<double> Ticks(double from, double to) => Enumerable.Range(0, 6).Select(i => from + (to - from) * i / 5);

    private static string Text(double number) => Math.Round(number, 3).ToString(CultureInfo.InvariantCulture);

    private static string E(string text) => WebUtility.HtmlEncode(text);
}
