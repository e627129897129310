package server_test

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

const wrongPassword = "(error) WRONGPASS invalid username-password pair or user is disabled."

// guarded returns a server with a password and a clock that stands still.
func guarded(t *testing.T, parameters ...string) (*server.Server, *server.ManualClock) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	config := make(map[string]string)
	for i := 0; i < len(parameters); i += 2 {
		config[parameters[i]] = parameters[i+1]
	}
	return newServer(t, server.Options{Clock: clock, Password: "secret", Config: config}), clock
}

// waits waits until that many calls are delayed.
func waits(t *testing.T, s *server.Server, n int) {
	t.Helper()
	harness.Until(t, fmt.Sprint(n, " calls are held back"), func() bool {
		return strings.Contains(do(t, s, "INFO", "clients"), fmt.Sprintf("blocked_clients:%d\r\n", n))
	})
}

func TestReplyToAWrongPasswordIsDelayed(t *testing.T) {
	for _, guess := range []string{"AUTH wrong", "AUTH nobody secret", "HELLO 3 AUTH default wrong"} {
		s, clock := guarded(t)
		p := dialFrom(t, s, "192.0.2.7:4711")
		p.Send(guess + "\r\nAUTH secret\r\nECHO x")
		waits(t, s, 1)
		clock.Advance(99 * time.Millisecond)
		waits(t, s, 1)
		clock.Advance(time.Millisecond)
		require.Equal(t, wrongPassword, p.Read())
		require.Equal(t, "OK", p.Read())
		require.Equal(t, `"x"`, p.Read())
	}
}

// The delay of one client delays no other, and nothing shortens it.
func TestDelayedReplyDelaysNoOtherClient(t *testing.T) {
	s, clock := guarded(t)
	p := dialFrom(t, s, "192.0.2.7:4711")
	p.Send("AUTH wrong")
	waits(t, s, 1)
	found := regexp.MustCompile(`id=(\d+) addr=192\.0\.2\.7:4711 `).FindStringSubmatch(do(t, s, "CLIENT", "LIST"))
	require.NotNil(t, found)
	id := found[1]
	other := dialFrom(t, s, "192.0.2.7:4712")
	require.Equal(t, "OK", other.Ask("AUTH secret"))
	require.Equal(t, "(integer) 0", other.Ask("CLIENT UNBLOCK "+id))
	require.Equal(t, "(integer) 0", other.Ask("CLIENT UNBLOCK "+id+" ERROR"))
	other.Ask("CLIENT KILL ID " + id)
	p.RequireClosed()
	waits(t, s, 0)
	clock.Advance(time.Second)
	require.Equal(t, "PONG", other.Ask("PING"))
}

func TestConnectionEndsAfterFiveWrongPasswords(t *testing.T) {
	for _, delay := range []string{"100", "0"} {
		s, clock := guarded(t, "auth-failure-delay", delay)
		p := dialFrom(t, s, "192.0.2.7:4711")
		p.Send(strings.Repeat("AUTH wrong\r\n", 7) + "AUTH secret\r\nSET k v")
		for range 5 {
			if delay != "0" {
				waits(t, s, 1)
				clock.Advance(100 * time.Millisecond)
			}
			require.Equal(t, wrongPassword, p.Read())
		}
		p.RequireClosed()
		require.Equal(t, "(integer) 0", do(t, s, "DBSIZE"))
		require.Contains(t, do(t, s, "INFO", "commandstats"), "cmdstat_auth:calls=5,")
	}
	s, clock := guarded(t)
	p := dialFrom(t, s, "192.0.2.7:4711")
	for range 3 { // the correct password in between resets the count
		clock.Advance(time.Second) // its address may fail again
		p.Send("AUTH wrong\r\nAUTH wrong\r\nAUTH wrong\r\nAUTH secret")
		for range 3 {
			waits(t, s, 1)
			clock.Advance(100 * time.Millisecond)
			require.Equal(t, wrongPassword, p.Read())
		}
		require.Equal(t, "OK", p.Read())
	}
}

// guesses100 returns 100 different wrong passwords, others for each n.
func guesses100(n int) string {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "AUTH wrong%d-%d\r\n", n, i)
	}
	return b.String()
}

// The rate limit of an address does not depend on its number of connections or
// on pipelining.
func TestWrongPasswordsFromOneAddress(t *testing.T) {
	for _, site := range [][]string{
		{"192.0.2.7:4711", "192.0.2.7:4712", "[::ffff:192.0.2.7]:4713"},
		{"[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8:0:0:ffff::3]:1"},
	} {
		s, clock := guarded(t, "auth-max-failures", "0", "auth-failure-delay", "0")
		guesses := func() int {
			_, rest, found := strings.Cut(do(t, s, "INFO", "commandstats"), "cmdstat_auth:calls=")
			n := 0
			if found {
				_, err := fmt.Sscanf(rest, "%d,", &n)
				require.NoError(t, err)
			}
			return n
		}
		var peers []*harness.Client
		for _, addr := range site {
			p := dialFrom(t, s, addr)
			p.Send(guesses100(len(peers)))
			go io.Copy(io.Discard, p.Conn)
			peers = append(peers, p)
		}
		waits(t, s, len(peers))
		require.Equal(t, 5, guesses())
		for second := range 10 {
			for range 10 {
				clock.Advance(100 * time.Millisecond)
				waits(t, s, len(peers))
			}
			require.Equal(t, 5+5*(second+1), guesses())
		}
		// Other addresses are not delayed, and neither is the process itself.
		require.Equal(t, "OK", dialFrom(t, s, "198.51.100.7:1").Ask("AUTH secret"))
		require.Equal(t, "OK", dial(t, s).Ask("AUTH secret"))
		// A client with the correct password has its turn after those that wait
		// already.
		honest := dialFrom(t, s, site[0])
		honest.Send("AUTH secret")
		waits(t, s, len(peers)+1)
		for range len(peers) + 1 {
			clock.Advance(200 * time.Millisecond)
		}
		require.Equal(t, "OK", honest.Read())
	}
}

// The correct password is never delayed.
func TestRightPasswordsAreNotCounted(t *testing.T) {
	s, _ := guarded(t)
	p := dialFrom(t, s, "192.0.2.7:4711")
	for range 100 {
		require.Equal(t, "OK", p.Ask("AUTH secret"))
	}
}

// Nothing blocks within EXEC: attempts beyond the limit are not checked.
func TestWrongPasswordsWithinATransaction(t *testing.T) {
	s, clock := guarded(t, "auth-max-failures", "0")
	p := dialFrom(t, s, "192.0.2.7:4711")
	p.Ask("AUTH secret")
	p.Ask("MULTI")
	for i := range 10 {
		require.Equal(t, "QUEUED", p.Ask(fmt.Sprint("AUTH wrong", i)))
	}
	require.Equal(t, "QUEUED", p.Ask("AUTH secret"))
	require.Equal(t, "QUEUED", p.Ask("SET k v"))
	p.Send("EXEC")
	waits(t, s, 1)
	clock.Advance(100 * time.Millisecond)
	reply := p.Read()
	require.Equal(t, 5, strings.Count(reply, "WRONGPASS"))
	require.Equal(t, 6, strings.Count(reply, "ERR too many wrong passwords"))
	require.Equal(t, `"v"`, p.Ask("GET k"))
}

// A delayed call ends when its client disconnects.
func TestClientThatLeavesWhileItsAUTHIsQueued(t *testing.T) {
	s, clock := guarded(t, "auth-max-failures", "0", "auth-failure-delay", "0")
	first, second := dialFrom(t, s, "192.0.2.7:4711"), dialFrom(t, s, "192.0.2.7:4712")
	first.Send(guesses100(1))
	waits(t, s, 1)
	second.Send("AUTH secret")
	waits(t, s, 2)
	require.NoError(t, first.Close())
	waits(t, s, 1)
	clock.Advance(200 * time.Millisecond)
	require.Equal(t, "OK", second.Read())
	third := dialFrom(t, s, "192.0.2.7:4713")
	third.Send(guesses100(3))
	waits(t, s, 1) // Close does not wait for it
}

// In a bubble the delays pass in the bubble's time, and in-memory connections
// have none.
func TestWrongPasswordsInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := server.New(server.Options{Password: "secret"})
		require.NoError(t, err)
		conn, err := s.Dial()
		require.NoError(t, err)
		p := harness.NewClient(t, conn)
		begun := time.Now()
		for range 100 {
			require.Equal(t, wrongPassword, p.Ask("AUTH wrong"))
		}
		time.Sleep(time.Hour)
		require.Equal(t, "OK", p.Ask("AUTH secret"))
		require.Equal(t, time.Hour, time.Since(begun))
		require.NoError(t, conn.Close())
		require.NoError(t, s.Close())
	})
}

// All unix sockets count as one address, if they are limited at all.
func TestWrongPasswordsOverAUnixSocket(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s, socket := startOnSocket(t, server.Options{Clock: clock, Password: "secret", Config: map[string]string{
		"auth-failure-delay": "0", "auth-max-failures": "0", "auth-failure-loopback": "yes",
	}})
	var all sync.WaitGroup
	for i := range 3 {
		conn, err := net.Dial("unix", socket)
		require.NoError(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, guesses100(i))
		require.NoError(t, err)
		all.Go(func() { io.Copy(io.Discard, conn) })
	}
	waits(t, s, 3)
	require.Contains(t, do(t, s, "INFO", "commandstats"), "cmdstat_auth:calls=5,")
	require.NoError(t, s.Close())
	all.Wait()
	require.NoFileExists(t, filepath.Clean(socket))
}

func TestClientThatNeverAuthenticates(t *testing.T) {
	t.Parallel()
	s, clock := guarded(t)
	silent, busy, honest := dialFrom(t, s, "192.0.2.7:1"), dialFrom(t, s, "192.0.2.7:2"), dialFrom(t, s, "192.0.2.7:3")
	inside := dial(t, s)
	require.Equal(t, "OK", honest.Ask("AUTH secret"))
	harness.Until(t, "all are admitted", func() bool { return strings.Contains(do(t, s, "INFO", "clients"), "connected_clients:4\r\n") })
	for range 29 {
		require.Contains(t, busy.Ask("PING"), "NOAUTH")
		clock.Advance(time.Second)
	}
	require.Equal(t, "PONG", honest.Ask("PING"))
	clock.Advance(time.Second)
	silent.RequireClosed()
	busy.RequireClosed()
	clock.Advance(time.Hour)
	require.Equal(t, "PONG", honest.Ask("PING"))
	require.Equal(t, "OK", inside.Ask("AUTH secret"))
	require.Equal(t, "RESET", honest.Ask("RESET")) // resets the timer
	clock.Advance(29 * time.Second)
	require.Contains(t, honest.Ask("PING"), "NOAUTH")
	clock.Advance(time.Second)
	honest.RequireClosed()
}

// dialMany connects that many clients, all from one address.
func dialMany(t *testing.T, s *server.Server, addr net.Addr, n int) []*harness.Client {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(fromAddr{l, addr}) }()
	var peers []*harness.Client
	t.Cleanup(func() {
		for _, p := range peers {
			p.Close()
		}
		l.Close()
		<-served
	})
	for range n {
		conn, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		peers = append(peers, harness.NewClient(t, conn))
	}
	return peers
}

// fromAddr is from with an address of any type.
type fromAddr struct {
	net.Listener
	addr net.Addr
}

func (f fromAddr) Accept() (net.Conn, error) {
	conn, err := f.Listener.Accept()
	return fromConn{conn, f.addr}, err
}

// noAddr is the address of a connection without one, as that of net.Pipe.
type noAddr struct{}

func (noAddr) Network() string { return "pipe" }
func (noAddr) String() string  { return "pipe" }

func tcpAddr(addr string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr)) }

// As with redis-server, on loopback the reply to a wrong password is never
// delayed. The clock stands still, so a delayed call would never end.
func TestLoopbackIsExempt(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:4711", "127.1.2.3:4711", "[::1]:4711", "[::1%lo]:4711", "[::ffff:127.0.0.1]:4711"} {
		s, _ := guarded(t, "auth-max-failures", "0")
		p := dialMany(t, s, tcpAddr(addr), 1)[0]
		p.Send(guesses100(0) + "AUTH secret")
		for range 100 {
			require.Equal(t, wrongPassword, p.Read(), addr)
		}
		require.Equal(t, "OK", p.Read(), addr)

		do(t, s, "CONFIG", "SET", "auth-failure-loopback", "yes") // applies to connected clients
		p.Send("AUTH wrong")
		waits(t, s, 1)
	}
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s, socket := startOnSocket(t, server.Options{Clock: clock, Password: "secret", Config: map[string]string{"auth-max-failures": "0"}})
	conn, err := net.Dial("unix", socket)
	require.NoError(t, err)
	defer conn.Close()
	p := harness.NewClient(t, conn)
	p.Send(guesses100(0) + "AUTH secret")
	for range 100 {
		require.Equal(t, wrongPassword, p.Read())
	}
	require.Equal(t, "OK", p.Read())
	require.NoError(t, s.Close())
}

// All other clients are limited. Those of unknown addresses count as one
// address.
func TestClientsThatAreNotExempt(t *testing.T) {
	for _, addr := range []net.Addr{
		tcpAddr("192.0.2.7:1"), tcpAddr("10.0.0.1:1"), tcpAddr("0.0.0.0:1"), tcpAddr("[::]:1"), tcpAddr("[fe80::1%eth0]:1"), tcpAddr("[::ffff:10.0.0.1]:1"), noAddr{},
	} {
		s, _ := guarded(t, "auth-failure-delay", "0")
		first, second := dialMany(t, s, addr, 1)[0], dialMany(t, s, addr, 1)[0]
		for i := range 5 {
			p := first
			if i > 3 {
				p = second
			}
			require.Equal(t, wrongPassword, p.Ask(fmt.Sprint("AUTH wrong", i)), addr)
		}
		first.Send("AUTH wrong5")
		second.Send("AUTH wrong6")
		waits(t, s, 2)
		// Loopback clients are not among them.
		require.Equal(t, "OK", dialMany(t, s, tcpAddr("127.0.0.1:1"), 1)[0].Ask("AUTH secret"))
	}
}

// Clients with an old password do not delay one with the correct password:
// neither on loopback nor behind one address of a network. The clock stands
// still, so a delayed call never ends.
func TestMisconfiguredClientsDelayNoOthers(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:4711", "192.0.2.7:4711"} {
		for _, n := range []int{50, 900} {
			s, clock := guarded(t)
			many := dialMany(t, s, tcpAddr(addr), n)
			calls := []string{"AUTH old", "AUTH default old", "HELLO 3 AUTH default old", "HELLO 2 AUTH default old SETNAME app"}
			for round := range 2 {
				for i, p := range many {
					p.Send(calls[i%len(calls)])
				}
				harness.Until(t, "each has failed: none waits for its turn", func() bool { return s.Metrics().Events["auth_failed"] == int64(n*(round+1)) })
				if addr != "127.0.0.1:4711" {
					waits(t, s, n) // their replies are delayed
				}
				honest := dialMany(t, s, tcpAddr(addr), 2)
				require.Equal(t, "OK", honest[0].Ask("AUTH secret"))
				require.Contains(t, honest[1].Ask("HELLO 2 AUTH default secret"), "7.0.15")
				if addr != "127.0.0.1:4711" {
					clock.Advance(100 * time.Millisecond)
				}
				for _, p := range many {
					require.Equal(t, wrongPassword, p.Read())
				}
			}
		}
	}
}

// Repeating a wrong password does not count. All others count, and the correct
// one waits among them, even if it was wrong before.
func TestWrongPasswordGivenAgain(t *testing.T) {
	s, clock := guarded(t, "auth-failure-delay", "0", "auth-max-failures", "0")
	p, other := dialFrom(t, s, "192.0.2.7:1"), dialFrom(t, s, "192.0.2.7:2")
	for i := range 5 {
		require.Equal(t, wrongPassword, p.Ask(fmt.Sprint("AUTH wrong", i)))
	}
	for i := range 5 {
		require.Equal(t, wrongPassword, other.Ask(fmt.Sprint("AUTH wrong", i)))
		require.Equal(t, wrongPassword, p.Ask(fmt.Sprint("AUTH default wrong", i)))
	}
	require.Contains(t, p.Ask("HELLO 3"), "NOAUTH", "it gives no password")
	other.Send("AUTH ann wrong1") // another user's
	waits(t, s, 1)
	p.Send("AUTH secret")
	waits(t, s, 2)
	clock.Advance(200 * time.Millisecond)
	require.Equal(t, wrongPassword, other.Read())
	waits(t, s, 1)
	clock.Advance(200 * time.Millisecond)
	require.Equal(t, "OK", p.Read())

	do(t, s, "CONFIG", "SET", "requirepass", "wrong1")
	require.Equal(t, "OK", other.Ask("AUTH wrong1"), "it is looked at, and is right by now")

	// Only the last few are remembered.
	for i := range 8 {
		clock.Advance(200 * time.Millisecond)
		require.Equal(t, wrongPassword, p.Ask(fmt.Sprint("AUTH next", i)))
	}
	require.Equal(t, wrongPassword, p.Ask("AUTH last")) // the correct password did not use it up
	p.Send("AUTH wrong0")
	waits(t, s, 1)
}
