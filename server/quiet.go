package server

import (
	"sync/atomic"
	"time"
)

// quietAfter is how long a client must have sent nothing for its connection to
// let go of what makes its next call quick: buffers, and a stack that has grown.
const quietAfter = 5 * time.Second

// quiet finds out whether a client is. Counting what it sends costs less than
// noting when.
type quiet struct {
	stirred atomic.Bool  // since it was quiet last
	reads   atomic.Int64 // pieces of input
	seen    int64        // of those, at since; for awaitQuiet only, as is since
	since   int64        // Unix ns; 0: not yet
}

// stir says that the client, which was quiet, is so no more.
func (s *session) stir() {
	if s.quieten != nil {
		s.quiet.stirred.Store(true)
		s.remind(s.now().Add(quietAfter))
	}
}

// awaitQuiet closes nobody: a client that has sent nothing since the last look is
// quiet.
func (s *session) awaitQuiet(now time.Time) (next time.Time) {
	q := &s.quiet
	if !q.stirred.Load() {
		return time.Time{}
	}
	if n := q.reads.Load(); n != q.seen || q.since == 0 {
		q.seen, q.since = n, now.UnixNano()
	}
	if next = time.Unix(0, q.since).Add(quietAfter); next.After(now) {
		return next
	}
	q.since = 0
	q.stirred.Store(false)
	s.letGo()
	s.quieten()
	return time.Time{}
}

// letGo gives back what rest keeps for the next calls, unless some are running.
func (s *session) letGo() {
	if !s.turn.tryTake() {
		return
	}
	if len(s.batch) == 0 {
		s.words, s.batch = nil, nil
		s.in.empty()
		s.measure()
	}
	s.turn.give()
}
