package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/redistest"
	"github.com/parley-chat/parley/server"
)

// from is a listener whose connections come from another address than they do.
type from struct {
	net.Listener
	addr string
}

func (f from) Accept() (net.Conn, error) {
	conn, err := f.Listener.Accept()
	return fromConn{conn, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(f.addr))}, err
}

type fromConn struct {
	net.Conn
	addr net.Addr
}

func (c fromConn) RemoteAddr() net.Addr { return c.addr }

// dialFrom connects as if from another address.
func dialFrom(t *testing.T, s *server.Server, addr string) *harness.Client {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(from{l, addr}) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() {
		conn.Close()
		l.Close()
		<-served
	})
	return harness.NewClient(t, conn)
}

func TestProtectedModeRefusesRemoteClients(t *testing.T) {
	for _, addr := range []string{"192.0.2.7:4711", "[2001:db8::7]:4711", "[::ffff:192.0.2.7]:4711", "[fe80::1%eth0]:4711", "0.0.0.0:4711"} {
		s := newServer(t, server.Options{})
		p := dialFrom(t, s, addr)
		require.Contains(t, p.Read(), "DENIED", addr)
		p.RequireClosed()
		require.Contains(t, do(t, s, "INFO", "stats"), "total_connections_received:0\r\n")
		require.Contains(t, do(t, s, "INFO", "stats"), "rejected_connections:1\r\n")
	}
	for _, addr := range []string{"127.0.0.1:4711", "127.1.2.3:4711", "[::1]:4711", "[::ffff:127.0.0.1]:4711"} {
		require.Equal(t, "PONG", dialFrom(t, newServer(t, server.Options{}), addr).Ask("PING"), addr)
	}
}

// What holds is what is so when a connection comes.
func TestProtectedModeIsJudgedPerConnection(t *testing.T) {
	const addr = "192.0.2.7:4711"
	s := newServer(t, server.Options{Password: "secret"})
	early := dialFrom(t, s, addr)
	require.Equal(t, "OK", early.Ask("AUTH secret"))
	do(t, s, "CONFIG", "SET", "requirepass", "")
	require.Equal(t, "PONG", early.Ask("PING"))
	require.Contains(t, dialFrom(t, s, addr).Read(), "DENIED")
	do(t, s, "CONFIG", "SET", "protected-mode", "no")
	require.Equal(t, "PONG", dialFrom(t, s, addr).Ask("PING"))

	open := newServer(t, server.Options{Config: map[string]string{"protected-mode": "no"}})
	require.Equal(t, "PONG", dialFrom(t, open, addr).Ask("PING"))
}

// external is an address of this machine on a network.
func external(t *testing.T) string {
	addrs, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() && n.IP.To4() != nil {
			return n.IP.String()
		}
	}
	t.Skip("this machine is on no network")
	return ""
}

// everything is what is sent until the other side closes.
func everything(t *testing.T, addr string) string {
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	text, err := io.ReadAll(conn)
	require.NoError(t, err)
	return string(text)
}

func TestProtectedModeIsRedis(t *testing.T) {
	host := external(t)
	redis := redistest.Start(t, "--bind", "*")
	s, err := server.Start(server.Options{Addr: ":0"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	at := func(addr string) string {
		_, port, err := net.SplitHostPort(addr)
		require.NoError(t, err)
		return net.JoinHostPort(host, port)
	}
	require.Equal(t, everything(t, at(redis.Addr())), everything(t, at(s.Addr())))
}

func TestUnixSocketMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		_, err := server.Start(server.Options{Socket: filepath.Join(t.TempDir(), "s"), SocketMode: 0o700})
		require.Error(t, err)
		return
	}
	for _, mode := range []os.FileMode{0o700, 0o770, 0o777, 0o600} {
		socket := filepath.Join(t.TempDir(), "s")
		stop := make(chan struct{})
		first := make(chan os.FileMode, 1)
		go func() { // whoever gets in first sees the permissions that were asked for
			for {
				if conn, err := net.Dial("unix", socket); err == nil {
					info, err := os.Stat(socket)
					conn.Close()
					if err == nil {
						first <- info.Mode().Perm()
					}
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		}()
		s, err := server.Start(server.Options{Socket: socket, SocketMode: mode})
		if err != nil {
			close(stop)
		}
		require.NoError(t, err)
		require.Equal(t, mode, <-first)
		conn, err := net.Dial("unix", socket)
		require.NoError(t, err)
		p := harness.NewClient(t, conn)
		require.Contains(t, p.Ask("CLIENT LIST"), "addr="+socket+":0 laddr="+socket+":0")
		conn.Close()
		require.NoError(t, s.Close())
		require.NoFileExists(t, socket)
	}
}

// A socket that a killed process has left is replaced; one that is served is not.
func TestUnixSocketWithModeMayBeStale(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("permissions of sockets are Unix's")
	}
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	o := server.Options{Socket: socket, SocketMode: 0o700}
	_, err = server.Start(o)
	require.Error(t, err)
	require.NoError(t, l.Close())
	s, err := server.Start(o)
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

// dialTo connects to an address.
func dialTo(t *testing.T, addr string) *harness.Client {
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	return harness.NewClient(t, conn)
}

// countingListener counts what has been accepted.
type countingListener struct {
	net.Listener
	accepted atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.accepted.Add(1)
	}
	return conn, err
}

// gate is a log that blocks on "client connected", which is logged under the
// engine's lock.
type gate struct {
	slog.Handler
	open chan struct{}
}

func (g gate) Enabled(context.Context, slog.Level) bool { return true }

func (g gate) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "client connected" {
		<-g.open
	}
	return nil
}

// While the lock is taken, connections wait in the listener's backlog. Once it is
// free all are served.
func TestAcceptedConnectionsAreLimited(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	counted := &countingListener{Listener: l}
	held := gate{slog.DiscardHandler, make(chan struct{})}
	openOnce := sync.OnceFunc(func() { close(held.open) })
	s := newServer(t, server.Options{Logger: slog.New(held)})
	go s.Serve(counted)

	const clients, most = 100, 64
	for range clients {
		conn, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
	}
	defer openOnce()
	stacks := make([]byte, 1<<20)
	harness.Until(t, "the accept loop waits for a slot", func() bool {
		return bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("(*Server).acceptConn("))
	})
	require.Equal(t, int64(most+1), counted.accepted.Load())
	openOnce()
	harness.Until(t, "all are clients", func() bool {
		return strings.Contains(do(t, s, "INFO", "clients"), fmt.Sprintf("connected_clients:%d\r\n", clients))
	})
}
