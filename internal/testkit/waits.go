package testkit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/server"
)

// waits holds the goroutines that wait for a state of the server. The server's
// lock guards it, except idleWaiters.
type waits struct {
	list        []*waiter
	closed      bool
	idleWaiters atomic.Int32 // waiters with watchIdle
}

// A waiter waits until a condition holds. Then done is closed, with err set if
// the wait failed.
type waiter struct {
	condition
	done chan struct{}
	err  error
}

// A condition is a state to wait for, and a description of the current state
// for the error. Both functions are called under the server's lock.
type condition struct {
	holds     func(*commands.State) bool
	describe  func(*commands.State) string
	watchIdle bool // it may become true without a call
}

// wait waits for a condition. It is checked after each event that may make it
// true, without polling.
func (r *Kit) wait(ctx context.Context, c condition) (err error) {
	w := &waiter{condition: c, done: make(chan struct{})}
	if c.watchIdle {
		r.waits.idleWaiters.Add(1)
		defer r.waits.idleWaiters.Add(-1)
	}
	r.control.Inspect(func(s *commands.State) { r.waits.add(w, s) })
	select {
	case <-w.done:
		return w.err
	case <-ctx.Done():
	}
	r.control.Inspect(func(s *commands.State) {
		if !r.waits.remove(w) {
			err = w.err // it became true meanwhile
			return
		}
		err = fmt.Errorf("servertest: %s: %w", w.describe(s), ctx.Err())
	})
	return err
}

func (w *waits) add(one *waiter, s *commands.State) {
	switch {
	case one.holds(s):
		close(one.done)
	case w.closed:
		one.err = fmt.Errorf("servertest: %s: %w", one.describe(s), server.ErrClosed)
		close(one.done)
	default:
		w.list = append(w.list, one)
	}
}

// remove reports whether the waiter was still waiting.
func (w *waits) remove(one *waiter) bool {
	i := slices.Index(w.list, one)
	if i >= 0 {
		w.list = slices.Delete(w.list, i, i+1)
	}
	return i >= 0
}

// check releases the waiters whose condition holds.
func (w *waits) check(s *commands.State) {
	if len(w.list) == 0 {
		return
	}
	w.list = slices.DeleteFunc(w.list, func(one *waiter) bool {
		if !one.holds(s) {
			return false
		}
		close(one.done)
		return true
	})
}

// close ends all waits with server.ErrClosed.
func (w *waits) close(s *commands.State) {
	w.check(s)
	w.closed = true
	for _, one := range w.list {
		one.err = fmt.Errorf("servertest: %s: %w", one.describe(s), server.ErrClosed)
		close(one.done)
	}
	w.list = nil
}

// WaitSubscribers waits until at least n clients are subscribed to a channel
// with SUBSCRIBE; for n = 0, until none is. When ctx is done, the error lists
// the subscribers. If the server is closed, the error is server.ErrClosed. This
// holds for all waits. None of them polls, and all block durably in the sense
// of testing/synctest.
func (r *Kit) WaitSubscribers(ctx context.Context, channel string, n int) error {
	return r.waitSubscribers(ctx, commands.ToChannel, "subscribers to "+channel, channel, n)
}

// WaitPatternSubscribers is WaitSubscribers for PSUBSCRIBE of exactly that
// pattern.
func (r *Kit) WaitPatternSubscribers(ctx context.Context, pattern string, n int) error {
	return r.waitSubscribers(ctx, commands.ToPattern, "subscribers to pattern "+pattern, pattern, n)
}

// WaitShardSubscribers is WaitSubscribers for SSUBSCRIBE.
func (r *Kit) WaitShardSubscribers(ctx context.Context, channel string, n int) error {
	return r.waitSubscribers(ctx, commands.ToShard, "subscribers to shard channel "+channel, channel, n)
}

func (r *Kit) waitSubscribers(ctx context.Context, kind commands.SubscriptionKind, what, name string, n int) error {
	return r.wait(ctx, condition{
		holds: func(s *commands.State) bool { return enough(s.Channels.Subscribers(kind, []byte(name)), n) },
		describe: func(s *commands.State) string {
			var held []string
			for _, l := range s.Clients.All() {
				if slices.Contains(s.Channels.Of(l, kind), name) {
					held = append(held, clientText(l))
				}
			}
			return describeCount(held, n, what)
		},
	})
}

// WaitClients waits until at least n clients are connected; for n = 0, until
// none is.
func (r *Kit) WaitClients(ctx context.Context, n int) error {
	return r.wait(ctx, condition{
		holds: func(s *commands.State) bool { return enough(s.Clients.Len(), n) },
		describe: func(s *commands.State) string {
			var there []string
			for _, l := range s.Clients.All() {
				there = append(there, clientText(l))
			}
			return describeCount(there, n, "clients")
		},
	})
}

// WaitBlocked waits until at least n calls are blocked on a key, as BZPOPMIN,
// or on a time. Calls of Do count. Calls that CLIENT PAUSE or a fault delays do
// not. For n = 0 it waits until none is blocked.
func (r *Kit) WaitBlocked(ctx context.Context, n int) error {
	return r.wait(ctx, condition{
		holds: func(s *commands.State) bool { return enough(len(blocked(s)), n) },
		describe: func(s *commands.State) string {
			var list []string
			for _, c := range blocked(s) {
				list = append(list, clientText(c.Client)+" in "+quoteWords(c.Command.Redact(c.Args)))
			}
			return describeCount(list, n, "blocked calls")
		},
	})
}

// blocked lists the blocked calls, without those that CLIENT PAUSE or a fault
// delays.
func blocked(s *commands.State) []commands.WaitingCall {
	return slices.DeleteFunc(s.WaitingCalls(), func(c commands.WaitingCall) bool { return c.Postponed || c.Client.AsyncPending })
}

// enough reports whether have is at least want, or 0 if want is 0.
func enough(have, want int) bool { return have >= want && (want > 0 || have == 0) }

// describeCount formats how many there are, and which.
func describeCount(have []string, want int, what string) string {
	text := fmt.Sprintf("%d of %d %s", len(have), want, what)
	if want == 0 {
		text = fmt.Sprintf("%d %s are left", len(have), what)
	}
	if len(have) > 0 {
		text += ": " + strings.Join(have, "; ")
	}
	return text
}

// clientText names a client in errors.
func clientText(l *commands.Client) string {
	switch {
	case l.Direct:
		return "Do"
	case l.Name == "":
		return fmt.Sprintf("client %d", l.ID)
	}
	return fmt.Sprintf("client %d name=%s", l.ID, l.Name)
}
