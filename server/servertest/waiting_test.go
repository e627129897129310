package servertest_test

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/server/servertest"
)

// Waits block durably, so that a bubble's time can advance: each of these waits
// for an hour and longer, which passes at once.
func TestWhoWaitsLetsTimeMoveOn(t *testing.T) {
	t.Parallel()
	waits := map[string]func(t *testing.T, s *servertest.Server) (end func()){
		"a blocked call": func(t *testing.T, s *servertest.Server) func() {
			l := dial(t, s)
			l.Send("BZPOPMIN queue 0")
			go resp.NewReader(l.R).Read()
			return func() { l.Close() }
		},
		"a subscriber": func(t *testing.T, s *servertest.Server) func() {
			l := dial(t, s)
			l.Send("SUBSCRIBE room")
			go io.Copy(io.Discard, l.Conn)
			return func() { l.Close() }
		},
		"a reader with a deadline": func(t *testing.T, s *servertest.Server) func() {
			l := dial(t, s)
			require.NoError(t, l.SetReadDeadline(time.Now().Add(2*time.Hour)))
			go resp.NewReader(l.R).Read()
			return func() { l.Close() }
		},
		"a writer without room": func(t *testing.T, s *servertest.Server) func() {
			l := dial(t, s)
			require.Equal(t, "OK", l.Ask("SET k "+strings.Repeat("x", 60_000)))
			go func() {
				for calls := strings.Repeat("GET k\r\n", 100_000); ; {
					if _, err := io.WriteString(l, calls); err != nil {
						return
					}
				}
			}()
			return func() { l.Close() }
		},
		"Do": func(t *testing.T, s *servertest.Server) func() {
			go s.Do(t.Context(), "BZPOPMIN", "queue", 0)
			return func() { s.Do(t.Context(), "ZADD", "queue", 1, "a") }
		},
		"a call that is held back": func(t *testing.T, s *servertest.Server) func() {
			l := dial(t, s)
			require.Equal(t, "OK", l.Ask("CLIENT PAUSE 7200000 WRITE"))
			l.Send("SET k v")
			go resp.NewReader(l.R).Read()
			return func() { l.Close() }
		},
	}
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := servertest.New(t)
				end := wait(t, s)
				begun := time.Now()
				time.Sleep(time.Hour)
				require.Equal(t, time.Hour, time.Since(begun))
				end()
			})
		})
	}
}
