package server_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

// callsOf are calls that name a row, with as many words as it asks for.
func callsOf(m *commands.Command) [][]string {
	words := strings.Split(m.FullName(), "|")
	least := max(m.Arity, -m.Arity)
	for len(words) < least {
		words = append(words, "1")
	}
	return [][]string{words}
}

// An unauthenticated client can run four commands and nothing else.
func TestUnauthenticatedClientCanDoNothing(t *testing.T) {
	may := map[string]bool{"auth": true, "hello": true, "quit": true, "reset": true}
	var rows []*commands.Command
	for _, m := range commands.Standard().Rows() {
		rows = append(append(rows, m), m.Children()...)
	}
	s := newServer(t, server.Options{Password: "secret", Debug: "yes"})
	do(t, s, "SET", "1", "v")
	before := do(t, s, "GET", "1")
	for _, protocol := range []string{"", "HELLO 3"} {
		p := dial(t, s)
		if protocol != "" {
			require.Contains(t, p.Ask(protocol), "NOAUTH")
		}
		for _, begin := range []string{"", "MULTI"} { // which is refused as well
			if begin != "" {
				require.Contains(t, p.Ask(begin), "NOAUTH")
			}
			for _, m := range rows {
				if may[m.Name] {
					continue
				}
				for _, words := range callsOf(m) {
					p.SendWords(words...)
					reply := p.Read()
					require.True(t, strings.HasPrefix(reply, "(error) NOAUTH Authentication required.") ||
						strings.HasPrefix(reply, "(error) EXECABORT Transaction discarded because of: NOAUTH") ||
						strings.HasPrefix(reply, "(error) ERR DEBUG command not allowed") ||
						m.Run == nil && strings.HasPrefix(reply, "(error) ERR "), "%v: %s", words, reply)
				}
			}
		}
		require.Contains(t, p.Ask("HELLO 3 SETNAME eve"), "NOAUTH")
		require.Equal(t, "RESET", p.Ask("RESET"))
		require.Equal(t, "OK", p.Ask("QUIT"))
		p.RequireClosed()
	}
	require.Equal(t, before, do(t, s, "GET", "1"))
	require.Equal(t, "(integer) 1", do(t, s, "DBSIZE"))
}

// At most one of ten connections is unauthenticated.
func TestUnauthenticatedClientsLeaveRoomForOthers(t *testing.T) {
	s, _ := guarded(t, "maxclients", "200")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go s.Serve(l)
	enter := func() *harness.Client {
		p := dialTo(t, l.Addr().String())
		p.Send("GET k")
		return p
	}
	var clients []*harness.Client
	for range 20 {
		p := enter()
		require.Contains(t, p.Read(), "NOAUTH")
		clients = append(clients, p)
	}
	require.Equal(t, "(error) ERR max number of clients reached", enter().Read())
	require.Equal(t, "OK", dial(t, s).Ask("AUTH secret"), "code of the process comes in")
	require.Equal(t, "OK", clients[0].Ask("AUTH secret"))
	p := enter()
	require.Contains(t, p.Read(), "NOAUTH")
	require.NoError(t, p.Close())
	harness.Until(t, "it has left", func() bool { return strings.Contains(do(t, s, "INFO", "clients"), "connected_clients:21\r\n") })
	require.Equal(t, "RESET", clients[0].Ask("RESET")) // unauthenticated again
	require.Equal(t, "(error) ERR max number of clients reached", enter().Read())
	do(t, s, "CONFIG", "SET", "requirepass", "")
	require.Equal(t, "(nil)", enter().Read())
}

// An unauthenticated client that is killed frees its place, however it ends.
func TestKilledUnauthenticatedClientsLeaveRoom(t *testing.T) {
	const addr = "192.0.2.7:4711"
	for name, end := range map[string]func(s *server.Server, p *harness.Client){
		"killed": func(s *server.Server, p *harness.Client) {
			require.Contains(t, p.Ask("GET k"), "NOAUTH")
			do(t, s, "CLIENT", "KILL", "TYPE", "normal")
		},
		"of a user who removes himself": func(s *server.Server, p *harness.Client) {
			do(t, s, "ACL", "SETUSER", "ann", "on", "nopass", "+@all")
			require.Equal(t, "OK", p.Ask("AUTH ann x"))
			require.Equal(t, "(integer) 1", p.Ask("ACL DELUSER ann"))
		},
	} {
		s, _ := guarded(t, "maxclients", "100")
		for range 20 {
			p := dialFrom(t, s, addr)
			end(s, p)
			p.RequireClosed()
		}
		harness.Until(t, name, func() bool {
			p := dialFrom(t, s, addr)
			p.Send("GET k")
			return strings.Contains(p.Read(), "NOAUTH")
		})
	}
}

// An unauthenticated client makes the server keep little memory.
func TestUnauthenticatedFloodIsBounded(t *testing.T) {
	s, _ := guarded(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go s.Serve(l)
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4<<10))
	require.NoError(t, conn.SetWriteDeadline(time.Now().Add(harness.GiveUp)))
	piece := strings.Repeat("PING\r\n", 1000)
	for range 10_000 { // far more than the kernel keeps
		if _, err := io.WriteString(conn, piece); err != nil {
			break
		}
		m := s.Metrics()
		require.Less(t, m.Input+m.Output, int64(1<<20))
	}
	harness.Until(t, "cut off", func() bool { return strings.Contains(do(t, s, "INFO", "clients"), "connected_clients:0\r\n") })
}
