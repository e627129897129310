package testkit_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/redistest"
	"github.com/parley-chat/parley/internal/testkit"
	"github.com/parley-chat/parley/server"
)

// refusedCalls are sent to both servers: calls of each kind that Redis rejects
// in some state, and some that it does not.
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

// A Redis in the state of a predefined error replies to each call as parley
// does under the fault, word for word.
func TestReadyMadeErrorsAreThoseOfRedis(t *testing.T) {
	t.Parallel()
	gone := filepath.Join(t.TempDir(), "gone")
	require.NoError(t, os.Mkdir(gone, 0o700))
	states := []struct {
		code  string
		args  []string
		bring func(t *testing.T, r *redistest.Redis) // brings Redis into the state
	}{
		{"READONLY", []string{"--replicaof", "127.0.0.1", "1"}, nil},
		{"MASTERDOWN", []string{"--replicaof", "127.0.0.1", "1", "--replica-serve-stale-data", "no", "--replica-read-only", "no"}, nil},
		{"OOM", []string{"--maxmemory", "1"}, nil},
		{"NOREPLICAS", []string{"--min-replicas-to-write", "1"}, nil},
		{"CLUSTERDOWN", []string{"--cluster-enabled", "yes"}, nil},
		{"NOAUTH", nil, func(t *testing.T, r *redistest.Redis) { query(t, r.Dial, "CONFIG SET requirepass secret") }},
		{"MISCONF", []string{"--save", "60 1", "--dir", gone}, func(t *testing.T, r *redistest.Redis) {
			require.NoError(t, os.RemoveAll(gone))
			query(t, r.Dial, "SET dirty 1", "BGSAVE")
			harness.Until(t, "the state is there", func() bool {
				return strings.Contains(query(t, r.Dial, "INFO persistence")[0], "rdb_last_bgsave_status:err")
			})
			query(t, r.Dial, "PING")
		}},
		{"BUSY", []string{"--busy-reply-threshold", "1"}, func(t *testing.T, r *redistest.Redis) {
			harness.Connect(t, r.Dial).Send("EVAL 'while true do end' 0")
			harness.Until(t, "the state is there", func() bool { return strings.Contains(query(t, r.Dial, "GET k")[0], "BUSY") })
		}},
		{"LOADING", []string{"--enable-debug-command", "yes", "--loading-process-events-interval-bytes", "1024"}, func(t *testing.T, r *redistest.Redis) {
			query(t, r.Dial, "DEBUG POPULATE 100000", "CONFIG SET key-load-delay 1000")
			harness.Connect(t, r.Dial).Send("DEBUG RELOAD")
			harness.Until(t, "the state is there", func() bool { return strings.Contains(query(t, r.Dial, "GET k")[0], "LOADING") })
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
			got, want := query(t, ours.Dial, calls...), query(t, r.Dial, calls...)
			for i, call := range calls {
				if call == "DBSIZE" || call == "CONFIG GET port" { // their replies differ anyway
					got[i], want[i] = got[i][:4], want[i][:4]
				}
				require.Equal(t, want[i], got[i], "%s, call %d", call, i)
			}
		})
	}
}

// ask makes calls on a connection, each after the reply to the previous one.
func query(t *testing.T, dial func() (net.Conn, error), calls ...string) (replies []string) {
	t.Helper()
	c := harness.Connect(t, dial)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(harness.GiveUp)))
	for _, call := range calls {
		replies = append(replies, c.Ask(call))
	}
	return replies
}
