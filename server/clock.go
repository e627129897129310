package server

import (
	"container/heap"
	"sync"
	"time"
)

// A Clock is where a server gets all time from: deadlines of keys, timeouts of
// blocked calls, TIME, idle times.
//
// The real clock is the default. Inside a testing/synctest bubble it is the
// bubble's clock without further ado. A ManualClock stands still until a test
// moves it; a RunningClock runs as the real one does, and can be moved on besides.
type Clock interface {
	Now() time.Time

	// AfterFunc calls f once d has passed, in a goroutine of its own or in that
	// of whoever moves the clock. stop reports whether it came before the call.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

// Now is the time by the server's clock.
func (s *Server) Now() time.Time { return s.engine.clock.Now() }

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

// A ManualClock stands still until Advance moves it. Use NewManualClock. Any
// number of servers may share one.
type ManualClock struct {
	advancing sync.Mutex // held by Advance; taken before mu
	mu        sync.Mutex // guards now and agenda
	now       time.Time
	calls     callQueue
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
// already is reached by the next Advance, of zero even. f must not call Advance.
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

// Advance moves the clock on by d. Whatever falls due on the way happens at its
// own time and in its order, and is over when Advance returns: keys have
// expired, blocked calls have timed out and been answered, and what clients had
// sent behind those calls has run. Where a client over a network has run out of
// time, Advance waits for what it has sent to arrive, up to some seconds. Calls from
// several goroutines follow one another. A d below zero is none.
func (m *ManualClock) Advance(d time.Duration) {
	m.advancing.Lock()
	defer m.advancing.Unlock()
	end := m.Now().Add(max(d, 0))
	for f := m.next(end); f != nil; f = m.next(end) {
		f()
	}
}

// next moves the clock to what is due first, or to the end.
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

// reach moves the clock on to t, and never back.
func (m *ManualClock) moveTo(t time.Time) {
	if t.After(m.now) {
		m.now = t
	}
}

// A RunningClock runs as the real one does, and Advance moves it on besides. The
// zero value shows the real time. It suits servers whose clients are other
// processes, which have a time of their own.
type RunningClock struct {
	advancing sync.Mutex // held while what is due is called, so that this has an order; taken before mu
	mu        sync.Mutex // guards all below
	offset    time.Duration
	calls     callQueue
	timer     *time.Timer // for the first of the agenda, or earlier; nil: that is empty
}

// Now is the real time and all that the clock has been moved on.
func (r *RunningClock) Now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now()
}

func (r *RunningClock) now() time.Time { return realClock{}.Now().Add(r.offset) }

// AfterFunc calls f when its time has come, or in the Advance that reaches it. f
// must not call Advance, and holds up all others that are due.
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

// wind sets the timer for the first of the agenda.
func (r *RunningClock) armTimer() {
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	if first := r.calls.first(); first != nil {
		r.timer = time.AfterFunc(first.at.Sub(r.now()), func() { r.Advance(0) })
	}
}

// Advance moves the clock on by d, as that of a ManualClock does; meanwhile it
// runs on.
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

// next moves the clock to what is due first, or as far ahead as it is to be.
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

// An agenda is what a clock is to call, in order of the times; equal times in the
// order in which they were asked for. Its owner's lock guards it.
type callQueue struct {
	queue   callHeap
	lastSeq int64 // how many there have been
}

type scheduledCall struct {
	at    time.Time
	f     func()
	seq   int64 // the order in which they were asked for
	index int   // in the heap; -1: it is over
}

func (g *callQueue) add(at time.Time, f func()) *scheduledCall {
	g.lastSeq++
	a := &scheduledCall{at: at, f: f, seq: g.lastSeq}
	heap.Push(&g.queue, a)
	return a
}

// remove reports whether it was still to come.
func (g *callQueue) remove(a *scheduledCall) bool {
	if a.index < 0 {
		return false
	}
	heap.Remove(&g.queue, a.index)
	return true
}

// first is what is due first, or nil.
func (g *callQueue) first() *scheduledCall {
	if len(g.queue) == 0 {
		return nil
	}
	return g.queue[0]
}

// due takes out the first up to a time, or returns nil.
func (g *callQueue) due(end time.Time) *scheduledCall {
	a := g.first()
	if a == nil || a.at.After(end) {
		return nil
	}
	heap.Pop(&g.queue)
	return a
}

// callHeap are a heap, the first to come in front.
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
