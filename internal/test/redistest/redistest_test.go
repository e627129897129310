package redistest_test

import (
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/redistest"
)

// ask sends an inline command and returns the reply.
func ask(t *testing.T, conn net.Conn, call string) string {
	_, err := io.WriteString(conn, call+"\r\n")
	require.NoError(t, err)
	v, err := resp.NewReader(conn).Read()
	require.NoError(t, err)
	return v.Text()
}

func TestStartedRedisAnswersOnBothWays(t *testing.T) {
	r := redistest.Start(t, "--databases", "3")
	unix, err := r.Dial()
	require.NoError(t, err)
	defer unix.Close()
	require.Equal(t, "OK", ask(t, unix, "SET k v"))
	tcp, err := net.Dial("tcp", r.Addr())
	require.NoError(t, err)
	defer tcp.Close()
	require.Equal(t, "v", ask(t, tcp, "GET k"))
	require.Contains(t, ask(t, tcp, "SELECT 3"), "out of range")
	require.Contains(t, ask(t, tcp, "INFO server"), "redis_version:"+redistest.Version)
}

func TestRedisWithPassword(t *testing.T) {
	r := redistest.Start(t, "--requirepass", "secret")
	conn, err := r.Dial()
	require.NoError(t, err)
	defer conn.Close()
	require.Contains(t, ask(t, conn, "GET k"), "NOAUTH")
	require.Equal(t, "OK", ask(t, conn, "AUTH secret"))
}

func TestRedisEndsWithItsTest(t *testing.T) {
	var r *redistest.Redis
	t.Run("inner", func(t *testing.T) { r = redistest.Start(t) })
	if r == nil {
		t.Skip("no redis-server")
	}
	_, err := r.Dial()
	require.Error(t, err)
	_, err = net.Dial("tcp", r.Addr())
	require.Error(t, err)
	_, err = os.Stat(r.Socket())
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestCLI(t *testing.T) {
	cli, r := redistest.CLI(t), redistest.Start(t)
	out, err := exec.Command(cli, "-s", r.Socket(), "PING").Output()
	require.NoError(t, err)
	require.Equal(t, "PONG", strings.TrimSpace(string(out)))
}
