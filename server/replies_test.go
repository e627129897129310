package server_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/redistest"
	"github.com/parley-chat/parley/server"
)

// What CLIENT REPLY leaves of the bytes that would be sent, and what a client is
// told of its own doing, is what Redis sends: within EXEC too, where the reply
// then lacks elements.
func TestMutedBytesAreThoseOfRedis(t *testing.T) {
	redistest.Need(t)
	redis, s := redistest.Start(t), newServer(t, server.Options{})
	const inResp3 = "CLIENT REPLY OFF|HELLO 3|CLIENT REPLY ON|"
	for _, pipeline := range []string{
		"MULTI|ECHO 1|CLIENT REPLY OFF|ECHO 2|EXEC|ECHO 3",
		"MULTI|ECHO 1|CLIENT REPLY SKIP|ECHO 2|EXEC|ECHO 3|ECHO 4",
		"MULTI|CLIENT REPLY SKIP|CLIENT REPLY ON|EXEC|ECHO 1|ECHO 2",
		"MULTI|CLIENT REPLY SKIP|CLIENT REPLY OFF|EXEC|ECHO 1|CLIENT REPLY ON|ECHO 2",
		"MULTI|CLIENT REPLY OFF|CLIENT REPLY SKIP|CLIENT REPLY ON|ECHO 1|EXEC|ECHO 2",
		"CLIENT REPLY OFF|MULTI|ECHO 1|CLIENT REPLY ON|ECHO 2|CLIENT REPLY OFF|ECHO 3|CLIENT REPLY ON|EXEC|ECHO 4",
		"CLIENT REPLY SKIP|MULTI|ECHO 1|EXEC",
		"MULTI|CLIENT REPLY SKIP|EXEC|RESET|ECHO 1",
		"MULTI|CLIENT REPLY OFF|EXEC|RESET|ECHO 1",
		"CLIENT REPLY SKIP|CLIENT REPLY OFF|RESET|ECHO 1",
		"MULTI|CLIENT REPLY nosuch|CLIENT REPLY OFF|NOSUCH|EXEC|CLIENT REPLY SKIP|EXEC",
		"CLIENT REPLY OFF|SUBSCRIBE n|PING|UNSUBSCRIBE n",
		"CLIENT REPLY SKIP|SUBSCRIBE a b c|PING|RESET",
		"CLIENT REPLY SKIP|SRANDMEMBER nosuch -5|KEYS *|CLIENT REPLY SKIP|COMMAND LIST|ECHO 1",
		inResp3 + "SUBSCRIBE n|PUBLISH n 1|MULTI|PUBLISH n 2|ECHO 1|CLIENT REPLY OFF|PUBLISH n 3|ECHO 2|EXEC|PUBLISH n 4|UNSUBSCRIBE",
		inResp3 + "SSUBSCRIBE n|MULTI|SPUBLISH n 1|SUNSUBSCRIBE n|SPUBLISH n 2|EXEC|SPUBLISH n 3",
		inResp3 + "CLIENT REPLY OFF|PSUBSCRIBE n*|SUBSCRIBE n|MULTI|PUBLISH n 1|CLIENT REPLY ON|PUBLISH n 2|EXEC|RESET",
		inResp3 + "SUBSCRIBE n|PSUBSCRIBE n*|ECHO 1|PUBLISH n x|ECHO 2|CLIENT REPLY SKIP|PUBLISH n y|ECHO 3",
		inResp3 + "CONFIG SET notify-keyspace-events AKEm|PSUBSCRIBE __key*__:*|CLIENT REPLY OFF|GET nosuch|SET k v|MGET a b|DEL k|CLIENT REPLY SKIP|" +
			"CLIENT REPLY ON|CLIENT REPLY SKIP|LCS a b|RENAME a b|CONFIG SET notify-keyspace-events \"\"",
	} {
		require.Equal(t, sent(t, redis.Dial, pipeline), sent(t, s.Dial, pipeline), pipeline)
	}
}

// sent is what a server sends to the calls of a pipeline, up to the reply that
// says that there will be no more.
func sent(t *testing.T, dial func() (net.Conn, error), pipeline string) string {
	conn, err := dial()
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.WriteString(conn, strings.ReplaceAll(pipeline, "|", "\r\n")+"\r\nCLIENT REPLY ON\r\nRESET\r\nECHO end\r\n")
	require.NoError(t, err)
	var text strings.Builder
	for r := bufio.NewReader(conn); !strings.HasSuffix(text.String(), "+RESET\r\n$3\r\nend\r\n"); {
		line, err := r.ReadString('\n')
		text.WriteString(line)
		require.NoError(t, err, text.String())
	}
	return text.String()
}

// Who kills itself is sent the reply to that and no more, but what it has asked
// for still runs to the end of its transaction.
func TestClientThatKillsItselfIsSentNoMore(t *testing.T) {
	redistest.Need(t)
	redis, s := redistest.Start(t), newServer(t, server.Options{})
	for _, pipeline := range []string{
		"CLIENT KILL ID %d SKIPME no|ECHO 1",
		"CLIENT KILL TYPE normal SKIPME no|ECHO 1",
		"MULTI|ECHO 1|CLIENT KILL ID %d SKIPME no|ECHO 2|SET k v|EXEC|ECHO 3",
		"MULTI|CLIENT KILL ID %d SKIPME no|CLIENT REPLY ON|ECHO 2|CLIENT KILL ID %d SKIPME no|EXEC|ECHO 3",
		"MULTI|CLIENT REPLY SKIP|CLIENT KILL ID %d SKIPME no|ECHO 2|EXEC|ECHO 3",
		"MULTI|CLIENT KILL ID %d SKIPME no|CLIENT REPLY SKIP|ECHO 2|ECHO 3|EXEC|ECHO 4",
		"MULTI|CLIENT KILL ID %d SKIPME no|SUBSCRIBE c|ECHO 2|EXEC|ECHO 3",
		"CLIENT REPLY OFF|HELLO 3|CLIENT REPLY ON|CLIENT TRACKING ON BCAST|SUBSCRIBE c|MULTI|SET k v|PUBLISH c 1|CLIENT KILL ID %d SKIPME no|" +
			"SET k w|PUBLISH c 2|SUBSCRIBE c|PUBLISH c 3|HELLO 2|EXEC|ECHO 3",
		"MULTI|CLIENT KILL ID %d SKIPME no|MONITOR|ECHO 2|EXEC",
		"MULTI|CLIENT KILL ID %d SKIPME no|BZPOPMIN z 0|MGET k|EXEC",
	} {
		want := sentUntilClosed(t, redis.Dial, pipeline)
		require.Equal(t, want, sentUntilClosed(t, s.Dial, pipeline), pipeline)
	}
	require.Equal(t, `"w"`, do(t, s, "GET", "k"))
}

// sentUntilClosed is what a server sends to a pipeline, in which the place of a
// number stands for the client's own, until it closes the connection.
func sentUntilClosed(t *testing.T, dial func() (net.Conn, error), pipeline string) string {
	conn, err := dial()
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.WriteString(conn, "CLIENT ID\r\n")
	require.NoError(t, err)
	r := bufio.NewReader(conn)
	id, err := r.ReadString('\n')
	require.NoError(t, err)
	pipeline = strings.ReplaceAll(pipeline, "%d", strings.Trim(id, ":\r\n"))
	_, err = io.WriteString(conn, strings.ReplaceAll(pipeline, "|", "\r\n")+"\r\n")
	require.NoError(t, err)
	text, err := io.ReadAll(r)
	require.NoError(t, err, string(text))
	return string(text)
}

// What nobody is to be sent is bounded all the same.
func TestMutedRepliesAreBounded(t *testing.T) {
	s := newServer(t, server.Options{})
	p := dial(t, s)
	p.Ask("SADD k member")
	p.Send("CLIENT REPLY OFF\r\nSRANDMEMBER k -9223372036854775807")
	rest, err := io.ReadAll(p.Conn)
	require.NoError(t, err, "it is cut off")
	require.Empty(t, rest)
}

func TestQuitOfAMutedClientEndsItsConnection(t *testing.T) {
	s := newServer(t, server.Options{})
	for _, line := range []string{"CLIENT REPLY OFF\r\nQUIT\r\nSET k v", "CLIENT REPLY SKIP\r\nQUIT", "CLIENT REPLY OFF\r\n*x", "CLIENT REPLY OFF\r\nCLIENT KILL TYPE normal SKIPME no"} {
		p := dial(t, s)
		p.Send(line)
		rest, err := io.ReadAll(p.Conn)
		require.NoError(t, err)
		require.Empty(t, rest, line)
	}
	require.Equal(t, "(integer) 0", dial(t, s).Ask("EXISTS k"))
}

func TestMonitorsThatWantNoRepliesAreShownNothing(t *testing.T) {
	s := newServer(t, server.Options{})
	p := dial(t, s)
	p.Send("CLIENT REPLY OFF\r\nMONITOR\r\nECHO x")
	do(t, s, "PING")
	require.Equal(t, "OK", p.Ask("CLIENT REPLY ON"))
}
