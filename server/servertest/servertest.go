// Package servertest gives a test a server that lives as long as the test does:
// New starts one in memory, in microseconds, and at the end of the test it is
// closed and has to be clean.
package servertest

import (
	"log/slog"
	"testing"

	"github.com/parley-chat/parley/server"
	"github.com/parley-chat/parley/server/rig"
)

// A Server belongs to one test. What can go wrong in its methods fails that test.
type Server struct {
	*rig.Rig
	t testing.TB
}

// Options are those of the server, and what New does with it.
type Options struct {
	server.Options

	// Network makes the server listen on a free loopback port, for clients that
	// cannot be given a dialer: see Addr and URL. Default: in memory only.
	Network bool
}

// New returns a server that is closed when the test is over. Its log goes to t.Log.
// Functions may change its options.
func New(t testing.TB, change ...func(*Options)) *Server {
	t.Helper()
	o := Options{Options: server.Options{Logger: slog.New(newLogHandler(t))}}
	for _, f := range change {
		f(&o)
	}
	start := rig.New
	if o.Network {
		start = rig.Start
	}
	r, err := start(o.Options)
	if err != nil {
		t.Fatalf("servertest: %v", err)
	}
	s := &Server{r, t}
	t.Cleanup(s.end)
	return s
}

// end closes the server.
func (s *Server) end() {
	s.t.Helper()
	if err := s.Check(); err != nil {
		s.t.Errorf("servertest: %v", err)
	}
	if err := s.Close(); err != nil {
		s.t.Errorf("servertest: %v", err)
	}
}

func newLogHandler(t testing.TB) slog.Handler {
	return slog.NewTextHandler(logWriter{t}, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: withoutTime})
}

// withoutTime leaves out the time, which is not that of the server's clock.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey && len(groups) == 0 {
		return slog.Attr{}
	}
	return a
}

type logWriter struct{ t testing.TB }

func (w logWriter) Write(line []byte) (int, error) {
	w.t.Logf("parley: %s", line[:len(line)-1])
	return len(line), nil
}
