package server

import (
	"container/heap"
	"sync"
	"time"
)

// A Clock is a server's only source of time: deadlines of keys, timeouts of blocked calls,
// TIME, idle times.
//
// The real clock is the default; inside a testing/synctest bubble it is the bubble's clock.
// A ManualClock stands still until a test moves it. A RunningClock runs like the real one
// and can be moved forward as well.
type Clock interface {
	Now() time.Time

	// AfterFunc calls f once d has passed, in a goroutine of its own or in the one
	// that moves the clock. stop reports whether it has prevented the call.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

// Now returns the time of the server's clock.
func (s *Server) Now() time.Time { return s.engine.clock.Now() }

type realClock struct{}

func (realClock) Now() time.Time { return time.Now() }

// since returns the time that has passed on c. For the real clock it reads the monotonic
// time only: reading the date as well takes as long as a short command.
func since(c Clock, begun time.Time) time.Duration {
	if _, real := c.(realClock); real {
		return time.Since(begun)
	}
	return c.Now().Sub(begun)
}

func (realClock) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d, f).Stop
}

// A ManualClock stands still until Advance moves it. NewManualClock returns one. Several
// servers may share one.
type ManualClock struct {
	advancing sync.Mutex // held by Advance, so that calls run one after another; taken before mu
	mu        sync.Mutex // guards now and calls
	now       time.Time
	calls     callQueue
}

// NewManualClock returns a clock set to now.
func NewManualClock(now time.Time) *ManualClock { return &ManualClock{now: now} }

// Now returns the time of the clock.
func (m *ManualClock) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// AfterFunc calls f within the Advance that reaches its time. If d is not positive, that
// is the next one, even of zero. f must not call Advance.
func (m *ManualClock) AfterFunc(d time.Duration, f func()) func() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.calls.add(m.now.Add(d), f)
	return func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.calls.remove(a)
	}
}

// Advance moves the clock forward by d; a negative d counts as zero. Everything that is
// due until then happens at its own time and in order, and is complete when Advance
// returns: keys have expired, blocked calls have timed out and been answered, and input
// that clients had sent after those calls has run. If a network client exceeds a timeout,
// Advance waits up to some seconds for input under way. Concurrent calls run one after
// another.
func (m *ManualClock) Advance(d time.Duration) {
	m.advancing.Lock()
	defer m.advancing.Unlock()
	end := m.Now().Add(max(d, 0))
	for f := m.next(end); f != nil; f = m.next(end) {
		f()
	}
}

// next moves the clock to the next call due by end and returns it. If there is none, it
// moves the clock to end and returns nil.
func (m *ManualClock) next(end time.Time) func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.calls.due(end)
	if a == nil {
		m.moveTo(end)
		return nil
	}
	m.moveTo(a.at)
	return a.f
}

// moveTo moves the clock to t, never back.
func (m *ManualClock) moveTo(t time.Time) {
	if t.After(m.now) {
		m.now = t
	}
}

// A RunningClock runs like the real clock, and Advance moves it forward. The zero value
// shows the real time. It suits servers with clients in other processes, which use the
// real clock.
type RunningClock struct {
	advancing sync.Mutex // held by Advance, so that calls run one after another; taken before mu
	mu        sync.Mutex // guards all below
	offset    time.Duration
	calls     callQueue
	timer     *time.Timer // set for the first of calls, or earlier; nil: there are none
}

// Now returns the real time plus all that the clock was moved forward.
func (r *RunningClock) Now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now()
}

func (r *RunningClock) now() time.Time { return realClock{}.Now().Add(r.offset) }

// AfterFunc calls f when its time has come, or within the Advance that reaches it. f must
// not call Advance. Calls run one after another, so a slow f delays all others.
func (r *RunningClock) AfterFunc(d time.Duration, f func()) func() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.calls.add(r.now().Add(d), f)
	r.armTimer()
	return func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		defer r.armTimer()
		return r.calls.remove(a)
	}
}

// armTimer sets the timer for the first call.
func (r *RunningClock) armTimer() {
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	if first := r.calls.first(); first != nil {
		r.timer = time.AfterFunc(first.at.Sub(r.now()), func() { r.Advance(0) })
	}
}

// Advance moves the clock forward by d, as ManualClock.Advance does. The clock runs
// meanwhile.
func (r *RunningClock) Advance(d time.Duration) {
	r.advancing.Lock()
	defer r.advancing.Unlock()
	r.mu.Lock()
	end := r.offset + max(d, 0)
	r.mu.Unlock()
	for f := r.next(end); f != nil; f = r.next(end) {
		f()
	}
}

// next moves the clock to the next call due and returns it. If there is none, it sets
// offset to end and returns nil.
func (r *RunningClock) next(end time.Duration) func() {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.calls.due(realClock{}.Now().Add(end))
	if a == nil {
		r.offset = end
		r.armTimer()
		return nil
	}
	r.offset += max(a.at.Sub(r.now()), 0)
	return a.f
}

// A callQueue is a queue of scheduled calls, by time, then in order of addition. The lock
// of its owner guards it.
type callQueue struct {
	queue   callHeap
	lastSeq int64 // number of calls added so far
}

type scheduledCall struct {
	at    time.Time
	f     func()
	seq   int64 // order of addition
	index int   // in the heap; -1: called or removed
}

func (g *callQueue) add(at time.Time, f func()) *scheduledCall {
	g.lastSeq++
	a := &scheduledCall{at: at, f: f, seq: g.lastSeq}
	heap.Push(&g.queue, a)
	return a
}

// remove reports whether a was still scheduled.
func (g *callQueue) remove(a *scheduledCall) bool {
	if a.index < 0 {
		return false
	}
	heap.Remove(&g.queue, a.index)
	return true
}

// first returns the earliest call, or nil.
func (g *callQueue) first() *scheduledCall {
	if len(g.queue) == 0 {
		return nil
	}
	return g.queue[0]
}

// due removes and returns the earliest call if it is due by end, or returns nil.
func (g *callQueue) due(end time.Time) *scheduledCall {
	a := g.first()
	if a == nil || a.at.After(end) {
		return nil
	}
	heap.Pop(&g.queue)
	return a
}

// A callHeap is a heap of calls, the earliest first.
type callHeap []*scheduledCall

func (q callHeap) Len() int { return len(q) }

func (q callHeap) Less(i, j int) bool {
	if c := q[i].at.Compare(q[j].at); c != 0 {
		return c < 0
	}
	return q[i].seq < q[j].seq
}

func (q callHeap) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *callHeap) Push(a any) {
	a.(*scheduledCall).index = len(*q)
	*q = append(*q, a.(*scheduledCall))
}

func (q *callHeap) Pop() any {
	last := len(*q) - 1
	a := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	a.index = -1
	return a
}
