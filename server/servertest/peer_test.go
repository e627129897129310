package servertest_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server/servertest"
)

// A peer is a client without a library: it writes lines, and reads when told to.
type peer struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

// connect dials over the network, if the server has one.
func connect(t testing.TB, s *servertest.Server) *peer {
	t.Helper()
	dial := s.Dial
	if s.Addr() != "" {
		dial = func() (net.Conn, error) { return net.Dial("tcp", s.Addr()) }
	}
	conn, err := dial()
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return &peer{t, conn, bufio.NewReader(conn)}
}

// send sends calls and reads nothing.
func (p *peer) send(lines ...string) {
	p.t.Helper()
	for _, line := range lines {
		_, err := fmt.Fprintf(p.conn, "%s\r\n", line)
		require.NoError(p.t, err)
	}
}

// line reads one line of what has come.
func (p *peer) line() string {
	p.t.Helper()
	line, err := p.in.ReadString('\n')
	require.NoError(p.t, err)
	return strings.TrimSuffix(line, "\r\n")
}

// call sends calls whose replies are one line, and returns that of the last.
func (p *peer) call(lines ...string) (reply string) {
	p.t.Helper()
	for _, line := range lines {
		p.send(line)
		reply = p.line()
	}
	return reply
}

// skip reads n lines.
func (p *peer) skip(n int) {
	p.t.Helper()
	for range n {
		p.line()
	}
}
