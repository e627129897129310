package servertest

import (
	"context"
	"time"
)

// waitLimit is the timeout of waits whose ctx has no deadline.
const waitLimit = 10 * time.Second

// The Wait methods are those of Kit, which documents them. A ctx without a
// deadline gets one, ten seconds from now, in a bubble's time inside a bubble.
// If ctx is done first, the test fails, and the failure describes the current
// state.

// WaitSubscribers waits until at least n clients are subscribed to a channel.
func (s *Server) WaitSubscribers(ctx context.Context, channel string, n int) {
	s.t.Helper()
	s.await(ctx, func(ctx context.Context) error { return s.Kit.WaitSubscribers(ctx, channel, n) })
}

// WaitPatternSubscribers waits until at least n clients are subscribed to a pattern.
func (s *Server) WaitPatternSubscribers(ctx context.Context, pattern string, n int) {
	s.t.Helper()
	s.await(ctx, func(ctx context.Context) error { return s.Kit.WaitPatternSubscribers(ctx, pattern, n) })
}

// WaitShardSubscribers waits until at least n clients are subscribed to a shard channel.
func (s *Server) WaitShardSubscribers(ctx context.Context, channel string, n int) {
	s.t.Helper()
	s.await(ctx, func(ctx context.Context) error { return s.Kit.WaitShardSubscribers(ctx, channel, n) })
}

// WaitClients waits until at least n clients are connected; for n = 0, until none is.
func (s *Server) WaitClients(ctx context.Context, n int) {
	s.t.Helper()
	s.await(ctx, func(ctx context.Context) error { return s.Kit.WaitClients(ctx, n) })
}

// WaitBlocked waits until at least n calls are blocked; for n = 0, until none is.
func (s *Server) WaitBlocked(ctx context.Context, n int) {
	s.t.Helper()
	s.await(ctx, func(ctx context.Context) error { return s.Kit.WaitBlocked(ctx, n) })
}

// WaitIdle waits until the server is idle.
func (s *Server) WaitIdle(ctx context.Context) {
	s.t.Helper()
	s.await(ctx, s.Kit.WaitIdle)
}

// await fails the test if the wait fails.
func (s *Server) await(ctx context.Context, wait func(context.Context) error) {
	s.t.Helper()
	if err := withWaitLimit(ctx, wait); err != nil {
		s.t.Fatal(err)
	}
}

func withWaitLimit(ctx context.Context, wait func(context.Context) error) error {
	if _, has := ctx.Deadline(); !has {
		limited, cancel := context.WithTimeout(ctx, waitLimit)
		defer cancel()
		ctx = limited
	}
	return wait(ctx)
}
