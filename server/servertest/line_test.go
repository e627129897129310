package servertest_test

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/server/servertest"
)

// A line is a connection in memory on which calls are words of a string.
type line struct {
	t testing.TB
	net.Conn
	replies *resp.Reader
}

func dial(t testing.TB, s *servertest.Server) *line {
	conn, err := s.Dial()
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return &line{t, conn, resp.NewReader(conn)}
}

func (l *line) send(calls ...string) {
	_, err := io.WriteString(l, strings.Join(calls, "\r\n")+"\r\n")
	require.NoError(l.t, err)
}

// read waits for the next reply or message and returns it in redis-cli's form.
func (l *line) read() string {
	v, err := l.replies.Read()
	require.NoError(l.t, err)
	return v.String()
}

func (l *line) ask(call string) string {
	l.send(call)
	return l.read()
}

// messages returns what a subscriber has been sent by now: what comes before the
// answer to a PING.
func (l *line) messages() (texts []string) {
	l.send("PING")
	for {
		v, err := l.replies.Read()
		require.NoError(l.t, err)
		if v.Elems[0].Str != "message" {
			return texts
		}
		texts = append(texts, v.Elems[2].Str)
	}
}
