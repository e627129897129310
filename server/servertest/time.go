package servertest

import (
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/server"
)

// setClock chooses the server's clock: the bubble's, or a manual one.
func (s *Server) setClock(o *Options) {
	s.t.Helper()
	if !o.Start.IsZero() && (s.bubble || o.Clock != nil) {
		s.t.Fatalf("servertest: Start sets the default manual clock: it excludes Clock, and a bubble")
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

// Advance moves time forward by d. See Kit.Advance for what has happened when
// it returns.
//
// Inside a bubble, unless Options.Clock is set, it moves the bubble's time:
// Advance is time.Sleep(d) followed by synctest.Wait, so that the test's other
// goroutines have seen the effects. Only one goroutine of a bubble may call
// Advance or synctest.Wait at a time.
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
