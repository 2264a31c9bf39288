using System.Net;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace DfPO.Host.Dashboard;

/// <summary>
/// The one HTML page of runs, which loads nothing: its scripts and its style are in it, and its policy allows these alone, by their hashes.
/// A live page asks the process that served it for data; a frozen one has them in it.
/// </summary>
internal static class PageShell
{
    private static readonly string[] s_scripts =
    [
        "chart.umd.min.js",
        "page.js",
        "curves.js",
        "run.js",
        "cluster.js",
        "texts.js",
        "study.js",
        "start.js",
    ];

    private static readonly Lazy<(string Style, string Scripts)> s_hashes = new(() =>
        (Hash(Asset("page.css")), string.Join(' ', s_scripts.Select(name => Hash(Asset(name)))))
    );

    /// <summary>What a page may do.</summary>
    /// <param name="live">Whether it may ask the process that served it.</param>
    public static string Policy(bool live) =>
        $"default-src 'none'; script-src {s_hashes.Value.Scripts}; style-src {s_hashes.Value.Style}; img-src data:{(live ? "; connect-src 'self'" : "")}; base-uri 'none'; form-action 'none'";

    /// <summary>The page.</summary>
    /// <param name="title">Its title.</param>
    /// <param name="data">What its scripts begin with.</param>
    /// <param name="study">Content of the section on studies, as HTML; empty where the scripts ask for it.</param>
    /// <param name="live">Whether it may ask the process that served it.</param>
    public static string Write(string title, JsonObject data, string study, bool live) =>
        $"""
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="{Policy(live)}">
            <meta name="viewport" content="width=device-width">
            <title>{E(title)}</title>
            <style>{Asset("page.css")}</style>
            </head>
            <body>
            <header>
            <h1>{E(title)}</h1>
            <nav role="tablist" aria-label="Views"></nav>
            <p id="standing" role="status"></p>
            </header>
            <main>
            <section id="tab-run" role="tabpanel" hidden></section>
            <section id="tab-cluster" role="tabpanel" hidden></section>
            <section id="tab-texts" role="tabpanel" hidden></section>
            <section id="tab-study" role="tabpanel" hidden>{study}</section>
            </main>
            <script type="application/json" id="data">{data.ToJsonString()}</script>
            {string.Concat(s_scripts.Select(name => $"<script>{Asset(name)}</script>\n"))}<footer>Charts by Chart.js. <details><summary>Its licence</summary><pre>{E(
                Asset("chart.js-LICENSE.md")
            )}</pre></details></footer>
            </body>
            </html>

            """;

    private static string E(string text) => WebUtility.HtmlEncode(text);

    private static string Hash(string text) => $"'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text)))}'";

    private static string Asset(string name)
    {
        using var reader = new StreamReader(Assembly.GetExecutingAssembly().GetManifestResourceStream($"page/{name}")!);
        return reader.ReadToEnd();
    }
}
