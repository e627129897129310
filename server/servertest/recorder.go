package servertest

import (
	"context"
	"testing"

	"github.com/parley-chat/parley/internal/testkit"
)

// A Recorder is the kit's; Next fails the test instead of returning an error. It ends
// with the test, which fails if the recorder has missed messages: see Err.
type Recorder struct {
	*testkit.Recorder
	t testing.TB
}

// Recorder records what is published to some channels from now on; without a
// channel, to all.
func (s *Server) Recorder(channels ...string) *Recorder {
	return s.record(s.Kit.Recorder(channels...))
}

// PatternRecorder records what is published to channels that match one of the patterns.
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

// Next takes out the oldest message, and waits for one if there is none. A ctx
// without a deadline gets one, ten seconds from now.
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
