package servertest

import (
	"context"
	"time"
)

// waitLimit ends waits whose ctx has no deadline.
const waitLimit = 10 * time.Second

// The waits are those of the kit: what they wait for is documented there. Here a
// ctx without a deadline gets one, ten seconds from now (of the bubble's, within a
// synctest bubble), and one that is done before fails the test, with who was there
// instead.

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

// WaitIdle waits until nothing is under way.
func (s *Server) WaitIdle(ctx context.Context) {
	s.t.Helper()
	s.await(ctx, s.Kit.WaitIdle)
}

// await fails the test when a wait does.
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
