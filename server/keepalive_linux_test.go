package server_test

import (
	"crypto/tls"
	"net"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

// taps shows the connections that a listener accepts.
type taps struct {
	net.Listener
	accepted chan net.Conn
}

func (l taps) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.accepted <- conn
	}
	return conn, err
}

// option asks the kernel.
func option(t *testing.T, conn net.Conn, level, name int) (value int) {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) { value, err = syscall.GetsockoptInt(int(fd), level, name) }))
	require.NoError(t, err)
	return value
}

func TestKeepAliveHoldsForNewConnections(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s := newServer(t, server.Options{})
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		tapped := taps{l, make(chan net.Conn, 1)}
		dial := func() *harness.Client {
			conn, err := net.Dial("tcp", l.Addr().String())
			require.NoError(t, err)
			return harness.NewClient(t, conn)
		}
		if secure {
			go s.Serve(tls.NewListener(tapped, selfSigned(t)))
			dial = func() *harness.Client { return dialTLS(t, l.Addr().String()) }
		} else {
			go s.Serve(tapped)
		}
		for _, c := range []struct{ seconds, idle, interval int }{{300, 300, 100}, {2, 2, 1}, {1 << 30, 32767, 32767}, {0, 0, 0}} {
			do(t, s, "CONFIG", "SET", "tcp-keepalive", strconv.Itoa(c.seconds))
			p := dial()
			require.Equal(t, "PONG", p.Ask("PING")) // so it has been set up
			conn := <-tapped.accepted
			on := option(t, conn, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE)
			if c.seconds == 0 {
				require.Zero(t, on)
				continue
			}
			require.Equal(t, 1, on)
			require.Equal(t, c.idle, option(t, conn, syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE))
			require.Equal(t, c.interval, option(t, conn, syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL))
			require.Equal(t, 3, option(t, conn, syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT))
		}
	}
}
