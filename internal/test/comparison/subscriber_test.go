package comparison

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// A subscriber that does not read blocks no other client of parley: all
// messages are published, and others get replies. With miniredis it blocks all
// until it disconnects.
func TestUnreadSubscriberStopsNothing(t *testing.T) {
	const messages = 1000 // of 16 KiB: less than parley's output limit, more than socket buffers hold
	for _, c := range rivals {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dial := c.start(t)
			subscriber := subscribe(t, dial)
			defer subscriber.Close()
			publisher, other := dial.impatient(t), dial.impatient(t)
			require.NoError(t, other.Set(t.Context(), "k", "v", 0).Err())

			published, err := publish(t.Context(), publisher, messages)
			answer := other.Get(t.Context(), "k")
			t.Logf("%d of %d messages published (%v); others are answered: %v", published, messages, err, answer.Err() == nil)
			if strings.HasPrefix(c.name, "parley") {
				require.NoError(t, err)
				require.NoError(t, answer.Err())
				return
			}
			require.ErrorContains(t, err, "timeout")
			require.ErrorContains(t, answer.Err(), "timeout")
			require.NoError(t, subscriber.Close())
			require.NoError(t, other.Set(t.Context(), "k", "v", 0).Err(), "he is gone, and all goes on")
		})
	}
}

// subscribe returns the connection of a subscriber that reads only its
// confirmation.
func subscribe(t *testing.T, dial dialer) net.Conn {
	conn, err := dial()
	require.NoError(t, err)
	_, err = io.WriteString(conn, "*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nnews\r\n")
	require.NoError(t, err)
	const answer = "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"
	got := make([]byte, len(answer))
	_, err = io.ReadFull(conn, got)
	require.NoError(t, err)
	require.Equal(t, answer, string(got))
	return conn
}

// impatient returns a client whose timeouts are short, but long enough for a
// slow machine.
func (d dialer) impatient(t *testing.T) *redis.Client {
	c := redis.NewClient(&redis.Options{
		Dialer:      func(context.Context, string, string) (net.Conn, error) { return d() },
		ReadTimeout: 2 * time.Second,
		MaxRetries:  -1,
	})
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// publish returns how many messages were published, and the error of the next
// one.
func publish(ctx context.Context, c *redis.Client, messages int) (n int, err error) {
	payload := strings.Repeat("x", 16<<10)
	for ; n < messages; n++ {
		if err = c.Publish(ctx, "news", payload).Err(); err != nil {
			break
		}
	}
	return n, err
}
