package commands_test

import (
	"net"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/redistest"
	"github.com/parley-chat/parley/internal/test/transcript"
)

// onBoth has a conversation with parley and with a real Redis, in both
// protocols, and requires that what it returns is the same: for what no
// transcript can hold, since times or addresses are in it.
func onBoth(t *testing.T, talk func(t *testing.T, s *talked) []string) {
	redistest.Need(t)
	inBothProtocols(t, func(t *testing.T, protocol int) {
		theirs := talk(t, &talked{t, redis(t), protocol})
		ours := talk(t, &talked{t, parley(t), protocol})
		require.NotEmpty(t, theirs)
		require.Equal(t, theirs, ours)
	})
}

// A talked is a server that is talked to.
type talked struct {
	t *testing.T
	transcript.Target
	protocol int
}

func (s *talked) dial() *line {
	s.t.Helper()
	conn, err := s.Dial()
	require.NoError(s.t, err)
	s.t.Cleanup(func() { conn.Close() })
	l := &line{s.t, conn, resp.NewReader(conn)}
	if s.protocol == 3 {
		l.ask("HELLO", "3")
	}
	return l
}

// A line is a connection.
type line struct {
	t       *testing.T
	conn    net.Conn
	replies *resp.Reader
}

func (l *line) send(words ...string) {
	l.t.Helper()
	var w wire.Writer
	w.Array(len(words))
	for _, word := range words {
		w.BulkString(word)
	}
	_, err := l.conn.Write(w.Bytes())
	require.NoError(l.t, err)
}

func (l *line) read() resp.Value {
	l.t.Helper()
	require.NoError(l.t, l.conn.SetReadDeadline(time.Now().Add(time.Minute)))
	v, err := l.replies.Read()
	require.NoError(l.t, err)
	return v
}

func (l *line) ask(words ...string) resp.Value {
	l.t.Helper()
	l.send(words...)
	return l.read()
}
