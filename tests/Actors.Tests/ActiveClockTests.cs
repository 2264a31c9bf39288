using DfPO.Actors.Timing;
using Microsoft.Extensions.Time.Testing;

namespace DfPO.Actors.Tests;

public sealed class ActiveClockTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Time_of_work_counts_in_full_and_a_standstill_as_one_step()
    {
        var clock = new ActiveClock(_time, TimeSpan.FromSeconds(3));
        for (var i = 0; i < 10; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal(TimeSpan.FromSeconds(i + 1), clock.Now);
        }
        _time.Advance(TimeSpan.FromHours(8));
        Assert.Equal(TimeSpan.FromSeconds(13), clock.Now);
        Assert.Equal(TimeSpan.FromSeconds(13), clock.Now);
    }

    [Fact]
    public void A_wall_clock_that_is_set_changes_nothing()
    {
        var clock = new ActiveClock(_time, TimeSpan.FromSeconds(3));
        _time.Advance(TimeSpan.FromSeconds(1));
        var wall = new SetBack(_time);
        Assert.Equal(TimeSpan.FromSeconds(1), clock.Now);
        var other = new ActiveClock(wall, TimeSpan.FromSeconds(3));
        wall.Offset = -TimeSpan.FromDays(1);
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(TimeSpan.FromSeconds(2), other.Now);
    }

    private sealed class SetBack(TimeProvider inner) : TimeProvider
    {
        public TimeSpan Offset { get; set; }

        public override long TimestampFrequency => inner.TimestampFrequency;

        public override DateTimeOffset GetUtcNow() => inner.GetUtcNow() + Offset;

        public override long GetTimestamp() => inner.GetTimestamp();
    }
}
