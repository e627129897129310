package server_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

// What clients do to each other and to themselves: monitors, pauses, tracking,
// kills, waits. %d stands for the id of some client.
var floodCalls = []string{
	"SET k v", "GET k", "MGET k z h", "ZADD z 1 m", "BZPOPMIN z 0.01", "BZPOPMIN z 0", "WAIT 1 5", "HSET h f v", "HPEXPIRE h 1 FIELDS 1 f", "HGETALL h",
	"SORT z ALPHA GET k*", "DUMP z", "COPY z y REPLACE", "SWAPDB 0 1", "FLUSHALL", "SELECT 1", "SELECT 0",
	"MULTI", "EXEC", "EXEC", "DISCARD", "WATCH k z", "RESET", "HELLO 2", "HELLO 3", "MONITOR",
	"SUBSCRIBE c", "PSUBSCRIBE c*", "SSUBSCRIBE c", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE", "PUBLISH c x", "SPUBLISH c x",
	"CLIENT REPLY OFF", "CLIENT REPLY SKIP", "CLIENT REPLY ON", "CLIENT NO-TOUCH ON", "CLIENT PAUSE 2 WRITE", "CLIENT PAUSE 1 ALL", "CLIENT UNPAUSE",
	"CLIENT TRACKING ON", "CLIENT TRACKING ON BCAST", "CLIENT TRACKING ON REDIRECT %d", "CLIENT TRACKING ON OPTIN", "CLIENT CACHING YES", "CLIENT TRACKING OFF",
	"CLIENT TRACKINGINFO", "CLIENT UNBLOCK %d", "CLIENT UNBLOCK %d ERROR", "CLIENT KILL ID %d", "CLIENT KILL ID %d SKIPME no", "CLIENT LIST", "CLIENT INFO",
	"INFO everything", "MEMORY STATS", "MEMORY DOCTOR", "MEMORY USAGE z", "LATENCY LATEST", "LATENCY HISTOGRAM", "LATENCY DOCTOR", "LATENCY RESET",
	"SLOWLOG GET", "SLOWLOG RESET", "CONFIG SET slowlog-log-slower-than 0", "CONFIG RESETSTAT", "CONFIG SET notify-keyspace-events KEA",
	"CONFIG SET tracking-table-max-keys 1", "CONFIG SET maxmemory-policy allkeys-lfu", "OBJECT FREQ k", "PUBSUB SHARDCHANNELS", "ROLE",
}

// Whatever they do, and wherever they disconnect, nobody hangs and all are forgotten.
func TestConnectFlood(t *testing.T) {
	s := newServer(t, server.Options{})
	end := time.Now().Add(time.Duration(harness.Count(300, 3000)) * time.Millisecond)
	var done sync.WaitGroup
	for seed := range uint64(20) {
		done.Go(func() {
			random := rand.New(rand.NewPCG(seed, 0))
			for time.Now().Before(end) {
				conn, err := s.Dial()
				if err != nil {
					t.Error(err)
					return
				}
				var read sync.WaitGroup
				read.Go(func() { io.Copy(io.Discard, conn) })
				for range random.IntN(20) {
					var calls strings.Builder
					for range 1 + random.IntN(30) {
						calls.WriteString(strings.ReplaceAll(floodCalls[random.IntN(len(floodCalls))], "%d", fmt.Sprint(1+random.IntN(2000))) + "\r\n")
					}
					text := calls.String()
					if random.IntN(10) == 0 {
						text = text[:random.IntN(len(text))]
					}
					if _, err := io.WriteString(conn, text); err != nil {
						break // it was killed
					}
				}
				conn.Close()
				read.Wait()
			}
		})
	}
	done.Wait()
	require.Equal(t, "OK", do(t, s, "CLIENT", "UNPAUSE"))
	harness.Until(t, "all forgotten", func() bool {
		info := do(t, s, "INFO", "everything")
		for _, field := range []string{"connected_clients:0", "blocked_clients:0", "tracking_clients:0", "pubsub_channels:0", "pubsub_patterns:0", "pubsubshard_channels:0"} {
			if !strings.Contains(info, field+"\r\n") {
				return false
			}
		}
		return true
	})
	require.Equal(t, "OK", do(t, s, "SET", "k", "v"))
	require.NoError(t, s.Close())
}
