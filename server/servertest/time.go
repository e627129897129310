package servertest

import (
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/server"
)

// setClock gives the server the one clock that the test has: that of its bubble,
// or one that the test moves.
func (s *Server) setClock(o *Options) {
	s.t.Helper()
	if !o.Start.IsZero() && (s.bubble || o.Clock != nil) {
		s.t.Fatalf("servertest: Start is where a manual clock of New's starts: there is none in a bubble or with Clock")
	}
	s.bubbleClock = s.bubble && o.Clock == nil
	if s.bubble || o.Clock != nil {
		return
	}
	if o.Start.IsZero() {
		o.Start = time.Now().Truncate(time.Millisecond)
	}
	o.Clock = server.NewManualClock(o.Start)
}

// Advance moves time on by d. See Kit.Advance for what has happened when it
// returns.
//
// Inside a bubble, unless the server was given a clock of its own, it is the
// bubble's time that moves: Advance is time.Sleep(d) followed by synctest.Wait, so
// that the test's other goroutines have seen what it brought. Only one goroutine of
// a bubble may be in it, or in synctest.Wait, at a time.
//
// A clock that cannot be moved fails the test at once.
func (s *Server) Advance(d time.Duration) {
	s.t.Helper()
	if s.bubbleClock {
		time.Sleep(d)
	} else if err := s.Kit.Advance(d); err != nil {
		s.t.Fatalf("servertest: %v", err)
	}
	if s.bubble {
		synctest.Wait()
	}
}
