package servertest_test

import (
	"net"
	"testing"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server/servertest"
)

func dial(t testing.TB, s *servertest.Server) *harness.Client { return harness.Connect(t, s.Dial) }

// connect dials over the network if the server has one.
func connect(t testing.TB, s *servertest.Server) *harness.Client {
	t.Helper()
	dial := s.Dial
	if s.Addr() != "" {
		dial = func() (net.Conn, error) { return net.Dial("tcp", s.Addr()) }
	}
	return harness.Connect(t, dial)
}
