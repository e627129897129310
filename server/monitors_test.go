package server_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

// Monitors see the calls of all callers in one order, reads included, and those
// of Do.
func TestMonitorsSeeOneOrder(t *testing.T) {
	overTransports(t, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
		const callers, calls = 4, 50
		monitors := []*harness.Client{dial(), dial(), dial()}
		for _, m := range monitors {
			require.Equal(t, "OK", m.Ask("MONITOR"))
		}
		var done sync.WaitGroup
		for i := range callers {
			p := dial()
			done.Go(func() {
				for n := range calls {
					p.Send(fmt.Sprintf("GET k:%d:%d", i, n))
					p.Read()
				}
			})
		}
		done.Go(func() {
			for n := range calls {
				s.Do(t.Context(), "GET", fmt.Sprintf("k:do:%d", n))
			}
		})
		done.Wait()
		var seen []string
		for i, m := range monitors {
			var lines []string
			for range (callers + 1) * calls {
				lines = append(lines, m.Read())
			}
			if i == 0 {
				seen = lines
			}
			require.Equal(t, seen, lines)
		}
		require.Len(t, of(seen, "[0 direct]"), calls)
	})
}

func of(lines []string, part string) (list []string) {
	for _, l := range lines {
		if strings.Contains(l, part) {
			list = append(list, l)
		}
	}
	return list
}

// A monitor that does not read is under the limits of replicas, and nobody else
// notices.
func TestMonitorThatDoesNotReadIsCutOff(t *testing.T) {
	s, err := server.New(server.Options{})
	require.NoError(t, err)
	harness.CloseAtEnd(t, s)
	conn, err := s.Dial()
	require.NoError(t, err)
	do(t, s, "CONFIG", "SET", "client-output-buffer-limit", "replica 1mb 0 0")
	_, err = conn.Write([]byte("MONITOR\r\n"))
	require.NoError(t, err)
	harness.Until(t, "a monitor", func() bool { return strings.Contains(do(t, s, "CLIENT", "LIST"), "flags=O") })
	big := strings.Repeat("x", 100_000)
	for range 20 {
		require.Equal(t, "OK", do(t, s, "SET", "k", big))
	}
	require.Contains(t, do(t, s, "INFO", "stats"), "client_output_buffer_limit_disconnections:1")
	harness.Until(t, "it is gone", func() bool { return !strings.Contains(do(t, s, "CLIENT", "LIST"), "flags=O") })
}

// One that leaves, in whatever way, is shown nothing more, and reads run side by
// side again.
func TestMonitorThatLeaves(t *testing.T) {
	overTransports(t, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
		for _, end := range []func(*harness.Client){
			func(p *harness.Client) { p.Send("QUIT"); p.Read(); p.RequireClosed() },
			func(p *harness.Client) { p.Close() },
			func(p *harness.Client) { p.Send("RESET"); p.Ask("PING") },
		} {
			p := dial()
			require.Equal(t, "OK", p.Ask("MONITOR"))
			end(p)
			harness.Until(t, "monitors gone", func() bool { return !strings.Contains(do(t, s, "CLIENT", "LIST"), "flags=O") })
		}
	})
}

func TestMonitorIsNotForDo(t *testing.T) {
	s, err := server.New(server.Options{})
	require.NoError(t, err)
	harness.CloseAtEnd(t, s)
	_, err = s.Do(t.Context(), "MONITOR")
	require.ErrorContains(t, err, "needs a connection of its own")
}
