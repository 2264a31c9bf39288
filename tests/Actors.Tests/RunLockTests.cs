using DfPO.Actors.Experiments;
using DfPO.Models;

namespace DfPO.Actors.Tests;

public sealed class RunLockTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("dfpo-lock");

    [Fact]
    public async Task A_run_has_one_holder_and_the_next_one_is_told_who_it_is()
    {
        using (await RunLock.Acquire(_folder.FullName, TimeSpan.Zero, default))
        {
            var error = await Assert.ThrowsAsync<DfpoException>(() => RunLock.Acquire(_folder.FullName, TimeSpan.Zero, default));
            Assert.Equal("run/locked", error.Code);
            Assert.Contains($"process {Environment.ProcessId}", error.Message);
        }
        (await RunLock.Acquire(_folder.FullName, TimeSpan.Zero, default)).Dispose();
    }

    [Fact]
    public async Task Who_waits_gets_the_lock_when_it_is_let_go()
    {
        var first = await RunLock.Acquire(_folder.FullName, TimeSpan.Zero, default);
        var second = RunLock.Acquire(_folder.FullName, TimeSpan.FromMinutes(1), default);
        Assert.False(second.IsCompleted);
        first.Dispose();
        (await second).Dispose();
    }

    [Fact]
    public async Task Waiting_can_be_cancelled()
    {
        using var held = await RunLock.Acquire(_folder.FullName, TimeSpan.Zero, default);
        using var cancellation = new CancellationTokenSource();
        var waiting = RunLock.Acquire(_folder.FullName, TimeSpan.FromMinutes(1), cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }

    [Fact]
    public async Task A_folder_that_cannot_be_written_is_no_reason_to_wait()
    {
        var error = await Assert.ThrowsAsync<DfpoException>(() =>
            RunLock.Acquire(Path.Combine(_folder.FullName, "none"), TimeSpan.FromMinutes(1), default)
        );
        Assert.Equal("run/folder", error.Code);
    }

    [Fact]
    public async Task Who_asks_for_the_holder_is_told_and_takes_nothing()
    {
        Assert.Null(RunLock.HolderOf(_folder.FullName));
        using (await RunLock.Acquire(_folder.FullName, TimeSpan.Zero, default))
            Assert.Contains($"process {Environment.ProcessId}", RunLock.HolderOf(_folder.FullName));
        Assert.Null(RunLock.HolderOf(_folder.FullName));
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
