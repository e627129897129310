// Package servertest starts servers for Go tests. New starts one in memory, in
// microseconds. At the end of the test it is closed, and the test fails if it
// has left connections or goroutines.
package servertest

import (
	"log/slog"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/testkit"
	"github.com/parley-chat/parley/server"
)

// A Server belongs to one test. Errors in its methods fail that test.
type Server struct {
	*Kit
	t           testing.TB
	bubble      bool // New was called inside a synctest bubble
	bubbleClock bool // the server uses the bubble's clock
	seed        uint64
	label       *goroutineLabel // of the test's goroutines; nil: AllowLeaks
}

// Options are the server's options, and those of New.
//
// Some defaults of the server's options differ here. Clock is the bubble's
// clock inside synctest.Test, and elsewhere a server.ManualClock, which stands
// still until Server.Advance moves it. For a server in real time set a
// server.RunningClock. Seed is random, and a failed test logs it; the
// environment variable PARLEY_SEED sets it, to repeat such a test.
type Options struct {
	server.Options

	// Start is the initial time of the manual clock, for tests whose expected
	// output contains times. It excludes Clock, and a bubble, whose clock
	// starts at midnight UTC 2000-01-01. Default: the real time, in whole
	// milliseconds.
	Start time.Time

	// Network makes the server listen on a free loopback port, for clients that
	// cannot be given a dialer: see Addr and URL. Default: in memory only.
	Network bool

	// Lint selects calls to report that would fail or be harmful on a real
	// Redis; LintAll() selects most. Default: none.
	Lint Lint

	// AllowLeaks allows the test to end with open connections and running
	// goroutines. Default: they fail the test, which lists them.
	AllowLeaks bool
}

// New returns a server that is closed at the end of the test. By then the test
// must have closed its connections and ended its goroutines; those left are
// listed, and the test fails. If a test has several servers, the last one lists
// its goroutines. The server's log goes to t.Log. The functions may change the
// options.
//
// New takes some microseconds, and may be called in parallel tests. In a fuzz
// test, call it in the function passed to f.Fuzz, with that function's t. For
// subtests that share a server see Server.For.
func New(t testing.TB, change ...func(*Options)) *Server {
	t.Helper()
	o := Options{Options: server.Options{Logger: slog.New(newLogHandler(t))}}
	for _, f := range change {
		f(&o)
	}
	s := &Server{t: t, bubble: inBubble()}
	s.setClock(&o)
	s.setSeed(&o)
	start := testkit.New
	if o.Network {
		start = testkit.Start
	}
	var err error
	if s.Kit, err = start(o.Options); err != nil {
		t.Fatalf("servertest: %v", err)
	}
	if err := s.StartLint(o.Lint); err != nil {
		s.Close()
		t.Fatalf("servertest: %v", err)
	}
	if !o.AllowLeaks {
		s.label = newGoroutineLabel()
	}
	t.Cleanup(s.end)
	return s
}

// For returns the server for use by another test, such as a subtest. Errors in
// the methods of the returned Server fail that test, and its faults and
// recorders end with it. The server itself, its log and the checks at its end
// belong to the test that called New.
func (s *Server) For(t testing.TB) *Server {
	other := *s
	other.t = t
	return &other
}

// end closes the server, and reports what the test has left behind: open
// connections, with their blocked calls and subscriptions, and goroutines.
func (s *Server) end() {
	s.t.Helper()
	var left []string
	if s.label != nil {
		left = pollUntilEmpty(s.openConnections)
	}
	for _, err := range []error{s.Check(), s.Close(), s.Check()} { // data must be consistent with and without clients
		if err != nil {
			left = append(left, err.Error())
		}
	}
	if s.label != nil {
		left = append(left, s.label.end()...)
	}
	for _, what := range left {
		s.t.Errorf("servertest: %s", what)
	}
	s.reportFindings()
	s.logSeed()
}

func newLogHandler(t testing.TB) slog.Handler {
	return slog.NewTextHandler(logWriter{t}, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: withoutTime})
}

// withoutTime removes the time, which is not that of the server's clock.
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
