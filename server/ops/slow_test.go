package ops_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

// slowKinds are ways to hold a connection to the page open.
var slowKinds = map[string]func(t *testing.T, conn *net.TCPConn){
	"nothing sent":    func(*testing.T, *net.TCPConn) {},
	"half a head":     sends("GET /healthz HTTP/1.1\r\nHost: loc"),
	"no body":         sends("POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx"),
	"unread reply":    sends("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"),
	"unread replies":  sends(strings.Repeat("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 100)),
	"unread profiles": sends(strings.Repeat("GET /debug/pprof/goroutine?debug=2 HTTP/1.1\r\nHost: localhost\r\n\r\n", 100)),
	"idle": func(t *testing.T, conn *net.TCPConn) {
		io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		io.ReadFull(conn, make([]byte, 15))
	},
}

func sends(text string) func(*testing.T, *net.TCPConn) {
	return func(t *testing.T, conn *net.TCPConn) {
		require.NoError(t, conn.SetReadBuffer(4<<10))
		io.WriteString(conn, text) // it may have been reset
	}
}

// Whoever holds connections open keeps nobody from the page.
func TestSlowConnectionsKeepNobodyOut(t *testing.T) {
	for kind, begin := range slowKinds {
		t.Run(kind, func(t *testing.T) {
			n := 300
			if kind == "half a head" {
				n = 1000
			}
			s := newServer(t, server.Options{})
			p := startPage(t, s, ":0")
			for range n {
				conn, err := net.Dial("tcp", p.Addr())
				require.NoError(t, err)
				defer conn.Close()
				begin(t, conn.(*net.TCPConn))
			}
			for range 10 {
				code, body := get(t, p, "/healthz")
				require.Equal(t, http.StatusOK, code, body)
				code, body = get(t, p, "/metrics")
				require.Equal(t, http.StatusOK, code)
				require.Contains(t, body, "\nredis_up 1\n")
			}
			require.LessOrEqual(t, goroutinesIn("net/http.(*conn).serve"), 16)
		})
	}
}

// While the lock on the data is held, no number of those who want metrics keeps the
// reason from who asks for it.
func TestHealthBesideMetricsWhileTheLockIsHeld(t *testing.T) {
	h := &holder{slog.NewTextHandler(io.Discard, nil), make(chan struct{}), make(chan struct{})}
	s := newServer(t, server.Options{Logger: slog.New(h)})
	p := startPage(t, s, ":0")
	var all sync.WaitGroup
	all.Go(func() { s.Do(context.Background(), "CONFIG", "SET", "maxclients", "5") })
	<-h.holding
	for range 100 {
		conn, err := net.Dial("tcp", p.Addr())
		require.NoError(t, err)
		defer conn.Close()
		slowKinds["unread reply"](t, conn.(*net.TCPConn))
	}
	for range 3 {
		code, body := get(t, p, "/healthz")
		require.Equal(t, http.StatusServiceUnavailable, code)
		require.Contains(t, body, "holds the lock")
	}
	close(h.letGo)
	all.Wait()
	code, body := get(t, p, "/metrics")
	require.Equal(t, http.StatusOK, code, body)
}

// Slow clients of the port of Redis do not matter to the page either.
func TestSlowClientsKeepNobodyFromThePage(t *testing.T) {
	s, err := server.Start(server.Options{Password: "secret"})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	p := startPage(t, s, ":0")
	for i := range 300 {
		conn, err := net.Dial("tcp", s.Addr())
		require.NoError(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, []string{"", "*2\r\n$4\r\nAUTH\r\n$1000\r\nx", "AUTH secret\r\nSET k v\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\nx", "AUTH secret\r\nBZPOPMIN z 0\r\n"}[i%4])
		require.NoError(t, err)
	}
	for range 10 {
		code, body := get(t, p, "/healthz")
		require.Equal(t, http.StatusOK, code, body)
		code, _ = get(t, p, "/metrics")
		require.Equal(t, http.StatusOK, code)
	}
}

// A request that is being answered is not cut off for the sake of others.
func TestConnectionThatIsServedIsKept(t *testing.T) {
	s := newServer(t, server.Options{})
	p := startPage(t, s, ":0")
	served, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	defer served.Close()
	_, err = io.WriteString(served, "GET /debug/pprof/profile?seconds=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	require.NoError(t, err)
	harness.Until(t, "the profile is being written", func() bool { return goroutinesIn("runtime/pprof.profileWriter") > 0 })
	for range 100 {
		conn, err := net.Dial("tcp", p.Addr())
		require.NoError(t, err)
		defer conn.Close()
	}
	code, _ := get(t, p, "/healthz")
	require.Equal(t, http.StatusOK, code)
	answer, err := io.ReadAll(served)
	require.NoError(t, err)
	require.Contains(t, string(answer), "HTTP/1.1 200 OK")
	require.Contains(t, string(answer), "\x1f\x8b")
}
