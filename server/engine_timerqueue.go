package server

import (
	"container/heap"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// A timerQueue checks the timeouts of connections. One timer of the clock serves
// them all, so a connection with a distant timeout costs nothing until then.
type timerQueue struct {
	clock   Clock
	tasks   *sync.WaitGroup           // timers that are set, and running calls
	onPanic func(timeoutChecker, any) // called after a panic, without locks
	pending *pendingWork

	mu         sync.Mutex // guards all below and queuedTimers; may be taken under any other lock
	checked    sync.Cond  // on mu: a checkTimeouts has returned
	queue      timerHeap
	timer      timer          // set for the first in queue, or earlier
	timerAt    int64          // time of timer, in Unix ns
	retries    []*queuedTimer // to be checked again after retryDelay of real time
	retryDelay time.Duration
	retry      timer // for retries, on the real clock
	retrying   bool  // from the first retry to the last
	closed     bool
}

// Limits of retryDelay, which doubles with each retry.
const (
	minRetryDelay = time.Millisecond
	maxRetryDelay = 64 * time.Millisecond
)

// noDeadline is the time of a timer that is not set.
const noDeadline = math.MaxInt64

// A timeoutChecker is the owner of a queuedTimer. checkTimeouts is called at its time, or
// earlier, without locks, and never twice at once. next is the time of the next call;
// zero: none. soon asks for a retry after a short real time as well; a clock that is moved
// waits for that.
type timeoutChecker interface {
	checkTimeouts(now time.Time) (next time.Time, soon bool)
}

// A queuedTimer is one timer of a timerQueue.
type queuedTimer struct {
	queue *timerQueue
	owner timeoutChecker

	at        atomic.Int64 // Unix ns; noDeadline: not set
	index     int          // in queue.queue; -1: not in it
	inRetries bool         // it is in timerQueue.retries
	checking  bool
	removed   bool
}

func (q *timerQueue) init(clock Clock, tasks *sync.WaitGroup, pending *pendingWork) {
	q.clock, q.tasks, q.pending, q.checked.L = clock, tasks, pending, &q.mu
}

// init prepares a timer of q that is not set.
func (m *queuedTimer) init(q *timerQueue, owner timeoutChecker) {
	m.queue, m.owner, m.index = q, owner, -1
	m.at.Store(noDeadline)
}

// callBy makes m fire at time t at the latest. If m is set for an earlier time, which is
// the common case, it takes no lock.
func (m *queuedTimer) callBy(t time.Time) {
	q := m.queue
	at := unixNanos(t)
	if m.at.Load() <= at {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.set(m, at)
}

// set is callBy with the lock held; at is in Unix ns.
func (q *timerQueue) set(m *queuedTimer, at int64) {
	if q.closed || m.removed || m.at.Load() <= at {
		return
	}
	m.at.Store(at)
	switch {
	case m.index >= 0:
		heap.Fix(&q.queue, m.index)
	case m.checking: // check adds it to the queue afterwards
	default:
		heap.Push(&q.queue, m)
	}
	q.armTimer()
}

// remove removes m for good, and waits for a call that is running.
func (m *queuedTimer) remove() {
	q := m.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	m.removed = true
	if m.index >= 0 && !q.closed {
		heap.Remove(&q.queue, m.index)
	}
	for m.checking {
		q.checked.Wait()
	}
}

// armTimer sets the timer for the first in the queue. If it is set too early, it stays set.
func (q *timerQueue) armTimer() {
	if len(q.queue) == 0 || q.timer.isSet() && q.timerAt <= q.queue[0].at.Load() {
		return
	}
	q.timerAt = q.queue[0].at.Load()
	q.timer.set(timers{q.clock, q.tasks}, time.Unix(0, q.timerAt).Sub(q.clock.Now()), q.fire)
}

// fire checks the owners of all timers that are due. It is the call of the timer.
func (q *timerQueue) fire(n int) {
	defer func() {
		if p := recover(); p != nil {
			q.onPanic(nil, p)
		}
	}()
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.timer.fire(n) {
		return
	}
	defer q.armTimer() // even after a panic
	now := q.clock.Now()
	for len(q.queue) > 0 && q.queue[0].at.Load() <= now.UnixNano() {
		m := heap.Pop(&q.queue).(*queuedTimer)
		m.at.Store(noDeadline)
		q.check(m, now)
	}
}

// check calls the owner of m, without mu, and sets m again as that returns. The caller
// holds mu.
func (q *timerQueue) check(m *queuedTimer, now time.Time) {
	for m.checking {
		q.checked.Wait() // for the other of fire and fireRetries
	}
	if m.removed {
		return
	}
	m.checking = true
	q.mu.Unlock()
	next, soon := q.callOwner(m.owner, now)
	q.mu.Lock()
	m.checking = false
	q.checked.Broadcast()
	at := m.at.Load() // set while the check ran
	if !next.IsZero() {
		at = min(at, unixNanos(next))
	}
	if m.index < 0 {
		m.at.Store(noDeadline)
		if at != noDeadline {
			q.set(m, at)
		}
	} else if at < m.at.Load() {
		q.set(m, at)
	}
	if soon {
		q.addRetry(m)
	}
}

// addRetry adds m to retries.
func (q *timerQueue) addRetry(m *queuedTimer) {
	if q.closed || m.removed || m.inRetries {
		return
	}
	m.inRetries = true
	q.retries = append(q.retries, m)
	if !q.retrying {
		q.retrying = true
		q.retryDelay = minRetryDelay
		q.pending.begin()
		q.armRetry()
	}
}

func (q *timerQueue) armRetry() {
	q.retry.set(timers{realClock{}, q.tasks}, q.retryDelay, q.fireRetries)
	q.retryDelay = min(2*q.retryDelay, maxRetryDelay)
}

func (q *timerQueue) endRetry() {
	if q.retrying {
		q.retrying = false
		q.retry.clear(timers{realClock{}, q.tasks})
		q.pending.end()
	}
}

// fireRetries checks the owners of all retries.
func (q *timerQueue) fireRetries(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.retry.fire(n) {
		return
	}
	now, all := q.clock.Now(), q.retries
	q.retries = nil
	for _, m := range all {
		m.inRetries = false
		q.check(m, now)
	}
	switch {
	case q.closed:
	case len(q.retries) > 0:
		q.armRetry()
	default:
		q.endRetry()
	}
}

// callOwner calls checkTimeouts without locks. After a panic, next and soon are zero.
func (q *timerQueue) callOwner(owner timeoutChecker, now time.Time) (next time.Time, soon bool) {
	defer func() {
		if p := recover(); p != nil {
			q.onPanic(owner, p)
			next, soon = time.Time{}, false
		}
	}()
	return owner.checkTimeouts(now)
}

// close stops all timers.
func (q *timerQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.queue, q.retries = true, nil, nil
	q.timer.clear(timers{q.clock, q.tasks})
	q.endRetry()
}

// unixNanos returns t in Unix ns, or noDeadline if it does not fit.
func unixNanos(t time.Time) int64 {
	if t.Unix() >= math.MaxInt64/int64(time.Second) {
		return noDeadline
	}
	return t.UnixNano()
}

// A timerHeap is a heap of timers, the earliest first.
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

// recheckTimeouts checks all clients after a timeout parameter has changed.
func (e *engine) recheckTimeouts() {
	now := e.clock.Now()
	for _, l := range e.state.Clients.All() { // in order of connection, so that runs repeat
		if s := e.sessions[l.ID]; s != nil {
			s.timer.callBy(now)
		}
	}
}
