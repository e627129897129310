package server_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
)

// Times are compared between runs that take turns, so that what else the machine
// does is in both. Only at full size are they held to a bound.

// publishing times each of some PUBLISHes to 100 subscribers, who all read but,
// perhaps, one. The publisher waits for those who read, so that on a busy machine
// none of them is cut off, too.
func publishing(t *testing.T, c *subprocess, calls int, stuck bool) (times []time.Duration) {
	const subscribers, ahead = 100, 20
	publisher := c.dial(t)
	payload := strings.Repeat("x", 16<<10)
	message := fmt.Sprintf("*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$%d\r\n%s\r\n", len(payload), payload)
	next, caughtUp := make([]chan struct{}, 0, subscribers), make(chan error, subscribers)
	for i := range subscribers {
		p := c.dial(t)
		p.Ask("SUBSCRIBE news")
		if i == 0 && stuck {
			continue
		}
		more := make(chan struct{})
		next = append(next, more)
		go func() {
			for range more {
				_, err := io.CopyN(io.Discard, p.Conn, int64(ahead*len(message)))
				caughtUp <- err
			}
			p.Close()
		}()
	}
	leave := sync.OnceFunc(func() {
		for _, more := range next {
			close(more)
		}
	})
	defer leave()
	var call bytes.Buffer
	fmt.Fprintf(&call, "*3\r\n$7\r\nPUBLISH\r\n$4\r\nnews\r\n$%d\r\n%s\r\n", len(payload), payload)
	for range calls / ahead {
		for _, more := range next {
			more <- struct{}{}
		}
		for range ahead {
			begun := time.Now()
			_, err := publisher.Conn.Write(call.Bytes())
			require.NoError(t, err)
			publisher.Read()
			times = append(times, time.Since(begun))
		}
		for range next {
			require.NoError(t, <-caughtUp)
		}
	}
	leave()
	harness.Until(t, "all are gone", func() bool {
		return c.info("pubsub_channels") == 0 || !stuck && c.info("connected_clients") < 5
	})
	publisher.Close()
	return times
}

// A subscriber who does not read costs the publisher nothing, and is cut off at
// its limit.
func TestStuckSubscriber(t *testing.T) {
	calls, rounds, limit := 700, 1, "1mb"
	if *reliability {
		calls, rounds, limit = 4000, 3, "32mb"
	}
	for _, c := range subprocesses(t) {
		c.Ask(`CONFIG SET client-output-buffer-limit "pubsub ` + limit + ` 0 0"`)
		var with, without []time.Duration
		cut := 0.0
		for range rounds {
			without = append(without, publishing(t, c, calls, false)...)
			with = append(with, publishing(t, c, calls, true)...)
			if c.name == "parley" {
				cut++
				require.Equal(t, cut, c.info("client_output_buffer_limit_disconnections"))
			}
		}
		t.Logf("%s: p50 %v, p99 %v; with one that is stuck p50 %v, p99 %v", c.name, percentile(without, 50), percentile(without, 99),
			percentile(with, 50), percentile(with, 99))
	}
}

// asking times some GETs, one at a time.
func asking(p *harness.Client, calls int) (times []time.Duration) {
	for range calls {
		begun := time.Now()
		p.Ask("GET k")
		times = append(times, time.Since(begun))
	}
	return times
}

// Thousands of calls that are half sent cost others nothing, and are cut off.
func TestHalfSentCalls(t *testing.T) {
	n, calls, rounds := 500, 1000, 1
	if *reliability {
		n, calls, rounds = 5000, 20_000, 5
	}
	for _, c := range subprocesses(t) {
		honest := c.dial(t)
		honest.Ask("SET k v")
		var with, without []time.Duration
		for range rounds {
			without = append(without, asking(honest, calls)...)
			late := 0.0
			if c.name == "parley" {
				late = c.info("client_query_timeout_disconnections")
			}
			var half []*harness.Client
			for range n {
				p := c.dial(t)
				_, err := p.Conn.Write([]byte("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\n"))
				require.NoError(t, err)
				half = append(half, p)
			}
			with = append(with, asking(honest, calls)...)
			if c.name == "parley" {
				c.Ask("CONFIG SET client-query-timeout 1")
				harness.Until(t, "all are cut off", func() bool { return c.info("client_query_timeout_disconnections") == late+float64(n) })
				c.Ask("CONFIG SET client-query-timeout 10")
			}
			for _, p := range half {
				p.Close()
			}
		}
		t.Logf("%s: p50 %v, p99 %v; with %d half-sent calls p50 %v, p99 %v", c.name, percentile(without, 50), percentile(without, 99),
			n, percentile(with, 50), percentile(with, 99))
	}
}
