package server

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A lookout is called by the timer queue, and asks for the times that the test
// gives it.
type lookout struct {
	reminder queuedTimer
	seen     []time.Time
	next     func(time.Time) time.Time
	soon     func(looks int) bool // nil: never
}

func (l *lookout) checkTimeouts(now time.Time) (next time.Time, soon bool) {
	l.seen = append(l.seen, now)
	return l.next(now), l.soon != nil && l.soon(len(l.seen))
}

func newLookout(next func(time.Time) time.Time) *lookout {
	l := &lookout{next: next}
	l.reminder.init(l)
	return l
}

func never(time.Time) (none time.Time) { return none }

func TestRemindersComeInTimeAndOnce(t *testing.T) {
	clock := NewManualClock(time.UnixMilli(1615480369000))
	begun := clock.Now()
	var tasks sync.WaitGroup
	var r timerQueue
	r.init(clock, &tasks, new(pendingWork))
	random := rand.New(rand.NewPCG(1, 1))
	all := make([]*lookout, 1000)
	wanted := make([]time.Duration, len(all))
	for i := range all {
		all[i] = newLookout(never)
		wanted[i] = time.Hour
	}
	for range 5000 {
		i, at := random.IntN(len(all)), time.Duration(random.IntN(3600))*time.Second
		r.callBy(&all[i].reminder, begun.Add(at))
		wanted[i] = min(wanted[i], at)
	}
	for i := range 100 {
		r.remove(&all[i].reminder)
		r.callBy(&all[i].reminder, begun)
	}
	clock.Advance(time.Hour)
	for i, l := range all {
		if i < 100 || wanted[i] == time.Hour {
			require.Empty(t, l.seen)
			continue
		}
		require.Equal(t, []time.Time{begun.Add(wanted[i])}, l.seen)
	}
	require.Empty(t, clock.calls.queue)
	tasks.Wait()
}

func TestReminderThatAsksAgain(t *testing.T) {
	clock := NewManualClock(time.UnixMilli(1615480369000))
	begun := clock.Now()
	var tasks sync.WaitGroup
	var r timerQueue
	r.init(clock, &tasks, new(pendingWork))
	var l *lookout
	l = newLookout(func(now time.Time) time.Time {
		if len(l.seen) == 2 {
			r.callBy(&l.reminder, now.Add(time.Second)) // before the time that look will return
		}
		return now.Add(10 * time.Second)
	})
	r.callBy(&l.reminder, begun)
	clock.Advance(21 * time.Second)
	require.Equal(t, []time.Time{begun, begun.Add(10 * time.Second), begun.Add(11 * time.Second), begun.Add(21 * time.Second)}, l.seen)
	r.close()
	clock.Advance(time.Hour)
	require.Len(t, l.seen, 4)
	r.remove(&l.reminder)
	r.callBy(&l.reminder, begun)
	tasks.Wait()
}

// A removed entry is not called any more.
func TestForgettingWaitsForALook(t *testing.T) {
	var tasks sync.WaitGroup
	var r timerQueue
	r.init(realClock{}, &tasks, new(pendingWork))
	looking, goOn := make(chan struct{}), make(chan struct{})
	over := false
	l := newLookout(func(time.Time) (none time.Time) {
		close(looking)
		<-goOn
		over = true
		return none
	})
	r.callBy(&l.reminder, time.Now())
	<-looking
	go close(goOn)
	r.remove(&l.reminder)
	require.True(t, over)
	tasks.Wait()
}

// An entry with a short delay is called in real time, and Advance waits for it
// whatever else is due.
func TestReminderThatAsksAgainInRealTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := NewManualClock(time.UnixMilli(1615480369000))
		begun, real := clock.Now(), time.Now()
		e := &engine{pending: pendingWork{}}
		e.clock = e.drainingClockOf(clock)
		r := &e.timeoutQueue
		r.init(e.clock, &e.tasks, &e.pending)
		hour := begun.Add(time.Hour)
		l := newLookout(func(now time.Time) (next time.Time) {
			if hour.After(now) {
				next = hour
			}
			return next
		})
		l.soon = func(looks int) bool { return looks < 4 }
		r.callBy(&l.reminder, begun.Add(time.Second))
		clock.Advance(time.Minute)
		at := begun.Add(time.Second)
		require.Equal(t, []time.Time{at, at, at, at}, l.seen)
		require.Equal(t, (1+2+4)*time.Millisecond, time.Since(real))
		clock.Advance(time.Hour)
		require.Equal(t, hour, l.seen[4], "and in its time as well")
		require.Len(t, l.seen, 5)

		l.soon = func(int) bool { return true }
		r.callBy(&l.reminder, clock.Now())
		go clock.Advance(0)
		synctest.Wait()
		r.close()
		e.pending.wait()
		e.tasks.Wait()
		r.remove(&l.reminder)
	})
}

// A firingClock fires no timer itself.
type firingClock struct {
	Clock
	fire []func()
}

func (c *firingClock) AfterFunc(_ time.Duration, f func()) func() bool {
	c.fire = append(c.fire, f)
	return func() bool { return true }
}

// A timer that is replaced while it fires does not affect its replacement.
func TestAlarmReplacedAsItGoesOff(t *testing.T) {
	clock := &firingClock{Clock: NewManualClock(time.UnixMilli(1615480369000))}
	begun := clock.Now()
	var tasks sync.WaitGroup
	var r timerQueue
	r.init(clock, &tasks, new(pendingWork))
	first, second := newLookout(never), newLookout(never)
	r.callBy(&first.reminder, begun.Add(2*time.Second))
	late := clock.fire[0]
	r.timer.stop = func() bool { return false } // it is firing, and waits for the lock
	r.callBy(&second.reminder, begun.Add(time.Second))
	late()
	r.close()
	tasks.Wait()
}

// The same holds for the timer of expiry.
func TestExpiryAlarmReplacedAsItGoesOff(t *testing.T) {
	clock := &firingClock{Clock: NewManualClock(time.UnixMilli(1615480369000))}
	s, err := New(Options{Clock: clock})
	require.NoError(t, err)
	_, err = s.Do(t.Context(), "SET", "a", "v", "PX", 2000)
	require.NoError(t, err)
	late := clock.fire[len(clock.fire)-1]
	s.engine.expiry.stop = func() bool { return false } // it is firing, and waits for the lock
	_, err = s.Do(t.Context(), "SET", "b", "v", "PX", 1000)
	require.NoError(t, err)
	late()
	require.NoError(t, s.Close())
}
