package harness

import "testing"

// A Short is a test that ends before its parent test: End runs its cleanups. It
// costs almost nothing, so that thousands can be run and timed. Its log is
// discarded.
type Short struct {
	testing.TB
	cleanups []func()
}

func (s *Short) Cleanup(f func())    { s.cleanups = append(s.cleanups, f) }
func (s *Short) Log(...any)          {}
func (s *Short) Logf(string, ...any) {}

// End runs the cleanups, last first.
func (s *Short) End() {
	for len(s.cleanups) > 0 {
		last := len(s.cleanups) - 1
		f := s.cleanups[last]
		s.cleanups = s.cleanups[:last]
		f()
	}
}
