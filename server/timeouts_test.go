package server_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

// overTransportsAt is overTransports with a clock that stands still.
func overTransportsAt(t *testing.T, test func(t *testing.T, s *server.Server, clock *server.ManualClock, dial func() *harness.Client), networks ...string) {
	var clock *server.ManualClock
	overTransportsOf(t, func() server.Options {
		clock = server.NewManualClock(time.UnixMilli(1615480369000))
		return server.Options{Clock: clock}
	}, func(t *testing.T, s *server.Server, dial func() *harness.Client) { test(t, s, clock, dial) }, networks...)
}

// requireInfo requires a line in the statistics of INFO.
func requireInfo(t *testing.T, s *server.Server, line string) {
	t.Helper()
	require.Contains(t, do(t, s, "INFO", "stats"), line+"\r\n")
}

// arrived waits until the server has so many bytes of a call that is not whole.
func arrived(t *testing.T, s *server.Server, bytes int) {
	t.Helper()
	harness.Until(t, "the bytes arrive", func() bool {
		return strings.Contains(do(t, s, "CLIENT", "LIST"), fmt.Sprintf(" qbuf=%d ", bytes))
	})
}

// As in Redis, who waits is not idle: for a key, or for messages.
func TestIdleClientsAreClosed(t *testing.T) {
	t.Parallel()
	overTransportsAt(t, func(t *testing.T, s *server.Server, clock *server.ManualClock, dial func() *harness.Client) {
		idle, busy, subscriber, sharded, monitor, waiter, transaction := dial(), dial(), dial(), dial(), dial(), dial(), dial()
		subscriber.Ask("SUBSCRIBE news")
		sharded.Ask("SSUBSCRIBE news")
		waiter.Send("BZPOPMIN z 0")
		blocked(t, s, 1)
		transaction.Ask("MULTI")
		idle.Ask("PING")
		clock.Advance(time.Hour)
		require.Equal(t, "PONG", idle.Ask("PING"), "by default it may be idle")
		busy.Ask("CONFIG SET timeout 10")
		monitor.Ask("MONITOR")

		clock.Advance(9 * time.Second)
		require.Equal(t, "PONG", busy.Ask("PING"))
		transaction.RequireClosed() // its last call was an hour ago
		requireInfo(t, s, "client_idle_timeout_disconnections:1")
		clock.Advance(time.Second)
		idle.RequireClosed()
		requireInfo(t, s, "client_idle_timeout_disconnections:2")
		clock.Advance(9 * time.Second)
		busy.RequireClosed()

		clock.Advance(time.Hour)
		requireInfo(t, s, "client_idle_timeout_disconnections:3")
		subscriber.Ask("UNSUBSCRIBE news")
		sharded.Ask("PING")
		do(t, s, "ZADD", "z", 1, "a")
		waiter.Read()
		clock.Advance(9 * time.Second)
		require.Equal(t, "PONG", subscriber.Ask("PING"))
		require.Equal(t, "PONG", waiter.Ask("PING"))
		clock.Advance(10 * time.Second)
		subscriber.RequireClosed()
		waiter.RequireClosed()
		do(t, s, "PUBLISH", "news", "x")
		do(t, s, "SPUBLISH", "news", "x")
		require.Contains(t, sharded.Read(), "smessage")
		requireInfo(t, s, "client_idle_timeout_disconnections:5")
	})
}

func TestCallHalfSentIsWaitedFor(t *testing.T) {
	t.Parallel()
	overTransportsAt(t, func(t *testing.T, s *server.Server, clock *server.ManualClock, dial func() *harness.Client) {
		p, bystander := dial(), dial()
		send := func(text string) {
			_, err := io.WriteString(p.Conn, text)
			require.NoError(t, err)
		}
		bystander.Ask("PING")
		for range 3 {
			send("*2\r\n$3\r\nGET\r\n$1\r\n")
			arrived(t, s, 17)
			clock.Advance(9 * time.Second)
			send("k\r\n")
			require.Equal(t, "(nil)", p.Read())
		}
		clock.Advance(time.Hour) // between calls it may take its time
		send("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4")
		require.Equal(t, "(nil)", p.Read())
		arrived(t, s, 6)
		clock.Advance(9 * time.Second)
		send("\r\nPI") // a drop more is no new beginning
		arrived(t, s, 10)
		requireInfo(t, s, "client_query_timeout_disconnections:0")
		clock.Advance(time.Second)
		p.RequireClosed()
		requireInfo(t, s, "client_query_timeout_disconnections:1")
		require.Equal(t, "PONG", bystander.Ask("PING"))
	})
}

// Many megabytes over a slow line take long, but they come.
func TestSlowUploadIsWaitedFor(t *testing.T) {
	t.Parallel()
	overTransportsAt(t, func(t *testing.T, s *server.Server, clock *server.ManualClock, dial func() *harness.Client) {
		p := dial()
		send := func(text string, all int) {
			_, err := io.WriteString(p.Conn, text)
			require.NoError(t, err)
			arrived(t, s, all)
			clock.Advance(10 * time.Second)
		}
		head := "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n"
		all := len(head)
		_, err := io.WriteString(p.Conn, head)
		require.NoError(t, err)
		for range 5 {
			all += 10 << 10
			send(strings.Repeat("x", 10<<10), all)
			requireInfo(t, s, "client_query_timeout_disconnections:0")
		}
		send(strings.Repeat("x", 9<<10), all+9<<10)
		p.RequireClosed()
		requireInfo(t, s, "client_query_timeout_disconnections:1")
	})
}

// What a client sends behind a call that waits is not late.
func TestBlockedClientsAreNotLate(t *testing.T) {
	overTransportsAt(t, func(t *testing.T, s *server.Server, clock *server.ManualClock, dial func() *harness.Client) {
		p := dial()
		p.Send("BZPOPMIN z 0\r\n*1\r\n$4\r\nPI")
		blocked(t, s, 1)
		arrived(t, s, len("*1\r\n$4\r\nPI\r\n"))
		clock.Advance(time.Hour)
		do(t, s, "ZADD", "z", 1, "a")
		p.Read()
		clock.Advance(9 * time.Second)
		requireInfo(t, s, "client_query_timeout_disconnections:0")
	})
}

func TestClientThatStopsReadingIsCutOff(t *testing.T) {
	t.Parallel()
	overTransportsAt(t, func(t *testing.T, s *server.Server, clock *server.ManualClock, dial func() *harness.Client) {
		p, subscriber, bystander := dial(), dial(), dial()
		bystander.Ask("CONFIG SET timeout 10") // who does not read is not just idle
		subscriber.Ask("SUBSCRIBE news")
		do(t, s, "SET", "k", strings.Repeat("x", 1<<20))
		p.Send(strings.Repeat("GET k\r\n", 99) + "QUIT")
		message := strings.Repeat("x", 1<<20)
		for range 7 { // less than its soft limit
			do(t, s, "PUBLISH", "news", message)
		}
		harness.Until(t, "both are cut off", func() bool {
			clock.Advance(60 * time.Second)
			return strings.Contains(do(t, s, "INFO", "stats"), "client_output_timeout_disconnections:2\r\n")
		})
		harness.Until(t, "both are gone", func() bool {
			return strings.Contains(do(t, s, "INFO", "clients"), "connected_clients:0\r\n")
		})
		io.Copy(io.Discard, p.Conn)
		p.RequireClosed()
	})
}

// A client in memory that has less unread than the system holds for others may
// read it when it likes.
func TestLittleUnreadIsWaitedFor(t *testing.T) {
	overTransportsAt(t, func(t *testing.T, s *server.Server, clock *server.ManualClock, dial func() *harness.Client) {
		p := dial()
		p.Send("PING\r\nPING")
		clock.Advance(24 * time.Hour)
		require.Equal(t, "PONG", p.Read())
		require.Equal(t, "PONG", p.Read())
	})
}

func TestSoftOutputLimitWithoutFurtherOutput(t *testing.T) {
	t.Parallel()
	overTransportsAt(t, func(t *testing.T, s *server.Server, clock *server.ManualClock, dial func() *harness.Client) {
		subscriber := dial()
		subscriber.Ask("SUBSCRIBE news")
		do(t, s, "CONFIG", "SET", "client-output-buffer-limit", "pubsub 100mb 100kb 10")
		message := strings.Repeat("x", 1<<20)
		for range 20 {
			do(t, s, "PUBLISH", "news", message)
		}
		clock.Advance(10 * time.Second)
		requireInfo(t, s, "client_output_buffer_limit_disconnections:0")
		clock.Advance(time.Second)
		requireInfo(t, s, "client_output_buffer_limit_disconnections:1")
		io.Copy(io.Discard, subscriber.Conn)
	})
}

func TestTimeoutsInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := server.New(server.Options{Config: map[string]string{"timeout": "300"}})
		require.NoError(t, err)
		begun := time.Now()
		idle, half := dial(t, s), dial(t, s)
		_, err = io.WriteString(half.Conn, "*1\r\n")
		require.NoError(t, err)
		half.RequireRest("")
		require.Equal(t, 10*time.Second, time.Since(begun))
		idle.RequireRest("")
		require.Equal(t, 300*time.Second, time.Since(begun))
		require.NoError(t, s.Close())
	})
}
