package server

import (
	"slices"
	"sync"
	"time"
)

// A Clock is where a server gets all time from: deadlines of keys, timeouts of
// blocked calls, TIME, idle times.
//
// The real clock is the default. Inside a testing/synctest bubble it is the
// bubble's clock without further ado. A ManualClock stands still until a test
// moves it.
type Clock interface {
	Now() time.Time

	// AfterFunc calls f once d has passed, in a goroutine of its own or in that
	// of whoever moves the clock. stop reports whether it came before the call.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

type realClock struct{}

func (realClock) Now() time.Time { return time.Now() }

// since is the time that has passed. The real clock need not be asked for the
// date again, which takes as long as a short command.
func since(c Clock, begun time.Time) time.Duration {
	if _, real := c.(realClock); real {
		return time.Since(begun)
	}
	return c.Now().Sub(begun)
}

func (realClock) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d, f).Stop
}

// A ManualClock stands still until Advance moves it. Use NewManualClock.
type ManualClock struct {
	mu     sync.Mutex // guards now and alarms
	now    time.Time
	alarms []*manualAlarm // in order of their times; equal times in order of their setting
}

type manualAlarm struct {
	at time.Time
	f  func()
}

// NewManualClock returns a clock that shows the given time.
func NewManualClock(now time.Time) *ManualClock { return &ManualClock{now: now} }

// Now is the time to which the clock has been moved.
func (m *ManualClock) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// AfterFunc calls f in the Advance that reaches its time. A time that has come
// already is reached by the next Advance, of zero even.
func (m *ManualClock) AfterFunc(d time.Duration, f func()) func() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := &manualAlarm{m.now.Add(d), f}
	i, _ := slices.BinarySearchFunc(m.alarms, a, func(x, y *manualAlarm) int {
		if x.at.After(y.at) {
			return 1
		}
		return -1
	})
	m.alarms = slices.Insert(m.alarms, i, a)
	return func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		i := slices.Index(m.alarms, a)
		if i < 0 {
			return false
		}
		m.alarms = slices.Delete(m.alarms, i, i+1)
		return true
	}
}

// Advance moves the clock on by d. Whatever falls due on the way happens at its
// own time and in its order, and is over when Advance returns: keys have
// expired, blocked calls have timed out.
func (m *ManualClock) Advance(d time.Duration) {
	m.mu.Lock()
	end := m.now.Add(d)
	for len(m.alarms) > 0 && !m.alarms[0].at.After(end) {
		next := m.alarms[0]
		m.alarms = m.alarms[1:]
		if next.at.After(m.now) {
			m.now = next.at
		}
		m.mu.Unlock()
		next.f()
		m.mu.Lock()
	}
	if end.After(m.now) { // an Advance beside this one may have gone further
		m.now = end
	}
	m.mu.Unlock()
}
