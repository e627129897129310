package clienttest

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
)

const (
	floodMessages = 4_000
	floodSize     = 16 << 10

	// floodAhead is how far the publisher runs ahead of the subscriber that
	// reads. What that leaves unread stays below the 32 MiB at which Redis's
	// defaults cut a subscriber.
	floodAhead = 500
)

// A subscriber that does not read slows nobody: the publisher goes on, who
// reads gets all, and the stuck one is cut when what it has not read passes
// client-output-buffer-limit.
func TestStuckSubscriberSlowsNobody(t *testing.T) {
	for _, network := range []string{"tcp", "unix", "memory"} {
		t.Run(network, func(t *testing.T) {
			e := start(t, network, "")
			publisher := goRedis(t, e, 0)
			ctx := t.Context()

			stuck := goRedis(t, e, 0).Subscribe(ctx, "flood")
			defer stuck.Close()
			_, err := stuck.Receive(ctx)
			require.NoError(t, err)

			healthy := goRedis(t, e, 0).Subscribe(ctx, "flood")
			defer healthy.Close()
			_, err = healthy.Receive(ctx)
			require.NoError(t, err)
			require.Equal(t, int64(2), publisher.PubSubNumSub(ctx, "flood").Val()["flood"])

			room := make(chan struct{}, floodAhead)
			received := make(chan error, 1)
			go func() { received <- receiveFlood(t, healthy, room) }()

			payload := bytes.Repeat([]byte("x"), floodSize)
			var slowest time.Duration
			begun := time.Now()
			for range floodMessages {
				room <- struct{}{}
				sent := time.Now()
				require.NoError(t, publisher.Publish(ctx, "flood", payload).Err())
				slowest = max(slowest, time.Since(sent))
			}
			require.NoError(t, <-received)
			t.Logf("%d messages in %v", floodMessages, time.Since(begun))
			harness.RequireWithin(t, slowest, 5*time.Second, "the slowest PUBLISH")

			// The stuck one is told nothing more than what it had been sent when it was cut.
			got := 0
			for {
				if _, err = stuck.Receive(ctx); err != nil {
					break
				}
				got++
			}
			require.True(t, isCut(err), err)
			require.Less(t, got, floodMessages)
			require.Equal(t, "1", publisher.InfoMap(ctx, "stats").Val()["Stats"]["client_output_buffer_limit_disconnections"])
		})
	}
}

func receiveFlood(t *testing.T, ps *redis.PubSub, room <-chan struct{}) error {
	for range floodMessages {
		m, err := ps.ReceiveMessage(t.Context())
		if err != nil {
			return err
		}
		if len(m.Payload) != floodSize {
			return errTooFew
		}
		<-room
	}
	return nil
}

// isCut reports whether an error is that of a connection which the server has ended.
func isCut(err error) bool {
	var network net.Error
	return strings.Contains(err.Error(), "EOF") || errors.As(err, &network) && !network.Timeout()
}
