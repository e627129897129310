package clienttest

import (
	"context"
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server"
)

// An endpoint is a server and one way to it.
type endpoint struct {
	server   *server.Server
	network  string // "tcp", "unix" or "memory"
	addr     string
	password string
}

// dial connects as the transport does by itself; it has the form of every
// library's own dialer.
func (e endpoint) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if e.network == "memory" {
		return e.server.DialContext(ctx, network, addr)
	}
	var d net.Dialer
	return d.DialContext(ctx, e.network, e.addr)
}

// start runs a server until the test ends. It must then end at once.
func start(t testing.TB, network, password string) endpoint {
	o := server.Options{Password: password}
	e := endpoint{network: network, password: password}
	var err error
	switch network {
	case "memory":
		e.server, err = server.New(o)
	case "unix":
		o.Socket = filepath.Join(t.TempDir(), "s")
		e.addr = o.Socket
		e.server, err = server.Start(o)
	case "tcp":
		e.server, err = server.Start(o)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.server.Close()) })
	switch network {
	case "memory":
		e.addr = "127.0.0.1:6379" // never dialled; of a name, go-redis would ask the DNS
	case "tcp":
		e.addr = e.server.Addr()
	}
	return e
}

// startOnBoth runs a server with a port and a unix socket until the test ends.
func startOnBoth(t testing.TB, password string) (s *server.Server, socket string) {
	socket = filepath.Join(t.TempDir(), "s")
	s, err := server.Start(server.Options{Password: password, Socket: socket})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s, socket
}

// overAll runs a test over each transport, with and without a password.
func overAll(t *testing.T, test func(*testing.T, endpoint)) {
	for _, network := range []string{"tcp", "unix", "memory"} {
		for _, password := range []string{"", "open sesame"} {
			name := network
			if password != "" {
				name += " with a password"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, start(t, network, password))
			})
		}
	}
}
