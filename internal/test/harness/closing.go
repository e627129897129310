package harness

import "testing"

// A Server is a *server.Server. This package does not import it, so that tests
// of lower packages can use this package.
type Server interface {
	Check() error
	Close() error
}

// CloseAtEnd closes a server at the end of the test, and fails the test if the
// server's data is inconsistent before or after that.
func CloseAtEnd(t testing.TB, s Server) {
	t.Helper()
	t.Cleanup(func() {
		t.Helper()
		if err := s.Check(); err != nil {
			t.Errorf("before Close: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := s.Check(); err != nil {
			t.Errorf("after Close: %v", err)
		}
	})
}
