package harness

import "testing"

// A Server is a *server.Server, which this package does not import: it is for
// tests of what lies beneath, too.
type Server interface {
	Check() error
	Close() error
}

// CloseAtEnd closes a server when the test is over, and fails the test if then,
// or with all clients gone, not everything in the server agrees.
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
