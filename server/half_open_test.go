package server_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

// What a client may be doing when its connection ends without a word.
var midway = []string{
	"", "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\nhalf", "PING\r\n", "MULTI\r\nSET k v\r\n", "WATCH k\r\n", "SUBSCRIBE c\r\nPSUBSCRIBE c*\r\nSSUBSCRIBE c\r\n",
	"BZPOPMIN z 0\r\nSET k v\r\n", "HELLO 3\r\nCLIENT TRACKING ON\r\nGET k\r\n", "MONITOR\r\n", strings.Repeat("GET large\r\n", 50), "QUIT\r\nSET k v\r\n",
}

// Thousands of clients that reset their connections, whatever they were doing,
// leave nothing behind.
func TestThousandsOfResetConnections(t *testing.T) {
	overTransports(t, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
		do(t, s, "SET", "large", strings.Repeat("x", 100_000))
		for i := range 4000 {
			conn, err := net.Dial("tcp", s.Addr())
			require.NoError(t, err)
			io.WriteString(conn, midway[i%len(midway)])
			if i%4 != 0 {
				require.NoError(t, conn.(*net.TCPConn).SetLinger(0))
			}
			conn.Close()
		}
		harness.Until(t, "all are forgotten", func() bool {
			return strings.Contains(do(t, s, "INFO", "clients"), "connected_clients:0\r\n")
		})
		for _, field := range []string{"blocked_clients:0", "tracking_clients:0", "pubsub_channels:0", "pubsub_patterns:0", "pubsubshard_channels:0"} {
			require.Contains(t, do(t, s, "INFO", "everything"), field+"\r\n")
		}
	}, "tcp")
}

// What comes before a broken stream runs, what comes behind it does not, and the
// connection ends.
func TestNothingRunsBehindABrokenStream(t *testing.T) {
	for _, protocol := range []string{"2", "3"} {
		overTransports(t, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
			p := dial()
			p.Ask("HELLO " + protocol)
			p.Send("SET a 1\r\n*1\r\n$-5\r\nSET b 1\r\nSET c 1")
			require.Equal(t, "OK", p.Read())
			require.Contains(t, p.Read(), "Protocol error")
			p.RequireClosed()
			require.Equal(t, "(integer) 1", do(t, s, "EXISTS", "a", "b", "c"))
		})
	}
}

// A client that has ended itself, in whichever way, has run what it sent before,
// and nothing of what it sent behind.
func TestNothingRunsBehindOnesOwnEnd(t *testing.T) {
	for _, protocol := range []string{"2", "3"} {
		for _, end := range []string{"QUIT", "CLIENT KILL ID %s SKIPME no", "CLIENT KILL TYPE normal SKIPME no"} {
			overTransports(t, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
				p := dial()
				p.Ask("HELLO " + protocol)
				id := strings.TrimPrefix(p.Ask("CLIENT ID"), "(integer) ")
				p.Send("SET a 1\r\n" + strings.ReplaceAll(end, "%s", id) + "\r\nSET b 1\r\nMULTI\r\nSET c 1\r\nEXEC")
				io.Copy(io.Discard, p.Conn)
				require.Equal(t, "(integer) 1", do(t, s, "EXISTS", "a", "b", "c"))
			})
		}
	}
}

// To subscribe to very many channels is nobody else's matter, nor is to leave them.
func TestHundredThousandChannels(t *testing.T) {
	s := newServer(t, server.Options{})
	p, other := dial(t, s), dial(t, s)
	const channels = 100_000
	for from := 0; from < channels; from += 1000 {
		var call strings.Builder
		call.WriteString("SUBSCRIBE")
		for i := range 1000 {
			fmt.Fprintf(&call, " c%d", from+i)
		}
		p.Send(call.String())
		for range 1000 {
			p.Read()
		}
		require.Equal(t, "PONG", other.Ask("PING"))
	}
	require.Equal(t, "(integer) 1", other.Ask("PUBLISH c99999 x"))
	require.Contains(t, p.Read(), "message")
	require.NoError(t, p.Close())
	require.Contains(t, other.Ask("INFO stats"), "pubsub_channels:0")
}
