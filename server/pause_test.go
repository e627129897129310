package server_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

func manual(t *testing.T) (*server.Server, *server.ManualClock) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	return newServer(t, server.Options{Clock: clock}), clock
}

// info returns the line of INFO with that prefix.
func info(p *harness.Client, section, field string) string {
	p.T.Helper()
	_, line, _ := strings.Cut(p.Ask("INFO "+section), field+":")
	line, _, _ = strings.Cut(line, `\r\n`)
	return line
}

func TestPauseEndsAtItsTime(t *testing.T) {
	s, clock := manual(t)
	operator, writer := dial(t, s), dial(t, s)
	operator.Ask("CLIENT PAUSE 100 WRITE")
	writer.Send("SET k v\r\nPING behind")
	clock.Advance(99 * time.Millisecond)
	require.Equal(t, "(nil)", operator.Ask("GET k"))
	require.Equal(t, "1", info(operator, "clients", "blocked_clients"))
	require.Contains(t, operator.Ask("CLIENT LIST ID "+"2"), "flags=b ")
	require.Contains(t, operator.Ask("CLIENT LIST ID "+"2"), " cmd=set ")
	require.NotContains(t, operator.Ask("INFO commandstats"), "cmdstat_set", "it has not run")
	clock.Advance(time.Millisecond)
	require.Equal(t, "OK", writer.Read())
	require.Equal(t, `"behind"`, writer.Read())
	require.Equal(t, "0", info(operator, "clients", "blocked_clients"))
}

// A pause of all calls blocks even CLIENT UNPAUSE. Only calls rejected before
// that check get a reply.
func TestPauseOfAllCalls(t *testing.T) {
	s, clock := manual(t)
	operator, subscriber := dial(t, s), dial(t, s)
	subscriber.Ask("SUBSCRIBE news")
	operator.Ask("CLIENT PAUSE 100")
	held := map[string]string{
		"CLIENT UNPAUSE": "OK", "GET k": "(nil)", "PING": "PONG", "MULTI": "OK", "CLIENT PAUSE x": "(error) ERR timeout is not an integer or out of range",
		"EXEC": "(error) ERR EXEC without MULTI", "CLIENT PAUSE 0 WRITE": "OK", "BZPOPMIN z 0.001": "(nil)", "AUTH x y": "(error) WRONGPASS invalid username-password pair or user is disabled.",
	}
	peers := make(map[string]*harness.Client)
	for call := range held {
		peers[call] = dial(t, s)
		peers[call].Send(call)
	}
	require.Contains(t, dial(t, s).Ask("NOSUCH"), "ERR unknown command")
	require.Contains(t, dial(t, s).Ask("GET"), "ERR wrong number of arguments")
	require.Contains(t, subscriber.Ask("GET k"), "ERR Can't execute")
	subscriber.Send("PING")
	clock.Advance(100 * time.Millisecond)
	require.Equal(t, "1) \"pong\"\n2) \"\"", subscriber.Read())
	clock.Advance(time.Millisecond) // of BZPOPMIN
	for call, want := range held {
		require.Equal(t, want, peers[call].Read(), call)
	}
}

func TestPauseIsOnlyProlonged(t *testing.T) {
	s, clock := manual(t)
	operator, other := dial(t, s), dial(t, s)
	operator.Send("CLIENT PAUSE 200 WRITE\r\nCLIENT PAUSE 100 WRITE")
	require.Equal(t, "OK", operator.Read())
	require.Equal(t, "OK", operator.Read())
	other.Send("INCR n")
	clock.Advance(199 * time.Millisecond)
	require.Equal(t, "(nil)", operator.Ask("GET n"))
	operator.Ask("CLIENT PAUSE 51 WRITE")
	clock.Advance(50 * time.Millisecond)
	require.Equal(t, "(nil)", operator.Ask("GET n"))
	// A shorter pause of a stricter mode makes the rest of the longer one
	// stricter, even if it would itself end at once.
	operator.Send("CLIENT PAUSE 100 WRITE\r\nCLIENT PAUSE 0 ALL\r\nCLIENT PAUSE 1000 WRITE")
	require.Equal(t, "OK", operator.Read())
	require.Equal(t, "OK", operator.Read())
	clock.Advance(99 * time.Millisecond)
	reader := dial(t, s)
	reader.Send("GET n")
	clock.Advance(time.Millisecond)
	require.Equal(t, "(integer) 1", other.Read())
	require.Equal(t, `"1"`, reader.Read())
	require.Equal(t, "OK", operator.Read(), "and so the third is the first of a new pause")
	other.Send("INCR n")
	require.Equal(t, `"1"`, reader.Ask("GET n"))
	operator.Ask("CLIENT UNPAUSE")
	require.Equal(t, "(integer) 2", other.Read())
}

func TestPausedCallsKeepTheirOrder(t *testing.T) {
	s := newServer(t, server.Options{})
	operator := dial(t, s)
	operator.Ask("CLIENT PAUSE 100000 WRITE")
	var writers []*harness.Client
	for i := range 20 {
		p := dial(t, s)
		writers = append(writers, p)
		p.Send(fmt.Sprintf("APPEND k %c", 'a'+i))
	}
	operator.Send("CLIENT UNPAUSE\r\nGET k")
	require.Equal(t, "OK", operator.Read())
	operator.Read() // before or after; in Redis it would be before
	for i, p := range writers {
		require.Equal(t, fmt.Sprintf("(integer) %d", i+1), p.Read())
	}
	require.Equal(t, `"abcdefghijklmnopqrst"`, operator.Ask("GET k"))
}

// A call released by the end of a pause may pause again. The rest are blocked
// again, in order, and an UNPAUSE among them releases all.
func TestPausedCallsMayPauseAgain(t *testing.T) {
	s, clock := manual(t)
	operator, first, second, third, fourth := dial(t, s), dial(t, s), dial(t, s), dial(t, s), dial(t, s)
	operator.Ask("CLIENT PAUSE 100 ALL")
	first.Send("CLIENT PAUSE 100 WRITE")
	second.Send("APPEND k a")
	third.Send("APPEND k b")
	fourth.Send("STRLEN k")
	clock.Advance(100 * time.Millisecond)
	require.Equal(t, "OK", first.Read())
	require.Equal(t, "(integer) 0", fourth.Read())
	clock.Advance(100 * time.Millisecond)
	require.Equal(t, "(integer) 1", second.Read())
	require.Equal(t, "(integer) 2", third.Read())

	operator.Ask("CLIENT PAUSE 100 ALL")
	first.Send("CLIENT PAUSE 100 WRITE")
	second.Send("APPEND k c")
	third.Send("CLIENT UNPAUSE")
	clock.Advance(100 * time.Millisecond)
	require.Equal(t, "OK", first.Read())
	require.Equal(t, "OK", third.Read())
	require.Equal(t, "(integer) 3", second.Read())
}

// During a pause data does not change: an expired key reads as absent, and is
// deleted afterwards.
func TestNothingExpiresDuringAPause(t *testing.T) {
	s, clock := manual(t)
	operator, listener, writer := dial(t, s), dial(t, s), dial(t, s)
	operator.Ask("CONFIG SET notify-keyspace-events Ex")
	listener.Ask("SUBSCRIBE __keyevent@0__:expired")
	operator.Ask("SET k v PX 50")
	operator.Ask("SET other v")
	operator.Ask("CLIENT PAUSE 100 WRITE")
	clock.Advance(80 * time.Millisecond)
	writer.Send("SET k w NX GET")
	require.Equal(t, "(nil)", operator.Ask("GET k"))
	require.Equal(t, "(integer) -2", operator.Ask("TTL k"))
	require.Equal(t, `1) "other"`, operator.Ask("KEYS *"))
	require.Equal(t, `"other"`, operator.Ask("RANDOMKEY"))
	require.Equal(t, "(integer) 2", operator.Ask("DBSIZE"))
	require.Equal(t, "0", info(operator, "stats", "expired_keys"))
	clock.Advance(20 * time.Millisecond)
	require.Equal(t, "(nil)", writer.Read())
	require.Equal(t, "1) \"message\"\n2) \"__keyevent@0__:expired\"\n3) \"k\"", listener.Read())
	require.Equal(t, `"w"`, operator.Ask("GET k"))
	require.Equal(t, "1", info(operator, "stats", "expired_keys"))

	operator.Ask("SET k v PX 50")
	operator.Ask("CLIENT PAUSE 100 WRITE")
	clock.Advance(60 * time.Millisecond)
	operator.Ask("CLIENT UNPAUSE")
	clock.Advance(0) // no timer is needed
	require.Equal(t, "1) \"message\"\n2) \"__keyevent@0__:expired\"\n3) \"k\"", listener.Read())
}

// Calls blocked on keys or time arrived before the pause: they are served and
// time out during it.
func TestWaitersAreServedDuringAPause(t *testing.T) {
	s, clock := manual(t)
	timed, served, operator := dial(t, s), dial(t, s), dial(t, s)
	timed.Send("BZPOPMIN y 0.1")
	served.Send("BZPOPMIN z 0")
	for _, line := range []string{"MULTI", "CLIENT PAUSE 1000 ALL", "ZADD z 1 x"} {
		operator.Ask(line)
	}
	require.Equal(t, "1) OK\n2) (integer) 1", operator.Ask("EXEC"))
	require.Equal(t, popped("z", "x", "1"), served.Read())
	clock.Advance(100 * time.Millisecond)
	require.Equal(t, "(nil)", timed.Read())
	timed.Send("PING")
	clock.Advance(899 * time.Millisecond)
	clock.Advance(time.Millisecond)
	require.Equal(t, "PONG", timed.Read())
}

func TestUnblockDoesNotEndAPause(t *testing.T) {
	s := newServer(t, server.Options{})
	operator, writer := dial(t, s), dial(t, s)
	id := writer.ID()
	operator.Ask("CLIENT PAUSE 100000 WRITE")
	writer.Send("SET k v")
	require.Equal(t, "(integer) 0", operator.Ask("CLIENT UNBLOCK "+id))
	require.Equal(t, "(integer) 0", operator.Ask("CLIENT UNBLOCK "+id+" ERROR"))
	operator.Ask("CLIENT UNPAUSE")
	require.Equal(t, "OK", writer.Read())
}

// A blocked call is dropped when its client disconnects or is killed.
func TestPausedCallOfADisconnectedClient(t *testing.T) {
	s := newServer(t, server.Options{})
	operator, gone, killed := dial(t, s), dial(t, s), dial(t, s)
	id := killed.ID()
	operator.Ask("CLIENT PAUSE 100000 WRITE")
	gone.Send("SET gone 1")
	killed.Send("SET killed 1")
	require.NoError(t, gone.Close())
	operator.Send("CLIENT KILL ID " + id + "\r\nCLIENT UNPAUSE")
	require.Equal(t, "(integer) 1", operator.Read())
	require.Equal(t, "OK", operator.Read())
	rest, err := io.ReadAll(killed.Conn)
	require.NoError(t, err)
	require.Empty(t, rest)
	require.Equal(t, "0", info(operator, "clients", "blocked_clients"))
	require.Equal(t, "(integer) 0", operator.Ask("EXISTS gone killed"))
	require.Equal(t, "1", info(operator, "clients", "connected_clients"))
}

// Changes of a paused call to its connection apply from then on.
func TestPausedCallsAboutTheConnection(t *testing.T) {
	s, clock := manual(t)
	operator, quitter, other := dial(t, s), dial(t, s), dial(t, s)
	operator.Ask("CLIENT PAUSE 100 ALL")
	quitter.Send("QUIT\r\nSET k v")
	other.Send("HELLO 3\r\nGET k")
	clock.Advance(100 * time.Millisecond)
	rest, err := io.ReadAll(quitter.Conn)
	require.NoError(t, err)
	require.Equal(t, "+OK\r\n", string(rest))
	other.Read()
	v, err := resp.NewReader(other.R).Read()
	require.NoError(t, err)
	require.True(t, v.IsNull())
}

func TestDoWaitsForTheEndOfAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, server.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		begun := time.Now()
		do(t, s, "CLIENT", "PAUSE", 100, "WRITE")
		_, err := s.Do(ctx, "SET", "k", "given up")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		v, err := s.Do(t.Context(), "SET", "k", "v", "GET")
		require.NoError(t, err)
		require.True(t, v.IsNull(), "who has given up has done nothing")
		require.Equal(t, 100*time.Millisecond, time.Since(begun))
	})
}

func TestCloseDuringAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := server.New(server.Options{})
		require.NoError(t, err)
		do(t, s, "CLIENT", "PAUSE", 1000000, "ALL")
		conn, err := s.Dial()
		require.NoError(t, err)
		_, err = io.WriteString(conn, "SET k v\r\nPING\r\n")
		require.NoError(t, err)
		failed := make(chan error)
		go func() {
			_, err := s.Do(t.Context(), "SET", "k", "v")
			failed <- err
		}()
		synctest.Wait()
		require.NoError(t, s.Close())
		require.ErrorIs(t, <-failed, server.ErrClosed)
		rest, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Empty(t, rest)
	})
}

// Clients pause, write, disconnect and are killed at the same time: each call
// with a reply has run once, and no client stays blocked.
func TestPausesUnderFire(t *testing.T) {
	s := newServer(t, server.Options{})
	const writers, calls = 8, 60
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			p := dial(t, s)
			for j := range calls {
				p.Send("INCR n\r\nGET n\r\nMULTI\r\nINCR m\r\nEXEC")
				for range 5 {
					p.Read()
				}
				if j%20 == i {
					gone := dial(t, s)
					gone.Send("GET n\r\nSET gone 1")
					gone.Close()
				}
			}
		})
	}
	stopped := make(chan struct{})
	var pausers sync.WaitGroup
	pausers.Go(func() {
		p := dial(t, s)
		for {
			select {
			case <-stopped:
				return
			default:
				p.Send("CLIENT PAUSE 1 WRITE\r\nCLIENT PAUSE 1 ALL\r\nPING\r\nCLIENT PAUSE 100 WRITE\r\nCLIENT UNPAUSE")
				for range 5 {
					p.Read()
				}
			}
		}
	})
	all.Wait()
	close(stopped)
	pausers.Wait()
	require.Equal(t, fmt.Sprintf("%q", fmt.Sprint(writers*calls)), do(t, s, "GET", "n"))
	require.Equal(t, fmt.Sprintf("%q", fmt.Sprint(writers*calls)), do(t, s, "GET", "m"))
}

// The work after each critical section also follows the calls that the end of a
// pause releases.
func TestLimitSetDuringAPauseAppliesWhenItEnds(t *testing.T) {
	var limits []uint64
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock, MaxMemory: func(bytes uint64) { limits = append(limits, bytes) }})
	operator := dial(t, s)
	operator.Ask("CLIENT PAUSE 1000 ALL")
	operator.Send("CONFIG SET maxmemory 5mb")
	clock.Advance(time.Second)
	require.Equal(t, "OK", operator.Read())
	require.Equal(t, []uint64{0, 5 << 20}, limits)
}
