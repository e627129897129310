package server_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server"
)

func TestDoPicksDifferently(t *testing.T) {
	s := newServer(t, server.Options{Seed: 1})
	_, err := s.Do(t.Context(), "SADD", "s", 1, 2, 3, 4, 5, 6, 7, 8)
	require.NoError(t, err)
	picks := func(s *server.Server) (seen []string) {
		for range 20 {
			v, err := s.Do(t.Context(), "SRANDMEMBER", "s")
			require.NoError(t, err)
			seen = append(seen, v.Str)
		}
		return seen
	}
	first := picks(s)
	require.NotSubset(t, first[:1], first)

	again := newServer(t, server.Options{Seed: 1})
	_, err = again.Do(t.Context(), "SADD", "s", 1, 2, 3, 4, 5, 6, 7, 8)
	require.NoError(t, err)
	require.Equal(t, first, picks(again), "a seed makes picks repeatable")
}

func TestDoRefusesReplyWithoutEnd(t *testing.T) {
	s := newServer(t, server.Options{})
	_, err := s.Do(t.Context(), "SADD", "s", string(make([]byte, 1<<20)))
	require.NoError(t, err)
	_, err = s.Do(t.Context(), "SRANDMEMBER", "s", int64(-1<<40))
	require.EqualError(t, err, "ERR the reply would be too large")
}

func TestDoTakesWordsOfManyTypes(t *testing.T) {
	s := newServer(t, server.Options{})
	v, err := s.Do(t.Context(), "ECHO", 1.5)
	require.NoError(t, err)
	require.Equal(t, "1.5", v.Str)
	v, err = s.Do(t.Context(), []byte("MSET"), "a", true, "b", uint8(7), "c", int64(-1))
	require.NoError(t, err)
	require.Equal(t, "OK", v.String())
	v, err = s.Do(t.Context(), "MGET", "a", "b", "c")
	require.NoError(t, err)
	require.Equal(t, []string{"1", "7", "-1"}, v.Strings())

	_, err = s.Do(t.Context())
	require.Error(t, err)
	_, err = s.Do(t.Context(), "ECHO", struct{}{})
	require.ErrorContains(t, err, "struct {}")
}

// What would have no effect is not answered with OK.
func TestDoRefusesWhatNeedsAConnection(t *testing.T) {
	s := newServer(t, server.Options{})
	for _, call := range []string{
		"SUBSCRIBE news", "PSUBSCRIBE *", "UNSUBSCRIBE", "MULTI", "EXEC", "WATCH k", "SELECT 1", "QUIT", "RESET",
		"HELLO 2", "AUTH x", "CLIENT SETNAME me", "CLIENT NO-EVICT on",
	} {
		_, err := s.Do(t.Context(), toAny(strings.Fields(call))...)
		require.ErrorContains(t, err, "needs a connection", call)
	}
}

func toAny(words []string) []any {
	list := make([]any, len(words))
	for i, w := range words {
		list[i] = w
	}
	return list
}
