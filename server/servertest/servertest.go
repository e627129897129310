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
	t    testing.TB
	mark *mark // on the test's goroutines; nil: nobody looks for those that are left
}

// Options are those of the server, and what New does with it.
type Options struct {
	server.Options

	// Network makes the server listen on a free loopback port, for clients that
	// cannot be given a dialer: see Addr and URL. Default: in memory only.
	Network bool

	// AllowLeaks lets the test end with connections that are still open and
	// goroutines that still run. Default: they are named, and the test fails.
	AllowLeaks bool
}

// New returns a server that is closed when the test is over. By then the test must
// have closed its connections and ended its goroutines: those that are left are
// named, and the test fails. A test that has several servers names its goroutines
// with the last of them. The server's log goes to t.Log. Functions may change the options.
//
// It takes some microseconds, and may be called in tests that run in parallel.
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
	s := &Server{Rig: r, t: t}
	if !o.AllowLeaks {
		s.mark = newMark()
	}
	t.Cleanup(s.end)
	return s
}

// end closes the server, and tells what the test has left behind: connections that
// are open, with their calls that wait and their subscriptions, and goroutines.
func (s *Server) end() {
	s.t.Helper()
	var left []string
	if s.mark != nil {
		left = awaitNone(s.leftOpen)
	}
	for _, err := range []error{s.Check(), s.Close(), s.Check()} { // all must agree with all, also when everybody has gone
		if err != nil {
			left = append(left, err.Error())
		}
	}
	if s.mark != nil {
		left = append(left, s.mark.end()...)
	}
	for _, what := range left {
		s.t.Errorf("servertest: %s", what)
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
