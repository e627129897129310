package server

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A lookout is reminded, and asks for the times that a test gives it.
type lookout struct {
	reminder reminder
	seen     []time.Time
	next     func(time.Time) time.Time
}

func (l *lookout) look(now time.Time) time.Time {
	l.seen = append(l.seen, now)
	return l.next(now)
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
	var r reminders
	r.init(clock, &tasks)
	random := rand.New(rand.NewPCG(1, 1))
	all := make([]*lookout, 1000)
	wanted := make([]time.Duration, len(all))
	for i := range all {
		all[i] = newLookout(never)
		wanted[i] = time.Hour
	}
	for range 5000 {
		i, at := random.IntN(len(all)), time.Duration(random.IntN(3600))*time.Second
		r.by(&all[i].reminder, begun.Add(at))
		wanted[i] = min(wanted[i], at)
	}
	for i := range 100 {
		r.forget(&all[i].reminder)
		r.by(&all[i].reminder, begun)
	}
	clock.Advance(time.Hour)
	for i, l := range all {
		if i < 100 || wanted[i] == time.Hour {
			require.Empty(t, l.seen)
			continue
		}
		require.Equal(t, []time.Time{begun.Add(wanted[i])}, l.seen)
	}
	require.Empty(t, clock.agenda.queue)
	tasks.Wait()
}

func TestReminderThatAsksAgain(t *testing.T) {
	clock := NewManualClock(time.UnixMilli(1615480369000))
	begun := clock.Now()
	var tasks sync.WaitGroup
	var r reminders
	r.init(clock, &tasks)
	var l *lookout
	l = newLookout(func(now time.Time) time.Time {
		if len(l.seen) == 2 {
			r.by(&l.reminder, now.Add(time.Second)) // sooner than what look will say
		}
		return now.Add(10 * time.Second)
	})
	r.by(&l.reminder, begun)
	clock.Advance(21 * time.Second)
	require.Equal(t, []time.Time{begun, begun.Add(10 * time.Second), begun.Add(11 * time.Second), begun.Add(21 * time.Second)}, l.seen)
	r.close()
	clock.Advance(time.Hour)
	require.Len(t, l.seen, 4)
	r.forget(&l.reminder)
	r.by(&l.reminder, begun)
	tasks.Wait()
}

// Who has been forgotten is not looked at any more.
func TestForgettingWaitsForALook(t *testing.T) {
	var tasks sync.WaitGroup
	var r reminders
	r.init(realClock{}, &tasks)
	looking, goOn := make(chan struct{}), make(chan struct{})
	over := false
	l := newLookout(func(time.Time) (none time.Time) {
		close(looking)
		<-goOn
		over = true
		return none
	})
	r.by(&l.reminder, time.Now())
	<-looking
	go close(goOn)
	r.forget(&l.reminder)
	require.True(t, over)
	tasks.Wait()
}
