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

// waits knows those who wait for the server to come to a state. The server's lock
// guards it, but for resting.
type waits struct {
	list    []*waiter
	closed  bool
	resting atomic.Int32 // how many wait for a state that clients come to by reading
}

// A waiter waits until a condition holds. done is closed then, or with err.
type waiter struct {
	condition
	done chan struct{}
	err  error
}

// A condition is what somebody waits for, and how it is told what is the case
// instead. Both are called under the server's lock.
type condition struct {
	holds   func(*commands.State) bool
	tell    func(*commands.State) string
	resting bool // it may come about without a call
}

// wait waits for a condition, which is looked at whenever something has happened
// that may have brought it about: there is no polling.
func (r *Kit) wait(ctx context.Context, c condition) (err error) {
	w := &waiter{condition: c, done: make(chan struct{})}
	if c.resting {
		r.waits.resting.Add(1)
		defer r.waits.resting.Add(-1)
	}
	r.control.Inspect(func(s *commands.State) { r.waits.enter(w, s) })
	select {
	case <-w.done:
		return w.err
	case <-ctx.Done():
	}
	r.control.Inspect(func(s *commands.State) {
		if !r.waits.withdraw(w) {
			err = w.err // it has come about meanwhile
			return
		}
		err = fmt.Errorf("servertest: %s: %w", w.tell(s), ctx.Err())
	})
	return err
}

func (w *waits) enter(one *waiter, s *commands.State) {
	switch {
	case one.holds(s):
		close(one.done)
	case w.closed:
		one.err = fmt.Errorf("servertest: %s: %w", one.tell(s), server.ErrClosed)
		close(one.done)
	default:
		w.list = append(w.list, one)
	}
}

// withdraw reports whether one was still waiting.
func (w *waits) withdraw(one *waiter) bool {
	i := slices.Index(w.list, one)
	if i >= 0 {
		w.list = slices.Delete(w.list, i, i+1)
	}
	return i >= 0
}

// look lets those go on whose condition holds.
func (w *waits) look(s *commands.State) {
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

// close ends all waits: nothing further will come about.
func (w *waits) close(s *commands.State) {
	w.look(s)
	w.closed = true
	for _, one := range w.list {
		one.err = fmt.Errorf("servertest: %s: %w", one.tell(s), server.ErrClosed)
		close(one.done)
	}
	w.list = nil
}

// WaitSubscribers waits until at least n clients are subscribed to a channel with
// SUBSCRIBE; for n = 0, until none is. When ctx is done before, the error says
// who is subscribed instead, and when the server is closed it is server.ErrClosed
// beside that: so it is with all waits. None of them polls, and all are durably
// blocking in the sense of testing/synctest.
func (r *Kit) WaitSubscribers(ctx context.Context, channel string, n int) error {
	return r.waitSubscribers(ctx, commands.ToChannel, "subscribers to "+channel, channel, n)
}

// WaitPatternSubscribers is WaitSubscribers for PSUBSCRIBE: for those who have
// named the very pattern.
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
		tell: func(s *commands.State) string {
			var held []string
			for _, l := range s.Clients.All() {
				if slices.Contains(s.Channels.Of(l, kind), name) {
					held = append(held, clientText(l))
				}
			}
			return insteadOf(held, n, what)
		},
	})
}

// WaitClients waits until at least n clients are connected; for n = 0, until none is.
func (r *Kit) WaitClients(ctx context.Context, n int) error {
	return r.wait(ctx, condition{
		holds: func(s *commands.State) bool { return enough(s.Clients.Len(), n) },
		tell: func(s *commands.State) string {
			var there []string
			for _, l := range s.Clients.All() {
				there = append(there, clientText(l))
			}
			return insteadOf(there, n, "clients")
		},
	})
}

// WaitBlocked waits until at least n calls wait for what they have asked for: for
// a key, as BZPOPMIN does, or for a time. Those of Do count. Calls that something
// else holds back (CLIENT PAUSE, a fault) do not. For n = 0 it waits until none is
// left.
func (r *Kit) WaitBlocked(ctx context.Context, n int) error {
	return r.wait(ctx, condition{
		holds: func(s *commands.State) bool { return enough(len(blocked(s)), n) },
		tell: func(s *commands.State) string {
			var list []string
			for _, c := range blocked(s) {
				list = append(list, clientText(c.Client)+" in "+quoteWords(c.Command.Redact(c.Args)))
			}
			return insteadOf(list, n, "blocked calls")
		},
	})
}

// blocked lists the calls that wait of their own accord.
func blocked(s *commands.State) []commands.WaitingCall {
	return slices.DeleteFunc(s.WaitingCalls(), func(c commands.WaitingCall) bool { return c.Postponed || c.Client.AsyncPending })
}

// enough reports whether there are as many as somebody waits for.
func enough(have, want int) bool { return have >= want && (want > 0 || have == 0) }

// insteadOf tells how many there are, and which.
func insteadOf(have []string, want int, what string) string {
	text := fmt.Sprintf("%d of %d %s", len(have), want, what)
	if want == 0 {
		text = fmt.Sprintf("%d %s are left", len(have), what)
	}
	if len(have) > 0 {
		text += ": " + strings.Join(have, "; ")
	}
	return text
}

// clientText names a client as errors do.
func clientText(l *commands.Client) string {
	switch {
	case l.Direct:
		return "Do"
	case l.Name == "":
		return fmt.Sprintf("client %d", l.ID)
	}
	return fmt.Sprintf("client %d name=%s", l.ID, l.Name)
}
