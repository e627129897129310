package servertest_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
	"github.com/parley-chat/parley/server/servertest"
)

// do makes a call on a server without a connection.
var do = harness.Do[resp.Value]

func TestRecorderKeepsTheOrderOfAllChannels(t *testing.T) {
	t.Parallel()
	now := time.UnixMicro(1_700_000_000_123_456)
	s := servertest.New(t, func(o *servertest.Options) { o.Clock = server.NewManualClock(now) })
	all, two, rooms := s.Recorder(), s.Recorder("room:1", "news"), s.PatternRecorder("room:[0-9]", "room:*")
	c := connect(t, s)
	c.Send("SUBSCRIBE room:1")
	c.Skip(6)
	c.Send("PSUBSCRIBE room:*")
	c.Skip(6)
	for _, m := range []string{"room:1 a", "news b", "room:x c", "room:1 d"} {
		channel, payload, _ := strings.Cut(m, " ")
		do(t, s, "PUBLISH", channel, payload)
	}
	do(t, s, "SPUBLISH", "news", "e")

	require.Equal(t, []string{"a", "b", "c", "d", "e"}, all.Payloads())
	require.Equal(t, []string{"a", "b", "d", "e"}, two.Payloads())
	require.Equal(t, servertest.Message{Channel: "room:1", Payload: "a", Receivers: 2, At: now}, two.Next(t.Context()))
	require.Equal(t, "news: b", two.Next(t.Context()).String())
	require.Equal(t, 2, two.Len())
	require.True(t, two.All()[1].Sharded)

	require.Equal(t, "room:[0-9]", rooms.Next(t.Context()).Pattern)
	require.Equal(t, "room:*", rooms.Next(t.Context()).Pattern)
	require.Equal(t, 1, rooms.Len())
	all.Clear()
	require.Zero(t, all.Len())
}

func TestRecorderIsNoSubscriber(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	r := s.Recorder("room:1")
	v, err := s.Do(t.Context(), "PUBLISH", "room:1", "hello")
	require.NoError(t, err)
	require.Zero(t, v.Int)
	v, err = s.Do(t.Context(), "PUBSUB", "CHANNELS")
	require.NoError(t, err)
	require.Empty(t, v.Elems)
	require.Error(t, s.Kit.WaitSubscribers(soon(t), "room:1", 1))
	require.Equal(t, "hello", r.Next(t.Context()).Payload)
}

func TestRecorderHearsOfKeysThatExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.New(t)
		r := s.Recorder("__keyevent@0__:expired")
		do(t, s, "SET", "unseen", "1", "EX", 1)
		time.Sleep(2 * time.Second)
		require.Zero(t, r.Len(), "no events are switched on")

		do(t, s, "CONFIG", "SET", "notify-keyspace-events", "Ex")
		begun := time.Now()
		do(t, s, "SET", "online:7", "1", "EX", 30)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		m := r.Next(ctx)
		require.Equal(t, "online:7", m.Payload)
		require.WithinDuration(t, begun.Add(30*time.Second), m.At, 2*time.Millisecond)
	})
}

func TestRecorderThatHearsNothingSaysSo(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	_, err := s.Kit.Recorder("room:1").Next(soon(t))
	require.EqualError(t, err, `servertest: no message to ["room:1"]: context deadline exceeded`)
	_, err = s.Kit.PatternRecorder("room:*").Next(soon(t))
	require.EqualError(t, err, `servertest: no message to a channel that matches ["room:*"]: context deadline exceeded`)

	f := &failing{TB: t}
	r := servertest.New(f).Recorder()
	f.run(func() { r.Next(soon(t)) })
	require.Equal(t, []string{"servertest: no message to any channel: context deadline exceeded"}, f.fatal)
}

func TestRecorderEndsWithItsServer(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	r, ended := s.Recorder(), make(chan error)
	do(t, s, "PUBLISH", "room:1", "last")
	require.Equal(t, "last", r.Next(t.Context()).Payload)
	go func() {
		_, err := r.Recorder.Next(t.Context())
		ended <- err
	}()
	require.NoError(t, s.Close())
	require.ErrorIs(t, <-ended, server.ErrClosed)
	_, err := s.Kit.Recorder().Next(t.Context())
	require.ErrorIs(t, err, server.ErrClosed)
}

func TestRecorderThatWasClosedRecordsNothing(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	r := s.Recorder()
	do(t, s, "PUBLISH", "room:1", "a")
	r.Close()
	do(t, s, "PUBLISH", "room:1", "b")
	require.Equal(t, []string{"a"}, r.Payloads())
}

func TestRecorderThatNobodyReadsIsBounded(t *testing.T) {
	t.Parallel()
	f := &failing{TB: t}
	s := servertest.New(t)
	r := s.Kit.Recorder()
	large := strings.Repeat("x", 16<<20)
	for range 4 {
		do(t, s, "PUBLISH", "room:1", large)
	}
	require.Equal(t, 3, r.Len())
	require.ErrorIs(t, r.Err(), servertest.ErrRecorderFull)
	for range 3 {
		_, err := r.Next(t.Context())
		require.NoError(t, err)
	}
	_, err := r.Next(t.Context())
	require.ErrorIs(t, err, servertest.ErrRecorderFull)
	r.Clear()
	do(t, s, "PUBLISH", "room:1", "again")
	require.Equal(t, []string{"again"}, r.Payloads())
	require.Empty(t, f.errors)
}
