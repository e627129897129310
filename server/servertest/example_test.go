package servertest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server/servertest"
)

// A whole test: the server is in memory, lives as long as the test, and shares
// nothing with those of other tests.
func TestUserIsOnline(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)

	_, err := s.Do(t.Context(), "SADD", "user:online", 1)
	require.NoError(t, err)

	v, err := s.Do(t.Context(), "SISMEMBER", "user:online", 1)
	require.NoError(t, err)
	require.EqualValues(t, 1, v.Int)
}
