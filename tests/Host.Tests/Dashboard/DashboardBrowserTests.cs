using DfPO.Actors.Configuration;
using DfPO.Host.Dashboard;
using DfPO.Host.Reporting;
using DfPO.Host.Reports;
using Microsoft.Playwright;

namespace DfPO.Host.Tests.Dashboard;

/// <summary>The page in a real browser: Chromium, where it is installed.</summary>
public sealed class DashboardBrowserTests : IAsyncLifetime
{
    private static readonly string? s_chromium = new[] { "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome" }
        .Prepend(Environment.GetEnvironmentVariable("DFPO_CHROMIUM") ?? "")
        .FirstOrDefault(File.Exists);
    private readonly TestFolder _folder = new();
    private readonly List<string> _complaints = [];
    private IPlaywright? _playwright;
    private IBrowser? _browser;
    private DashboardServer? _server;
    private IPage _page = null!;

    public async ValueTask InitializeAsync()
    {
        if (s_chromium is null)
            return;
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(
            new()
            {
                ExecutablePath = s_chromium,
                Args =
                [
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-quic",
                    "--no-first-run",
                    "--disable-background-networking",
                    "--disable-component-update",
                    "--disable-sync",
                ],
            }
        );
        _page = await _browser.NewPageAsync();
        // The machine may be busy; a wait that is too long is a failure all the same.
        _page.SetDefaultTimeout(120_000);
        _page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning")
                _complaints.Add(message.Text);
        };
        _page.PageError += (_, error) => _complaints.Add(error);
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
            await _browser.DisposeAsync();
        _playwright?.Dispose();
        if (_server is not null)
            await _server.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task From_a_curve_to_a_token_to_its_trace_with_mouse_and_keyboard()
    {
        await Serve(() => WatchedRuns.Make(_folder.Path));
        // By keyboard: the last point of the first curve.
        var chart = _page.Locator("#run-charts canvas").First;
        await chart.FocusAsync();
        await chart.PressAsync("End");
        Assert.Contains("iteration 3", await _page.Locator("#run-charts .spoken").First.TextContentAsync());
        await chart.PressAsync("Enter");
        await Shown("iteration=3");
        Assert.Equal("3", await _page.Locator("#texts-iteration").InputValueAsync());
        await _page.SelectOptionAsync("#texts-sort", "-reward");
        await _page.Locator("#texts-table tbody tr:first-child td:has-text(\"0.2\")").First.WaitForAsync();
        await _page.Locator("#texts-table tbody tr").First.ClickAsync();
        await _page.Locator(".token").First.ClickAsync();
        await _page.Keyboard.PressAsync("ArrowRight");
        var told = await _page.Locator("#token").TextContentAsync();
        Assert.Contains("-1 nats", told);
        Assert.Contains("shut", told);
        Assert.Equal($"http://traces.example/{WatchedRuns.Trace}", await _page.Locator("#trace").GetAttributeAsync("href"));
        // What a model wrote is text.
        Assert.Equal(" <b>", await _page.Locator(".token .shut").TextContentAsync());
        // By mouse: back to the curves, and a click in the middle of one.
        await _page.ClickAsync("#to-run");
        await chart.ClickAsync();
        await Shown("iteration=2");
        Assert.Equal("2", await _page.Locator("#texts-iteration").InputValueAsync());
        await _page.SelectOptionAsync("#texts-of", "test");
        await _page.Locator("#samples-table tbody tr").First.WaitForAsync();
        // Tabs by keyboard, and every view stands.
        await _page.FocusAsync("#to-texts");
        await _page.Keyboard.PressAsync("ArrowRight");
        await _page.Locator("#frontier").WaitForAsync();
        await _page.ClickAsync("#to-cluster");
        await _page.Locator("#tab-cluster p").First.WaitForAsync();
        // A telephone: nothing sticks out.
        await _page.SetViewportSizeAsync(360, 700);
        foreach (var tab in new[] { "run", "texts", "study" })
        {
            await _page.ClickAsync($"#to-{tab}");
            Assert.True(await _page.EvaluateAsync<bool>("document.documentElement.scrollWidth <= innerWidth"), tab);
        }
        Assert.Empty(_complaints);
    }

    [Fact]
    public async Task What_happens_in_the_run_is_drawn_without_loading_the_page_again()
    {
        var run = await Serve(() => WatchedRuns.Make(_folder.Path, finished: false));
        await _page.EvaluateAsync("window.loaded = 'once'");
        await _page.Locator("#standing[data-iterations='3']").WaitForAsync(new() { State = WaitForSelectorState.Attached });
        var recorder = new RunRecorder(run);
        recorder.Started(new ExperimentConfig(), 3);
        WatchedRuns.Keep(run, 3, 4);
        recorder.IterationFinished(Reports.Iteration(4));
        await _page.Locator("#standing[data-iterations='4']").WaitForAsync(new() { State = WaitForSelectorState.Attached });
        Assert.Equal("4", await _page.Locator("#run-charts canvas").First.GetAttributeAsync("data-points"));
        Assert.Contains("iteration 4", await _page.Locator("#run-summary").TextContentAsync());
        Assert.Equal("once", await _page.EvaluateAsync<string>("window.loaded"));
        Assert.Empty(_complaints);
    }

    [Fact]
    public async Task A_hundred_thousand_continuations_are_browsed_a_page_at_a_time()
    {
        await Serve(() => WatchedRuns.Make(_folder.Path, perIteration: 25_000, iterations: 4));
        await _page.ClickAsync("#to-texts");
        await _page.Locator("#texts-table").WaitForAsync();
        Assert.Contains("1 to 50 of 25000", await _page.Locator(".pager").TextContentAsync());
        Assert.Equal(50, await _page.Locator("#texts-table tbody tr").CountAsync());
        await _page.SelectOptionAsync("#texts-sort", "-reward");
        await _page.Locator("#texts-table tbody tr:first-child td:first-child:has-text(\"999\")").WaitForAsync();
        await _page.ClickAsync("#texts-next");
        await _page.Locator(".pager:has-text(\"51 to 100\")").WaitForAsync();
        Assert.Equal("997", await _page.Locator("#texts-table tbody tr:first-child td:first-child").TextContentAsync());
        await _page.SelectOptionAsync("#texts-iteration", "1");
        await _page.Locator(".pager:has-text(\"1 to 50\")").WaitForAsync();
        await _page.FillAsync("#texts-search", "<b>24990<");
        await _page.Keyboard.PressAsync("Enter");
        await _page.Locator(".pager:has-text(\"of 1 found in 25000\")").WaitForAsync();
        await _page.Locator("#texts-table tbody tr").First.ClickAsync();
        await _page.Locator(".token").First.WaitForAsync();
        Assert.Empty(_complaints);
    }

    [Fact]
    public async Task A_report_is_the_same_page_frozen()
    {
        Assert.SkipUnless(s_chromium is not null, "There is no Chromium here.");
        var run = WatchedRuns.Make(_folder.Path);
        var file = _folder.Write(
            "report.html",
            ReportPage.Write("A report", ReportRun.Read([run.Path], _ => { }), [], [], traceUrl: "http://traces.example/{trace}")
        );
        List<string> asked = [];
        _page.Request += (_, request) => asked.Add(request.Url);
        await _page.GotoAsync($"file://{file}");
        await _page.Locator("#run-charts canvas").First.WaitForAsync();
        await _page.ClickAsync("#to-study");
        await _page.Locator("#curves canvas").First.WaitForAsync();
        await _page.ClickAsync("#to-texts");
        await _page.SelectOptionAsync("#texts-sort", "-reward");
        await _page.Locator("#texts-table tbody tr:first-child td:first-child:has-text(\"2\")").WaitForAsync();
        await _page.Locator("#texts-table tbody tr").First.ClickAsync();
        await _page.Locator(".token").First.ClickAsync();
        Assert.EndsWith(WatchedRuns.Trace, await _page.Locator("#trace").GetAttributeAsync("href"));
        Assert.All(asked, url => Assert.StartsWith("file://", url));
        Assert.Empty(_complaints);
    }

    /// <summary>Waits until what the address asks for is drawn; what was there before is still to be seen until then.</summary>
    private Task Shown(string address) => _page.Locator($"body[data-shown*='{address}']").WaitForAsync();

    private async Task<DfPO.Host.Runs.RunFolder> Serve(Func<DfPO.Host.Runs.RunFolder> make)
    {
        Assert.SkipUnless(s_chromium is not null, "There is no Chromium here.");
        var run = make();
        _server = await DashboardServer.Start(new RunShelf(_folder.Path, "http://traces.example/{trace}", _ => { }), 0);
        await _page.GotoAsync(_server.Address);
        await _page.Locator("#run-charts canvas").First.WaitForAsync();
        return run;
    }
}
