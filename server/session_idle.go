package server

import (
	"sync/atomic"
	"time"
)

// idleAfter is how long a client must have sent nothing before its connection is parked: it
// releases its buffers and its goroutine's stack.
const idleAfter = 5 * time.Second

// idleState finds idle connections. Counting reads costs less than reading a clock.
type idleState struct {
	active    atomic.Bool  // markActive was called since the connection was parked
	reads     atomic.Int64 // number of reads
	seenReads int64        // reads at since; only checkParkable uses these two
	since     int64        // Unix ns; 0: not set
}

// markActive is to be called when a connection that can be parked has input.
func (s *session) markActive() {
	s.idle.active.Store(true)
	s.timer.callBy(s.now().Add(idleAfter))
}

// checkParkable parks the connection if it has been idle for idleAfter. It returns when to
// check again.
func (s *session) checkParkable(now time.Time) (next time.Time) {
	q := &s.idle
	if !q.active.Load() {
		return time.Time{}
	}
	if n := q.reads.Load(); n != q.seenReads || q.since == 0 {
		q.seenReads, q.since = n, now.UnixNano()
	}
	if next = time.Unix(0, q.since).Add(idleAfter); next.After(now) {
		return next
	}
	q.since = 0
	q.active.Store(false)
	s.releaseBuffers()
	s.conn.park()
	return time.Time{}
}

// releaseBuffers releases what goIdle keeps for the next calls, unless one is running.
func (s *session) releaseBuffers() {
	if !s.feedLock.tryLock() {
		return
	}
	if len(s.batch) == 0 {
		s.words, s.batch = nil, nil
		s.in.releaseAll()
		s.accountInput()
	}
	s.feedLock.unlock()
}
