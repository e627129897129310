package server

import (
	"container/heap"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// reminders call those who have asked for it at their time. One alarm of the
// clock serves them all, so that a connection which might be late some day costs
// nothing until then.
type timerQueue struct {
	clock    Clock
	tasks    *sync.WaitGroup           // timers that are set, and calls under way
	panicked func(timeoutChecker, any) // is told of a look that has panicked; no lock is held
	pending  *pendingWork

	mu       sync.Mutex // guards all below, and places; may be taken under any other lock
	checked  sync.Cond  // on mu: a look is over
	queue    timerHeap
	alarm    timer          // for the first in the queue, or earlier
	at       int64          // Unix ns that alarm is set for
	soon     []*queuedTimer // to be called again shortly in real time, whatever the clock shows
	pause    time.Duration
	retry    timer // for those, on the real clock
	retrying bool  // from the first look at them to the last
	closed   bool
}

// Bounds of the pause before those are called again, which doubles each time.
const (
	minSoon = time.Millisecond
	maxSoon = 64 * time.Millisecond
)

// none is the time of a reminder that is not wanted.
const none = math.MaxInt64

// A timeoutChecker is called when its time has come, or before, and says when to call it
// again: zero for not. soon: shortly, in real time, as well; who moves the clock
// waits for that. It is never called twice at once, and without locks.
type timeoutChecker interface {
	checkTimeouts(now time.Time) (next time.Time, soon bool)
}

// A reminder is one place among them, for one time.
type queuedTimer struct {
	owner timeoutChecker

	at       atomic.Int64 // Unix ns of the call that is to come; none: there is none
	place    int          // in the queue; -1: not in it
	soon     bool         // it is among those to be called shortly
	checking bool
	removed  bool
}

func (r *timerQueue) init(clock Clock, tasks *sync.WaitGroup, a *pendingWork) {
	r.clock, r.tasks, r.pending, r.checked.L = clock, tasks, a, &r.mu
}

// init makes a reminder ready. Nothing is to come.
func (m *queuedTimer) init(whose timeoutChecker) {
	m.owner, m.place = whose, -1
	m.at.Store(none)
}

// atLatest sees to it that m is called at a time at the latest. Who asks for what is
// to come anyway, which is the rule, pays for one look.
func (r *timerQueue) atLatest(m *queuedTimer, t time.Time) {
	at := unixNanos(t)
	if m.at.Load() <= at {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set(m, at)
}

func (r *timerQueue) set(m *queuedTimer, at int64) {
	if r.closed || m.removed || m.at.Load() <= at {
		return
	}
	m.at.Store(at)
	switch {
	case m.place >= 0:
		heap.Fix(&r.queue, m.place)
	case m.checking: // it is put into the queue when it has looked
	default:
		heap.Push(&r.queue, m)
	}
	r.setAlarm()
}

// remove sees to it that m is called no more, and waits for a call that is under
// way.
func (r *timerQueue) remove(m *queuedTimer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m.removed = true
	if m.place >= 0 && !r.closed {
		heap.Remove(&r.queue, m.place)
	}
	for m.checking {
		r.checked.Wait()
	}
}

// armExpiry sees to it that the alarm goes off for the first in the queue. One
// that is set too early is left.
func (r *timerQueue) setAlarm() {
	if len(r.queue) == 0 || r.alarm.isSet() && r.at <= r.queue[0].at.Load() {
		return
	}
	r.at = r.queue[0].at.Load()
	r.alarm.set(timers{r.clock, r.tasks}, time.Unix(0, r.at).Sub(r.clock.Now()), r.fire)
}

// fire calls all whose time has come.
func (r *timerQueue) fire(n int) {
	defer func() {
		if p := recover(); p != nil {
			r.panicked(nil, p)
		}
	}()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.alarm.fire(n) {
		return
	}
	defer r.setAlarm() // should something panic even
	now := r.clock.Now()
	for len(r.queue) > 0 && r.queue[0].at.Load() <= now.UnixNano() {
		m := heap.Pop(&r.queue).(*queuedTimer)
		m.at.Store(none)
		r.look(m, now)
	}
}

// look calls one, without mu.
func (r *timerQueue) look(m *queuedTimer, now time.Time) {
	for m.checking {
		r.checked.Wait() // for the other of fire and fireSoon
	}
	if m.removed {
		return
	}
	m.checking = true
	r.mu.Unlock()
	next, soon := r.callOwner(m.owner, now)
	r.mu.Lock()
	m.checking = false
	r.checked.Broadcast()
	at := m.at.Load() // what was asked for meanwhile
	if !next.IsZero() {
		at = min(at, unixNanos(next))
	}
	if m.place < 0 {
		m.at.Store(none)
		if at != none {
			r.set(m, at)
		}
	} else if at < m.at.Load() {
		r.set(m, at)
	}
	if soon {
		r.setSoon(m)
	}
}

// setSoon sees to it that m is called again shortly.
func (r *timerQueue) setSoon(m *queuedTimer) {
	if r.closed || m.removed || m.soon {
		return
	}
	m.soon = true
	r.soon = append(r.soon, m)
	if !r.retrying {
		r.retrying = true
		r.pause = minSoon
		r.pending.begin()
		r.setRetry()
	}
}

func (r *timerQueue) setRetry() {
	r.retry.set(timers{realClock{}, r.tasks}, r.pause, r.fireSoon)
	r.pause = min(2*r.pause, maxSoon)
}

func (r *timerQueue) endRetry() {
	if r.retrying {
		r.retrying = false
		r.retry.clear(timers{realClock{}, r.tasks})
		r.pending.end()
	}
}

// fireSoon calls those that are to be called shortly.
func (r *timerQueue) fireSoon(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.retry.fire(n) {
		return
	}
	now, all := r.clock.Now(), r.soon
	r.soon = nil
	for _, m := range all {
		m.soon = false
		r.look(m, now)
	}
	switch {
	case r.closed:
	case len(r.soon) > 0:
		r.setRetry()
	default:
		r.endRetry()
	}
}

// callOwner calls one without locks. That it panics ends nothing else.
func (r *timerQueue) callOwner(whose timeoutChecker, now time.Time) (next time.Time, soon bool) {
	defer func() {
		if p := recover(); p != nil {
			r.panicked(whose, p)
			next, soon = time.Time{}, false
		}
	}()
	return whose.checkTimeouts(now)
}

// close calls nobody any more.
func (r *timerQueue) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed, r.queue, r.soon = true, nil, nil
	r.alarm.clear(timers{r.clock, r.tasks})
	r.endRetry()
}

// unixNanos is t as Unix ns. A time too far away is as good as none.
func unixNanos(t time.Time) int64 {
	if t.Unix() >= math.MaxInt64/int64(time.Second) {
		return none
	}
	return t.UnixNano()
}

// A timerHeap is a heap, the first to come in front.
type timerHeap []*queuedTimer

func (q timerHeap) Len() int           { return len(q) }
func (q timerHeap) Less(i, j int) bool { return q[i].at.Load() < q[j].at.Load() }
func (q timerHeap) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

func (q *timerHeap) Push(m any) {
	m.(*queuedTimer).place = len(*q)
	*q = append(*q, m.(*queuedTimer))
}

func (q *timerHeap) Pop() any {
	last := (*q)[len(*q)-1]
	(*q)[len(*q)-1] = nil
	*q = (*q)[:len(*q)-1]
	last.place = -1
	return last
}

// recheckTimeouts checks the clients that are there already when a timeout is changed.
func (e *engine) recheckTimeouts() {
	now := e.clock.Now()
	for _, l := range e.state.Clients.All() {
		if s, ok := l.Peer.(*session); ok {
			s.checkBy(now)
		}
	}
}
