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

	"github.com/parley-chat/parley/server"
)

func manual(t *testing.T) (*server.Server, *server.ManualClock) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	return newServer(t, server.Options{Clock: clock}), clock
}

// info is the line of INFO that begins so.
func (p *peer) info(section, field string) string {
	p.t.Helper()
	_, line, _ := strings.Cut(p.ask("INFO "+section), field+":")
	line, _, _ = strings.Cut(line, `\r\n`)
	return line
}

func TestPauseEndsAtItsTime(t *testing.T) {
	s, clock := manual(t)
	operator, writer := dial(t, s), dial(t, s)
	operator.ask("CLIENT PAUSE 100 WRITE")
	writer.send("SET k v\r\nPING behind")
	clock.Advance(99 * time.Millisecond)
	require.Equal(t, "(nil)", operator.ask("GET k"))
	require.Equal(t, "1", operator.info("clients", "blocked_clients"))
	require.Contains(t, operator.ask("CLIENT LIST ID "+"2"), "flags=b ")
	require.Contains(t, operator.ask("CLIENT LIST ID "+"2"), " cmd=set ")
	require.NotContains(t, operator.ask("INFO commandstats"), "cmdstat_set", "it has not run")
	clock.Advance(time.Millisecond)
	require.Equal(t, "OK", writer.read())
	require.Equal(t, `"behind"`, writer.read())
	require.Equal(t, "0", operator.info("clients", "blocked_clients"))
}

// A pause of all calls holds back even CLIENT UNPAUSE. Only what is refused
// before a call is looked at closer is answered.
func TestPauseOfAllCalls(t *testing.T) {
	s, clock := manual(t)
	operator, subscriber := dial(t, s), dial(t, s)
	subscriber.ask("SUBSCRIBE news")
	operator.ask("CLIENT PAUSE 100")
	held := map[string]string{
		"CLIENT UNPAUSE": "OK", "GET k": "(nil)", "PING": "PONG", "MULTI": "OK", "CLIENT PAUSE x": "(error) ERR timeout is not an integer or out of range",
		"EXEC": "(error) ERR EXEC without MULTI", "CLIENT PAUSE 0 WRITE": "OK", "BZPOPMIN z 0.001": "(nil)", "AUTH x y": "(error) WRONGPASS invalid username-password pair or user is disabled.",
	}
	peers := make(map[string]*peer)
	for call := range held {
		peers[call] = dial(t, s)
		peers[call].send(call)
	}
	require.Contains(t, dial(t, s).ask("NOSUCH"), "ERR unknown command")
	require.Contains(t, dial(t, s).ask("GET"), "ERR wrong number of arguments")
	require.Contains(t, subscriber.ask("GET k"), "ERR Can't execute")
	subscriber.send("PING")
	clock.Advance(100 * time.Millisecond)
	require.Equal(t, "1) \"pong\"\n2) \"\"", subscriber.read())
	clock.Advance(time.Millisecond) // of BZPOPMIN
	for call, want := range held {
		require.Equal(t, want, peers[call].read(), call)
	}
}

func TestPauseIsOnlyProlonged(t *testing.T) {
	s, clock := manual(t)
	operator, other := dial(t, s), dial(t, s)
	operator.send("CLIENT PAUSE 200 WRITE\r\nCLIENT PAUSE 100 WRITE")
	require.Equal(t, "OK", operator.read())
	require.Equal(t, "OK", operator.read())
	other.send("INCR n")
	clock.Advance(199 * time.Millisecond)
	require.Equal(t, "(nil)", operator.ask("GET n"))
	operator.ask("CLIENT PAUSE 51 WRITE")
	clock.Advance(50 * time.Millisecond)
	require.Equal(t, "(nil)", operator.ask("GET n"))
	// A shorter one that is stronger makes the rest of the longer one so, even
	// one that would be over at once by itself.
	operator.send("CLIENT PAUSE 100 WRITE\r\nCLIENT PAUSE 0 ALL\r\nCLIENT PAUSE 1000 WRITE")
	require.Equal(t, "OK", operator.read())
	require.Equal(t, "OK", operator.read())
	clock.Advance(99 * time.Millisecond)
	reader := dial(t, s)
	reader.send("GET n")
	clock.Advance(time.Millisecond)
	require.Equal(t, "(integer) 1", other.read())
	require.Equal(t, `"1"`, reader.read())
	require.Equal(t, "OK", operator.read(), "and so the third is the first of a new pause")
	other.send("INCR n")
	require.Equal(t, `"1"`, reader.ask("GET n"))
	operator.ask("CLIENT UNPAUSE")
	require.Equal(t, "(integer) 2", other.read())
}

func TestHeldBackCallsKeepTheirOrder(t *testing.T) {
	s := newServer(t, server.Options{})
	operator := dial(t, s)
	operator.ask("CLIENT PAUSE 100000 WRITE")
	var writers []*peer
	for i := range 20 {
		p := dial(t, s)
		writers = append(writers, p)
		p.send(fmt.Sprintf("APPEND k %c", 'a'+i))
	}
	operator.send("CLIENT UNPAUSE\r\nGET k")
	require.Equal(t, "OK", operator.read())
	operator.read() // before or after, as in Redis it would be before
	for i, p := range writers {
		require.Equal(t, fmt.Sprintf("(integer) %d", i+1), p.read())
	}
	require.Equal(t, `"abcdefghijklmnopqrst"`, operator.ask("GET k"))
}

// One of those that are let go may pause again: the rest are held back anew, in
// their order, and what one undoes is undone for all.
func TestHeldBackCallsMayPauseAgain(t *testing.T) {
	s, clock := manual(t)
	operator, first, second, third, fourth := dial(t, s), dial(t, s), dial(t, s), dial(t, s), dial(t, s)
	operator.ask("CLIENT PAUSE 100 ALL")
	first.send("CLIENT PAUSE 100 WRITE")
	second.send("APPEND k a")
	third.send("APPEND k b")
	fourth.send("STRLEN k")
	clock.Advance(100 * time.Millisecond)
	require.Equal(t, "OK", first.read())
	require.Equal(t, "(integer) 0", fourth.read())
	clock.Advance(100 * time.Millisecond)
	require.Equal(t, "(integer) 1", second.read())
	require.Equal(t, "(integer) 2", third.read())

	operator.ask("CLIENT PAUSE 100 ALL")
	first.send("CLIENT PAUSE 100 WRITE")
	second.send("APPEND k c")
	third.send("CLIENT UNPAUSE")
	clock.Advance(100 * time.Millisecond)
	require.Equal(t, "OK", first.read())
	require.Equal(t, "OK", third.read())
	require.Equal(t, "(integer) 3", second.read())
}

// During a pause data stays as it is: an expired key reads as absent, and is
// deleted behind it.
func TestNothingExpiresDuringAPause(t *testing.T) {
	s, clock := manual(t)
	operator, listener, writer := dial(t, s), dial(t, s), dial(t, s)
	operator.ask("CONFIG SET notify-keyspace-events Ex")
	listener.ask("SUBSCRIBE __keyevent@0__:expired")
	operator.ask("SET k v PX 50")
	operator.ask("SET other v")
	operator.ask("CLIENT PAUSE 100 WRITE")
	clock.Advance(80 * time.Millisecond)
	writer.send("SET k w NX GET")
	require.Equal(t, "(nil)", operator.ask("GET k"))
	require.Equal(t, "(integer) -2", operator.ask("TTL k"))
	require.Equal(t, `1) "other"`, operator.ask("KEYS *"))
	require.Equal(t, `"other"`, operator.ask("RANDOMKEY"))
	require.Equal(t, "(integer) 2", operator.ask("DBSIZE"))
	require.Equal(t, "0", operator.info("stats", "expired_keys"))
	clock.Advance(20 * time.Millisecond)
	require.Equal(t, "(nil)", writer.read())
	require.Equal(t, "1) \"message\"\n2) \"__keyevent@0__:expired\"\n3) \"k\"", listener.read())
	require.Equal(t, `"w"`, operator.ask("GET k"))
	require.Equal(t, "1", operator.info("stats", "expired_keys"))

	operator.ask("SET k v PX 50")
	operator.ask("CLIENT PAUSE 100 WRITE")
	clock.Advance(60 * time.Millisecond)
	operator.ask("CLIENT UNPAUSE")
	clock.Advance(0) // nobody has to look
	require.Equal(t, "1) \"message\"\n2) \"__keyevent@0__:expired\"\n3) \"k\"", listener.read())
}

// Calls that wait for keys or time have come before the pause: they are served
// and time out in it.
func TestWaitersAreServedDuringAPause(t *testing.T) {
	s, clock := manual(t)
	timed, served, operator := dial(t, s), dial(t, s), dial(t, s)
	timed.send("BZPOPMIN y 0.1")
	served.send("BZPOPMIN z 0")
	for _, line := range []string{"MULTI", "CLIENT PAUSE 1000 ALL", "ZADD z 1 x"} {
		operator.ask(line)
	}
	require.Equal(t, "1) OK\n2) (integer) 1", operator.ask("EXEC"))
	require.Equal(t, popped("z", "x", "1"), served.read())
	clock.Advance(100 * time.Millisecond)
	require.Equal(t, "(nil)", timed.read())
	timed.send("PING")
	clock.Advance(899 * time.Millisecond)
	clock.Advance(time.Millisecond)
	require.Equal(t, "PONG", timed.read())
}

func TestUnblockDoesNotEndAPause(t *testing.T) {
	s := newServer(t, server.Options{})
	operator, writer := dial(t, s), dial(t, s)
	id := writer.id()
	operator.ask("CLIENT PAUSE 100000 WRITE")
	writer.send("SET k v")
	require.Equal(t, "(integer) 0", operator.ask("CLIENT UNBLOCK "+id))
	require.Equal(t, "(integer) 0", operator.ask("CLIENT UNBLOCK "+id+" ERROR"))
	operator.ask("CLIENT UNPAUSE")
	require.Equal(t, "OK", writer.read())
}

// Who leaves or is killed takes the call along.
func TestHeldBackCallOfAGoneClient(t *testing.T) {
	s := newServer(t, server.Options{})
	operator, gone, killed := dial(t, s), dial(t, s), dial(t, s)
	id := killed.id()
	operator.ask("CLIENT PAUSE 100000 WRITE")
	gone.send("SET gone 1")
	killed.send("SET killed 1")
	require.NoError(t, gone.conn.Close())
	operator.send("CLIENT KILL ID " + id + "\r\nCLIENT UNPAUSE")
	require.Equal(t, "(integer) 1", operator.read())
	require.Equal(t, "OK", operator.read())
	rest, err := io.ReadAll(killed.conn)
	require.NoError(t, err)
	require.Empty(t, rest)
	require.Equal(t, "0", operator.info("clients", "blocked_clients"))
	require.Equal(t, "(integer) 0", operator.ask("EXISTS gone killed"))
	require.Equal(t, "1", operator.info("clients", "connected_clients"))
}

// What a held back call changes about its connection holds from then on.
func TestHeldBackCallsAboutTheConnection(t *testing.T) {
	s, clock := manual(t)
	operator, quitter, other := dial(t, s), dial(t, s), dial(t, s)
	operator.ask("CLIENT PAUSE 100 ALL")
	quitter.send("QUIT\r\nSET k v")
	other.send("HELLO 3\r\nGET k")
	clock.Advance(100 * time.Millisecond)
	rest, err := io.ReadAll(quitter.conn)
	require.NoError(t, err)
	require.Equal(t, "+OK\r\n", string(rest))
	other.read()
	v, err := other.replies.Read()
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

// Clients that pause, write, leave and are killed at once: each call that is
// answered has happened once, and nobody is left behind.
func TestPausesUnderFire(t *testing.T) {
	s := newServer(t, server.Options{})
	const writers, calls = 8, 60
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			p := dial(t, s)
			for j := range calls {
				p.send("INCR n\r\nGET n\r\nMULTI\r\nINCR m\r\nEXEC")
				for range 5 {
					p.read()
				}
				if j%20 == i {
					gone := dial(t, s)
					gone.send("GET n\r\nSET gone 1")
					gone.conn.Close()
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
				p.send("CLIENT PAUSE 1 WRITE\r\nCLIENT PAUSE 1 ALL\r\nPING\r\nCLIENT PAUSE 100 WRITE\r\nCLIENT UNPAUSE")
				for range 5 {
					p.read()
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

// What must follow each critical section follows the calls that a pause lets go by
// itself, too.
func TestLimitSetDuringAPauseAppliesWhenItEnds(t *testing.T) {
	var limits []uint64
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock, MaxMemory: func(bytes uint64) { limits = append(limits, bytes) }})
	operator := dial(t, s)
	operator.ask("CLIENT PAUSE 1000 ALL")
	operator.send("CONFIG SET maxmemory 5mb")
	clock.Advance(time.Second)
	require.Equal(t, "OK", operator.read())
	require.Equal(t, []uint64{0, 5 << 20}, limits)
}
