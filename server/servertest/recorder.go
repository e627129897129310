package servertest

import (
	"context"
	"testing"

	"github.com/parley-chat/parley/internal/testkit"
)

// A Recorder is a testkit.Recorder whose Next fails the test instead of
// returning an error. It ends with the test, which fails if the recorder has
// missed messages: see Err.
type Recorder struct {
	*testkit.Recorder
	t testing.TB
}

// Recorder records messages published to some channels from now on; without
// arguments, to all channels.
func (s *Server) Recorder(channels ...string) *Recorder {
	return s.record(s.Kit.Recorder(channels...))
}

// PatternRecorder records messages published to channels that match one of the
// patterns.
func (s *Server) PatternRecorder(patterns ...string) *Recorder {
	return s.record(s.Kit.PatternRecorder(patterns...))
}

func (s *Server) record(r *testkit.Recorder) *Recorder {
	s.t.Cleanup(func() {
		r.Close()
		if err := r.Err(); err != nil {
			s.t.Errorf("servertest: %v", err)
		}
	})
	return &Recorder{r, s.t}
}

// Next removes and returns the oldest message, and waits for one if there is
// none. If ctx has no deadline, it waits for at most ten seconds.
func (r *Recorder) Next(ctx context.Context) (m Message) {
	r.t.Helper()
	err := withWaitLimit(ctx, func(ctx context.Context) (err error) {
		m, err = r.Recorder.Next(ctx)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}
