package servertest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server/servertest"
)

func TestFixtures(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.Play("testdata/users.redis")
	s.Play("testdata/presence.txt")
	s.RequireDump(`
		HSET user:1 name Ada
		HSET user:2 name Grace
		SADD online 1 ada
	`)
}

func TestReplyThatIsAnotherFailsTheTest(t *testing.T) {
	t.Parallel()
	f := &fakeTest{TB: t}
	s := servertest.New(f)
	path := filepath.Join(t.TempDir(), "wrong.txt")
	require.NoError(t, os.WriteFile(path, []byte("> SADD online ada\n(integer) 2\n"), 0o600))
	s.Play(path)
	failure := strings.Join(f.failures, "\n")
	require.Contains(t, failure, "wrong.txt:1: > SADD online ada")
	require.Contains(t, failure, "want in RESP2:\n(integer) 2\ngot:\n(integer) 1")
	f.failures = nil
	require.Empty(t, f.end())
}
