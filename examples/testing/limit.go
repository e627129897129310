// Package limit is a piece of an application, a limit on how many messages a user may
// send, and shows in its tests what package servertest is for.
package limit

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-chat/parley/commands/resp"
)

// A Client sends commands. *server.Server is one; an application wraps its Redis client.
type Client interface {
	Do(ctx context.Context, args ...any) (resp.Value, error)
}

// A Limiter allows each user Max messages in a window of time, counted by Redis.
type Limiter struct {
	Redis  Client
	Max    int64
	Window time.Duration
}

// Allow counts a message of a user and reports whether it may be sent.
//
// EXPIRE NX sets the deadline of the window if there is none. INCR alone may have
// run, when EXPIRE failed or the application crashed between the two: the next call
// then sets the deadline, and the user is not locked out for good.
func (l *Limiter) Allow(ctx context.Context, user string) (bool, error) {
	key := "limit:" + user
	n, err := l.Redis.Do(ctx, "INCR", key)
	if err != nil {
		return false, fmt.Errorf("limit of %s: %w", user, err)
	}
	if _, err := l.Redis.Do(ctx, "PEXPIRE", key, l.Window.Milliseconds(), "NX"); err != nil {
		return false, fmt.Errorf("limit of %s: %w", user, err)
	}
	return n.Int <= l.Max, nil
}
