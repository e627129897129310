package testkit_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/redistest"
	"github.com/parley-chat/parley/internal/testkit"
	"github.com/parley-chat/parley/server"
)

// refusedCalls are what both servers are asked: calls of each kind that some state of
// Redis refuses, and some that it does not.
const refusedCalls = `GET k
SET k v
DEL k
INCR n
PING
ECHO x
SELECT 0
PUBLISH c x
WATCH k
UNWATCH
DBSIZE
TTL k
SPUBLISH s x
ACL WHOAMI
COMMAND GETKEYS GET k
CONFIG GET port
MULTI
GET k
EXEC
MULTI
SET k v
EXEC
MULTI
EXEC
TIME x
WHAT`

// A Redis that is in the state which an error tells of answers each call as parley
// does under the fault, word for word: what is refused, and what is not.
func TestReadyMadeErrorsAreThoseOfRedis(t *testing.T) {
	t.Parallel()
	gone := filepath.Join(t.TempDir(), "gone")
	require.NoError(t, os.Mkdir(gone, 0o700))
	states := []struct {
		code  string
		args  []string
		bring func(t *testing.T, r *redistest.Redis) // into the state
	}{
		{"READONLY", []string{"--replicaof", "127.0.0.1", "1"}, nil},
		{"MASTERDOWN", []string{"--replicaof", "127.0.0.1", "1", "--replica-serve-stale-data", "no", "--replica-read-only", "no"}, nil},
		{"OOM", []string{"--maxmemory", "1"}, nil},
		{"NOREPLICAS", []string{"--min-replicas-to-write", "1"}, nil},
		{"CLUSTERDOWN", []string{"--cluster-enabled", "yes"}, nil},
		{"NOAUTH", nil, func(t *testing.T, r *redistest.Redis) { ask(t, r.Dial, "CONFIG SET requirepass secret") }},
		{"MISCONF", []string{"--save", "60 1", "--dir", gone}, func(t *testing.T, r *redistest.Redis) {
			require.NoError(t, os.RemoveAll(gone))
			ask(t, r.Dial, "SET dirty 1", "BGSAVE")
			await(t, func() bool {
				return strings.Contains(ask(t, r.Dial, "INFO persistence")[0], "rdb_last_bgsave_status:err")
			})
			ask(t, r.Dial, "PING")
		}},
		{"BUSY", []string{"--busy-reply-threshold", "1"}, func(t *testing.T, r *redistest.Redis) {
			tell(t, r.Dial, "EVAL 'while true do end' 0")
			await(t, func() bool { return strings.Contains(ask(t, r.Dial, "GET k")[0], "BUSY") })
		}},
		{"LOADING", []string{"--enable-debug-command", "yes", "--loading-process-events-interval-bytes", "1024"}, func(t *testing.T, r *redistest.Redis) {
			ask(t, r.Dial, "DEBUG POPULATE 100000", "CONFIG SET key-load-delay 1000")
			tell(t, r.Dial, "DEBUG RELOAD")
			await(t, func() bool { return strings.Contains(ask(t, r.Dial, "GET k")[0], "LOADING") })
		}},
	}
	for _, state := range states {
		t.Run(state.code, func(t *testing.T) {
			r := redistest.Start(t, state.args...)
			if state.bring != nil {
				state.bring(t, r)
			}
			ours, err := testkit.New(server.Options{})
			require.NoError(t, err)
			defer ours.Close()
			_, err = ours.Inject(testkit.Fault{Error: state.code})
			require.NoError(t, err)
			calls := strings.Split(refusedCalls, "\n")
			got, want := ask(t, ours.Dial, calls...), ask(t, r.Dial, calls...)
			for i, call := range calls {
				if call == "DBSIZE" || call == "CONFIG GET port" { // what they hold is another matter
					got[i], want[i] = got[i][:4], want[i][:4]
				}
				require.Equal(t, want[i], got[i], "%s, call %d", call, i)
			}
		})
	}
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	require.Eventually(t, done, harness.GiveUp, 10*time.Millisecond)
}

// ask makes calls on a connection, each after the reply to the one before.
func ask(t *testing.T, dial func() (net.Conn, error), calls ...string) (replies []string) {
	t.Helper()
	conn, err := dial()
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(harness.GiveUp)))
	r := resp.NewReader(conn)
	for _, call := range calls {
		fmt.Fprintf(conn, "%s\r\n", call)
		v, err := r.Read()
		require.NoError(t, err, call)
		replies = append(replies, v.String())
	}
	return replies
}

// tell makes a call that is not answered.
func tell(t *testing.T, dial func() (net.Conn, error), call string) {
	t.Helper()
	conn, err := dial()
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "%s\r\n", call)
}
