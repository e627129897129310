package harness

import "testing"

// A Short is a test that is over before the one that it is a part of: what it was
// to clean up End does. It costs next to nothing, so that thousands of them can be
// counted and timed. Nobody sees its log.
type Short struct {
	testing.TB
	cleanups []func()
}

func (s *Short) Cleanup(f func())    { s.cleanups = append(s.cleanups, f) }
func (s *Short) Log(...any)          {}
func (s *Short) Logf(string, ...any) {}

// End cleans up, the last first.
func (s *Short) End() {
	for len(s.cleanups) > 0 {
		last := len(s.cleanups) - 1
		f := s.cleanups[last]
		s.cleanups = s.cleanups[:last]
		f()
	}
}
