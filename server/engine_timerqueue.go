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
	clock   Clock
	tasks   *sync.WaitGroup           // timers that are set, and calls under way
	onPanic func(timeoutChecker, any) // is told of a look that has panicked; no lock is held
	pending *pendingWork

	mu         sync.Mutex // guards all below, and places; may be taken under any other lock
	checked    sync.Cond  // on mu: a look is over
	queue      timerHeap
	alarm      timer          // for the first in the queue, or earlier
	at         int64          // Unix ns that alarm is set for
	retries    []*queuedTimer // to be called again shortly in real time, whatever the clock shows
	retryDelay time.Duration
	retry      timer // for those, on the real clock
	retrying   bool  // from the first look at them to the last
	closed     bool
}

// Bounds of the pause before those are called again, which doubles each time.
const (
	minRetryDelay = time.Millisecond
	maxRetryDelay = 64 * time.Millisecond
)

// none is the time of a reminder that is not wanted.
const noDeadline = math.MaxInt64

// A timeoutChecker is called when its time has come, or before, and says when to call it
// again: zero for not. soon: shortly, in real time, as well; who moves the clock
// waits for that. It is never called twice at once, and without locks.
type timeoutChecker interface {
	checkTimeouts(now time.Time) (next time.Time, soon bool)
}

// A reminder is one place among them, for one time.
type queuedTimer struct {
	owner timeoutChecker

	at        atomic.Int64 // Unix ns of the call that is to come; none: there is none
	index     int          // in the queue; -1: not in it
	inRetries bool         // it is among those to be called shortly
	checking  bool
	removed   bool
}

func (r *timerQueue) init(clock Clock, tasks *sync.WaitGroup, a *pendingWork) {
	r.clock, r.tasks, r.pending, r.checked.L = clock, tasks, a, &r.mu
}

// init makes a reminder ready. Nothing is to come.
func (m *queuedTimer) init(whose timeoutChecker) {
	m.owner, m.index = whose, -1
	m.at.Store(noDeadline)
}

// atLatest sees to it that m is called at a time at the latest. Who asks for what is
// to come anyway, which is the rule, pays for one look.
func (r *timerQueue) callBy(m *queuedTimer, t time.Time) {
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
	case m.index >= 0:
		heap.Fix(&r.queue, m.index)
	case m.checking: // it is put into the queue when it has looked
	default:
		heap.Push(&r.queue, m)
	}
	r.armAlarm()
}

// remove sees to it that m is called no more, and waits for a call that is under
// way.
func (r *timerQueue) remove(m *queuedTimer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m.removed = true
	if m.index >= 0 && !r.closed {
		heap.Remove(&r.queue, m.index)
	}
	for m.checking {
		r.checked.Wait()
	}
}

// armExpiry sees to it that the alarm goes off for the first in the queue. One
// that is set too early is left.
func (r *timerQueue) armAlarm() {
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
			r.onPanic(nil, p)
		}
	}()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.alarm.fire(n) {
		return
	}
	defer r.armAlarm() // should something panic even
	now := r.clock.Now()
	for len(r.queue) > 0 && r.queue[0].at.Load() <= now.UnixNano() {
		m := heap.Pop(&r.queue).(*queuedTimer)
		m.at.Store(noDeadline)
		r.check(m, now)
	}
}

// look calls one, without mu.
func (r *timerQueue) check(m *queuedTimer, now time.Time) {
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
	if m.index < 0 {
		m.at.Store(noDeadline)
		if at != noDeadline {
			r.set(m, at)
		}
	} else if at < m.at.Load() {
		r.set(m, at)
	}
	if soon {
		r.addRetry(m)
	}
}

// setSoon sees to it that m is called again shortly.
func (r *timerQueue) addRetry(m *queuedTimer) {
	if r.closed || m.removed || m.inRetries {
		return
	}
	m.inRetries = true
	r.retries = append(r.retries, m)
	if !r.retrying {
		r.retrying = true
		r.retryDelay = minRetryDelay
		r.pending.begin()
		r.armRetry()
	}
}

func (r *timerQueue) armRetry() {
	r.retry.set(timers{realClock{}, r.tasks}, r.retryDelay, r.fireRetries)
	r.retryDelay = min(2*r.retryDelay, maxRetryDelay)
}

func (r *timerQueue) endRetry() {
	if r.retrying {
		r.retrying = false
		r.retry.clear(timers{realClock{}, r.tasks})
		r.pending.end()
	}
}

// fireSoon calls those that are to be called shortly.
func (r *timerQueue) fireRetries(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.retry.fire(n) {
		return
	}
	now, all := r.clock.Now(), r.retries
	r.retries = nil
	for _, m := range all {
		m.inRetries = false
		r.check(m, now)
	}
	switch {
	case r.closed:
	case len(r.retries) > 0:
		r.armRetry()
	default:
		r.endRetry()
	}
}

// callOwner calls one without locks. That it panics ends nothing else.
func (r *timerQueue) callOwner(whose timeoutChecker, now time.Time) (next time.Time, soon bool) {
	defer func() {
		if p := recover(); p != nil {
			r.onPanic(whose, p)
			next, soon = time.Time{}, false
		}
	}()
	return whose.checkTimeouts(now)
}

// close calls nobody any more.
func (r *timerQueue) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed, r.queue, r.retries = true, nil, nil
	r.alarm.clear(timers{r.clock, r.tasks})
	r.endRetry()
}

// unixNanos is t as Unix ns. A time too far away is as good as none.
func unixNanos(t time.Time) int64 {
	if t.Unix() >= math.MaxInt64/int64(time.Second) {
		return noDeadline
	}
	return t.UnixNano()
}

// A timerHeap is a heap, the first to come in front.
type timerHeap []*queuedTimer

func (q timerHeap) Len() int           { return len(q) }
func (q timerHeap) Less(i, j int) bool { return q[i].at.Load() < q[j].at.Load() }
func (q timerHeap) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *timerHeap) Push(m any) {
	m.(*queuedTimer).index = len(*q)
	*q = append(*q, m.(*queuedTimer))
}

func (q *timerHeap) Pop() any {
	last := (*q)[len(*q)-1]
	(*q)[len(*q)-1] = nil
	*q = (*q)[:len(*q)-1]
	last.index = -1
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
