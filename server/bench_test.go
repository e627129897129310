package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
)

// BenchmarkSession times one command of a pipeline 32 deep, from bytes to
// bytes, without a network.
func BenchmarkSession(b *testing.B) { benchmarkSession(b, 32) }

// BenchmarkSessionOneByOne is of commands that come one at a time.
func BenchmarkSessionOneByOne(b *testing.B) { benchmarkSession(b, 1) }

func benchmarkSession(b *testing.B, depth int) {
	for _, command := range []string{
		"PING",
		"INCR user:count",
		"SET user:name:%d 1",
		"GET user:name:%d",
		"HSET user:%d username user password secret",
		"HGETALL user:%d",
		"SADD user:online %d",
		"SISMEMBER user:online %d",
		"ZADD room:1:messages %d %d",
		"ZREVRANGE room:1:messages 0 49",
		"ZCOUNT room:1:messages %d +inf",
	} {
		b.Run(strings.ReplaceAll(command, " ", "_"), func(b *testing.B) {
			const ids = 10000
			srv, err := New(Options{})
			require.NoError(b, err)
			defer srv.Close()
			s, err := newDetached(srv, peerAddr{})
			require.NoError(b, err)
			defer s.leave()
			for i := range ids {
				for _, write := range []string{"SET user:name:%d 1", "HSET user:%d username user password secret", "SADD user:online %d", "ZADD room:1:messages %d %d"} {
					s.Feed(encode(write, i))
					discard(&s.out)
				}
			}
			pipelines := make([][]byte, ids/depth)
			for i := range pipelines {
				for j := range depth {
					pipelines[i] = append(pipelines[i], encode(command, (i*depth+j)*7919%ids)...)
				}
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s.Feed(pipelines[i%len(pipelines)])
				discard(&s.out)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(depth), "ns/command")
		})
	}
}

// encode writes a command in RESP; %d becomes id.
func encode(command string, id int) []byte {
	return harness.Encode(strings.Fields(strings.ReplaceAll(command, "%d", fmt.Sprint(id)))...)
}

// discard is a client that reads everything.
func discard(o *outbox) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.pieces {
		if p.own {
			recycleReply(p.bytes)
		}
	}
	o.pieces, o.size = nil, 0
}
