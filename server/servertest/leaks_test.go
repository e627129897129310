package servertest_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server"
	"github.com/parley-chat/parley/server/servertest"
)

// A fakeTest is a test whose failures are recorded.
type fakeTest struct {
	testing.TB
	mu       sync.Mutex // guards all below
	cleanups []func()
	failures []string
	logged   []string
}

func (f *fakeTest) Cleanup(g func()) { f.cleanups = append(f.cleanups, g) }
func (f *fakeTest) Helper()          {}

func (f *fakeTest) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failures = append(f.failures, fmt.Sprintf(format, args...))
}

func (f *fakeTest) Logf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logged = append(f.logged, fmt.Sprintf(format, args...))
}

// end ends the test and returns its failures.
func (f *fakeTest) end() string {
	for len(f.cleanups) > 0 {
		last := f.cleanups[len(f.cleanups)-1]
		f.cleanups = f.cleanups[:len(f.cleanups)-1]
		last()
	}
	return strings.Join(f.failures, "\n")
}

// ask sends an inline call and returns the first line of the reply.
func ask(t *testing.T, conn net.Conn, line string) string {
	_, err := fmt.Fprintf(conn, "%s\r\n", line)
	require.NoError(t, err)
	buf := make([]byte, 1<<10)
	n, err := conn.Read(buf)
	require.NoError(t, err)
	return strings.TrimRight(string(buf[:n]), "\r\n")
}

// Connections that a test leaves open are listed.
func TestConnectionLeftOpenFailsTheTest(t *testing.T) {
	t.Parallel()
	for name, network := range map[string]bool{"memory": false, "network": true} {
		t.Run(name, func(t *testing.T) {
			f := &fakeTest{TB: t}
			s := servertest.New(f, func(o *servertest.Options) { o.Network = network })
			dial := s.Dial
			if network {
				dial = func() (net.Conn, error) { return net.Dial("tcp", s.Addr()) }
			}
			closed, err := dial()
			require.NoError(t, err)
			require.Equal(t, "+PONG", ask(t, closed, "PING"))
			require.NoError(t, closed.Close())

			open, err := dial()
			require.NoError(t, err)
			defer open.Close()
			require.Equal(t, "+OK", ask(t, open, "CLIENT SETNAME app"))
			require.Contains(t, ask(t, open, "SUBSCRIBE room:1"), "subscribe")
			require.Equal(t, `servertest: a connection is left open: client 2 (app), last call subscribe, subscribed to ["room:1"]`, f.end())
		})
	}
}

func TestBlockedClientFailsTheTest(t *testing.T) {
	t.Parallel()
	f := &fakeTest{TB: t}
	s := servertest.New(f)
	c, err := s.Dial()
	require.NoError(t, err)
	defer c.Close()
	fmt.Fprint(c, "BZPOPMIN queue 0\r\n")
	require.Equal(t, "servertest: a connection is left open: client 1, blocked in bzpopmin", f.end())
}

func TestWaitingDoFailsTheTest(t *testing.T) {
	t.Parallel()
	f := &fakeTest{TB: t}
	s := servertest.New(f)
	ended := make(chan error)
	go func() {
		_, err := s.Do(context.Background(), "BZPOPMIN", "queue", 0)
		ended <- err
	}()
	require.NoError(t, s.Kit.WaitBlocked(t.Context(), 1))
	failure := f.end()
	require.ErrorIs(t, <-ended, server.ErrClosed)
	require.Contains(t, failure, `servertest: a call of Do waits: bzpopmin ["queue" "0"]`)
}

// A goroutine that the test, or one of its goroutines, has started is listed by
// its stack, whatever other tests do.
func TestGoroutineLeftFailsTheTest(t *testing.T) {
	t.Parallel()
	other := &fakeTest{TB: t} // a test that is alone may be taken at its word while goroutines of others end
	servertest.New(other)
	f := &fakeTest{TB: t}
	servertest.New(f)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		go lingering(stop, stopped)
	}()
	failure := f.end()
	close(stop)
	<-stopped
	require.Empty(t, other.end())
	require.Contains(t, failure, "servertest: goroutines are left:\n1 with this stack:\n")
	require.Contains(t, failure, "servertest_test.lingering")
}

func lingering(stop, stopped chan struct{}) {
	<-stop
	close(stopped)
}

// Goroutines of other tests are not listed.
func TestGoroutinesOfOthersAreNotCounted(t *testing.T) {
	t.Parallel()
	first, second := &fakeTest{TB: t}, &fakeTest{TB: t}
	ready, stop, stopped := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		servertest.New(second)
		close(ready)
		<-stop
		if failure := second.end(); failure != "" {
			t.Error(failure)
		}
	}()
	<-ready
	servertest.New(first)
	require.Empty(t, first.end())
	close(stop)
	<-stopped
}

func TestLeaksCanBeAllowed(t *testing.T) {
	t.Parallel()
	f := &fakeTest{TB: t}
	s := servertest.New(f, func(o *servertest.Options) { o.AllowLeaks = true })
	c, err := s.Dial()
	require.NoError(t, err)
	require.Empty(t, f.end())
	require.NoError(t, c.Close())
}

// The server logs to the test.
func TestLogGoesToTheTest(t *testing.T) {
	t.Parallel()
	f := &fakeTest{TB: t}
	s := servertest.New(f)
	_, err := s.Do(t.Context(), "CONFIG", "SET", "maxmemory", "1kb")
	require.NoError(t, err)
	require.Empty(t, f.end())
	require.NotEmpty(t, f.logged)
	for _, line := range f.logged {
		require.True(t, strings.HasPrefix(line, "parley: level="), line)
	}
}

// A fault also delays calls of unknown commands.
func TestCallHeldBackFailsTheTest(t *testing.T) {
	t.Parallel()
	f := &fakeTest{TB: t}
	s := servertest.New(f)
	s.For(t).Inject(servertest.Fault{Delay: time.Hour})
	c, err := s.Dial()
	require.NoError(t, err)
	defer c.Close()
	fmt.Fprint(c, "NOSUCH\r\n")
	require.Equal(t, `servertest: a connection is left open: client 1, delayed in "NOSUCH"`, f.end())
}
