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

// Each case begins with the same data, and says what it has changed.
func TestCasesBeginWithTheSameData(t *testing.T) {
	s := servertest.New(t)
	s.Load(`
		HSET user:1 name Ada
		SADD user:online 1
		SET session:1 token PX 30000`)
	before := s.Snapshot()

	t.Run("rename", func(t *testing.T) {
		s := s.For(t)
		s.Restore(before)
		s.DB(0).HSet("user:1", "name", "Grace")
		s.RequireChanges(`
			- HSET user:1 name Ada
			+ HSET user:1 name Grace`, before)
	})
	t.Run("leave", func(t *testing.T) {
		s := s.For(t)
		s.Restore(before)
		s.DB(0).SRem("user:online", "1")
		s.RequireDump(`
			HSET user:1 name Ada
			SET session:1 token PX 30000`)
	})
}

func TestDataWithoutAClient(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	db := s.DB(0)

	db.HSet("user:1", "name", "Ada")
	require.Equal(t, map[string]string{"name": "Ada"}, db.HGetAll("user:1"))

	db.ZAdd("seen", servertest.Member{Member: "1", Score: 12.5})
	require.Equal(t, []servertest.Member{{Member: "1", Score: 12.5}}, db.ZRange("seen", 0, -1))

	_, ok := s.DB(3).Get("motto")
	require.False(t, ok)
}
