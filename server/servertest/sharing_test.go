package servertest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server/servertest"
)

// Subtests that share a server fail separately, and a subtest's faults end with
// it.
func TestSharedServerFailsTheSubtestThatUsesIt(t *testing.T) {
	t.Parallel()
	all := &fakeTest{TB: t}
	s := servertest.New(all)

	one := &fakeTest{TB: t}
	s.For(one).Inject(servertest.Fault{Command: "get", Error: "OOM"})
	heard := s.For(one).Recorder("room:1")
	require.Contains(t, one.end(), "the fault applied to nothing")
	_, err := s.Do(t.Context(), "GET", "k")
	require.NoError(t, err)
	do(t, s, "PUBLISH", "room:1", "later")
	require.Zero(t, heard.Len())

	other := &failing{TB: t}
	other.run(func() { s.For(other).Load("GET k") })
	require.Len(t, other.fatal, 1)
	require.Empty(t, all.end())
}

// In a fuzz test each input may have a server of its own.
func FuzzServerOfEachInput(f *testing.F) {
	f.Add("user:1")
	f.Fuzz(func(t *testing.T, key string) {
		s := servertest.New(t)
		s.DB(0).Set(key, "v")
		s.RequireDump(s.Dump())
	})
}
