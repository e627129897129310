// Package servertest gives a test a server that lives as long as the test does:
// New starts one in memory, in microseconds, and at the end of the test it is
// closed and has to be clean.
package servertest

import (
	"log/slog"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/testkit"
	"github.com/parley-chat/parley/server"
)

// A Server belongs to one test. What can go wrong in its methods fails that test.
type Server struct {
	*Kit
	t           testing.TB
	bubble      bool // New was called inside a synctest bubble,
	bubbleClock bool // whose clock is the server's
	seed        uint64
	label       *goroutineLabel // on the test's goroutines; nil: nobody looks for those that are left
}

// Options are those of the server, and what New does with it.
//
// Some of the server's have other defaults here. Clock is the bubble's inside of
// synctest.Test, and elsewhere a server.ManualClock, which stands still until
// Server.Advance moves it: to have a server that runs in real time, give it a
// server.RunningClock. Seed is a random one, which a test that fails logs; the
// environment variable PARLEY_SEED sets it, to repeat such a test.
type Options struct {
	server.Options

	// Start is the time at which the manual clock starts, for tests whose expected
	// output holds times. It excludes Clock, and a bubble, whose clock starts at
	// midnight UTC 2000-01-01. Default: the real time, in whole milliseconds.
	Start time.Time

	// Network makes the server listen on a free loopback port, for clients that
	// cannot be given a dialer: see Addr and URL. Default: in memory only.
	Network bool

	// Lint is what is found that would surprise on a real Redis: LintAll() is
	// most of it. Default: nothing.
	Lint Lint

	// AllowLeaks lets the test end with connections that are still open and
	// goroutines that still run. Default: they are named, and the test fails.
	AllowLeaks bool
}

// New returns a server that is closed when the test is over. By then the test must
// have closed its connections and ended its goroutines: those that are left are
// named, and the test fails. A test that has several servers names its goroutines
// with the last of them. The server's log goes to t.Log. Functions may change the options.
//
// It takes some microseconds, and may be called in tests that run in parallel. In a
// fuzz test it is to be called in the function that f.Fuzz is given, with that one's t:
// testing lets nothing there use f. For subtests that share a server see Server.For.
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

// For returns the server in the hands of another test, such as a subtest of the one
// that it was made for: what goes wrong in its methods fails that test, and with that
// one end what it injects and records. The server itself, its log and what is looked
// at when it is closed remain with the test that New was given.
func (s *Server) For(t testing.TB) *Server {
	other := *s
	other.t = t
	return &other
}

// end closes the server, and tells what the test has left behind: connections that
// are open, with their calls that wait and their subscriptions, and goroutines.
func (s *Server) end() {
	s.t.Helper()
	var left []string
	if s.label != nil {
		left = pollUntilEmpty(s.openConnections)
	}
	for _, err := range []error{s.Check(), s.Close(), s.Check()} { // all must agree with all, also when everybody has gone
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
