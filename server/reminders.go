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
type reminders struct {
	clock    Clock
	tasks    *sync.WaitGroup   // alarms that have been set and have not run
	panicked func(looker, any) // is told of a look that has panicked; no lock is held

	mu     sync.Mutex // guards all below, and places; may be taken under any other lock
	looked sync.Cond  // on mu: a look is over
	queue  reminderQueue
	alarm  int64 // Unix ns; none: not set
	stop   func() bool
	closed bool
}

// none is the time of a reminder that is not wanted.
const none = math.MaxInt64

// A looker is called when its time has come, or before, and says when to call it
// again: zero for not. It is never called twice at once, and without locks.
type looker interface {
	look(now time.Time) (next time.Time)
}

// A reminder is one place among them, for one time.
type reminder struct {
	whose looker

	at      atomic.Int64 // Unix ns of the call that is to come; none: there is none
	place   int          // in the queue; -1: not in it
	looking bool
	over    bool
}

func (r *reminders) init(clock Clock, tasks *sync.WaitGroup) {
	r.clock, r.tasks, r.looked.L = clock, tasks, &r.mu
}

// init makes a reminder ready. Nothing is to come.
func (m *reminder) init(whose looker) {
	m.whose, m.place = whose, -1
	m.at.Store(none)
}

// by sees to it that m is called at a time at the latest. Who asks for what is
// to come anyway, which is the rule, pays for one look.
func (r *reminders) by(m *reminder, t time.Time) {
	at := unixNanos(t)
	if m.at.Load() <= at {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set(m, at)
}

func (r *reminders) set(m *reminder, at int64) {
	if r.closed || m.over || m.at.Load() <= at {
		return
	}
	m.at.Store(at)
	switch {
	case m.looking: // it is put into the queue when it has looked
	case m.place < 0:
		heap.Push(&r.queue, m)
	default:
		heap.Fix(&r.queue, m.place)
	}
	r.setAlarm()
}

// forget sees to it that m is called no more, and waits for a call that is under
// way.
func (r *reminders) forget(m *reminder) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m.over = true
	if m.place >= 0 && !r.closed {
		heap.Remove(&r.queue, m.place)
	}
	for m.looking {
		r.looked.Wait()
	}
}

// setAlarm sees to it that the alarm goes off for the first in the queue. One
// that is set too early is left.
func (r *reminders) setAlarm() {
	if len(r.queue) == 0 || r.stop != nil && r.alarm <= r.queue[0].at.Load() {
		return
	}
	r.clearAlarm()
	r.alarm = r.queue[0].at.Load()
	r.tasks.Add(1)
	r.stop = r.clock.AfterFunc(time.Unix(0, r.alarm).Sub(r.clock.Now()), r.goOff)
}

func (r *reminders) clearAlarm() {
	if r.stop != nil && r.stop() {
		r.tasks.Done()
	}
	r.stop = nil
}

// goOff calls all whose time has come.
func (r *reminders) goOff() {
	defer r.tasks.Done()
	defer func() {
		if p := recover(); p != nil {
			r.panicked(nil, p)
		}
	}()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop = nil
	defer r.setAlarm() // should something panic even
	now := r.clock.Now()
	for len(r.queue) > 0 && r.queue[0].at.Load() <= now.UnixNano() {
		m := heap.Pop(&r.queue).(*reminder)
		m.at.Store(none)
		m.looking = true
		r.mu.Unlock()
		next := r.look(m.whose, now)
		r.mu.Lock()
		m.looking = false
		r.looked.Broadcast()
		at := m.at.Load() // what was asked for meanwhile
		if !next.IsZero() {
			at = min(at, unixNanos(next))
		}
		m.at.Store(none)
		if at != none {
			r.set(m, at)
		}
	}
}

// look calls one whose time has come. That it panics ends nothing else.
func (r *reminders) look(whose looker, now time.Time) (next time.Time) {
	defer func() {
		if p := recover(); p != nil {
			r.panicked(whose, p)
			next = time.Time{}
		}
	}()
	return whose.look(now)
}

// close calls nobody any more.
func (r *reminders) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed, r.queue = true, nil
	r.clearAlarm()
}

// unixNanos is t as Unix ns. A time too far away is as good as none.
func unixNanos(t time.Time) int64 {
	if t.Unix() >= math.MaxInt64/int64(time.Second) {
		return none
	}
	return t.UnixNano()
}

// A reminderQueue is a heap, the first to come in front.
type reminderQueue []*reminder

func (q reminderQueue) Len() int           { return len(q) }
func (q reminderQueue) Less(i, j int) bool { return q[i].at.Load() < q[j].at.Load() }
func (q reminderQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

func (q *reminderQueue) Push(m any) {
	m.(*reminder).place = len(*q)
	*q = append(*q, m.(*reminder))
}

func (q *reminderQueue) Pop() any {
	last := (*q)[len(*q)-1]
	(*q)[len(*q)-1] = nil
	*q = (*q)[:len(*q)-1]
	last.place = -1
	return last
}
