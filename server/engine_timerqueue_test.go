package server

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A timerOwner records its checks. A test says when the next check is.
type timerOwner struct {
	timer queuedTimer
	seen  []time.Time // times of checks
	next  func(time.Time) time.Time
	soon  func(checks int) bool // nil: never
}

func (l *timerOwner) checkTimeouts(now time.Time) (next time.Time, soon bool) {
	l.seen = append(l.seen, now)
	return l.next(now), l.soon != nil && l.soon(len(l.seen))
}

func newTimerOwner(q *timerQueue, next func(time.Time) time.Time) *timerOwner {
	l := &timerOwner{next: next}
	l.timer.init(q, l)
	return l
}

func never(time.Time) (none time.Time) { return none }

func TestQueuedTimersFireInTimeAndOnce(t *testing.T) {
	clock := NewManualClock(time.UnixMilli(1615480369000))
	begun := clock.Now()
	var tasks sync.WaitGroup
	var r timerQueue
	r.init(clock, &tasks, new(pendingWork))
	random := rand.New(rand.NewPCG(1, 1))
	all := make([]*timerOwner, 1000)
	wanted := make([]time.Duration, len(all))
	for i := range all {
		all[i] = newTimerOwner(&r, never)
		wanted[i] = time.Hour
	}
	for range 5000 {
		i, at := random.IntN(len(all)), time.Duration(random.IntN(3600))*time.Second
		all[i].timer.callBy(begun.Add(at))
		wanted[i] = min(wanted[i], at)
	}
	for i := range 100 {
		all[i].timer.remove()
		all[i].timer.callBy(begun)
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

func TestCheckSetsTheNextTime(t *testing.T) {
	clock := NewManualClock(time.UnixMilli(1615480369000))
	begun := clock.Now()
	var tasks sync.WaitGroup
	var r timerQueue
	r.init(clock, &tasks, new(pendingWork))
	var l *timerOwner
	l = newTimerOwner(&r, func(now time.Time) time.Time {
		if len(l.seen) == 2 {
			l.timer.callBy(now.Add(time.Second)) // earlier than the time that the check returns
		}
		return now.Add(10 * time.Second)
	})
	l.timer.callBy(begun)
	clock.Advance(21 * time.Second)
	require.Equal(t, []time.Time{begun, begun.Add(10 * time.Second), begun.Add(11 * time.Second), begun.Add(21 * time.Second)}, l.seen)
	r.close()
	clock.Advance(time.Hour)
	require.Len(t, l.seen, 4)
	l.timer.remove()
	l.timer.callBy(begun)
	tasks.Wait()
}

// A timer that was removed is not checked any more.
func TestRemoveWaitsForACheck(t *testing.T) {
	var tasks sync.WaitGroup
	var r timerQueue
	r.init(realClock{}, &tasks, new(pendingWork))
	checking, resume := make(chan struct{}), make(chan struct{})
	over := false
	l := newTimerOwner(&r, func(time.Time) (none time.Time) {
		close(checking)
		<-resume
		over = true
		return none
	})
	l.timer.callBy(time.Now())
	<-checking
	go close(resume)
	l.timer.remove()
	require.True(t, over)
	tasks.Wait()
}

// Retries come after a short real time. A clock that is moved waits for them.
func TestRetriesRunInRealTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := NewManualClock(time.UnixMilli(1615480369000))
		begun, real := clock.Now(), time.Now()
		e := &engine{pending: pendingWork{}}
		e.clock = e.drainingClockOf(clock)
		r := &e.timeoutQueue
		r.init(e.clock, &e.tasks, &e.pending)
		hour := begun.Add(time.Hour)
		l := newTimerOwner(r, func(now time.Time) (next time.Time) {
			if hour.After(now) {
				next = hour
			}
			return next
		})
		l.soon = func(looks int) bool { return looks < 4 }
		l.timer.callBy(begun.Add(time.Second))
		clock.Advance(time.Minute)
		at := begun.Add(time.Second)
		require.Equal(t, []time.Time{at, at, at, at}, l.seen)
		require.Equal(t, (1+2+4)*time.Millisecond, time.Since(real))
		clock.Advance(time.Hour)
		require.Equal(t, hour, l.seen[4], "and in its time as well")
		require.Len(t, l.seen, 5)

		l.soon = func(int) bool { return true }
		l.timer.callBy(clock.Now())
		go clock.Advance(0)
		synctest.Wait()
		r.close()
		e.pending.wait()
		e.tasks.Wait()
		l.timer.remove()
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

// A timer that is replaced just as it fires does not affect its replacement.
func TestTimerReplacedAsItFires(t *testing.T) {
	clock := &firingClock{Clock: NewManualClock(time.UnixMilli(1615480369000))}
	begun := clock.Now()
	var tasks sync.WaitGroup
	var r timerQueue
	r.init(clock, &tasks, new(pendingWork))
	first, second := newTimerOwner(&r, never), newTimerOwner(&r, never)
	first.timer.callBy(begun.Add(2 * time.Second))
	late := clock.fire[0]
	r.timer.stop = func() bool { return false } // it has fired, and waits for the lock
	second.timer.callBy(begun.Add(time.Second))
	late()
	r.close()
	tasks.Wait()
}

// The same holds for the expiry timer.
func TestExpiryTimerReplacedAsItFires(t *testing.T) {
	clock := &firingClock{Clock: NewManualClock(time.UnixMilli(1615480369000))}
	s, err := New(Options{Clock: clock})
	require.NoError(t, err)
	_, err = s.Do(t.Context(), "SET", "a", "v", "PX", 2000)
	require.NoError(t, err)
	late := clock.fire[len(clock.fire)-1]
	s.engine.expiry.stop = func() bool { return false } // it has fired, and waits for the lock
	_, err = s.Do(t.Context(), "SET", "b", "v", "PX", 1000)
	require.NoError(t, err)
	late()
	require.NoError(t, s.Close())
}
