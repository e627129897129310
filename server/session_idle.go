package server

import (
	"sync/atomic"
	"time"
)

// idleAfter is how long a client must have sent nothing for its connection to
// let go of what makes its next call quick: buffers, and a stack that has grown.
const idleAfter = 5 * time.Second

// quiet finds out whether a client is. Counting what it sends costs less than
// noting when.
type idleState struct {
	active    atomic.Bool  // since it was quiet last
	reads     atomic.Int64 // pieces of input
	seenReads int64        // of those, at since; for checkParkable only, as is since
	since     int64        // Unix ns; 0: not yet
}

// markActive says that the client, which was quiet, is so no more.
func (s *session) markActive() {
	if s.park != nil {
		s.idle.active.Store(true)
		s.checkBy(s.now().Add(idleAfter))
	}
}

// checkParkable closes nobody: a client that has sent nothing since the last look is
// quiet.
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
	s.park()
	return time.Time{}
}

// releaseHeld gives back what rest keeps for the next calls, unless some are running.
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
