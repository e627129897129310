package clienttest

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRedisPy(t *testing.T) {
	python := findPython(t)
	overTargets(t, func(t *testing.T, to target) {
		t.Parallel()
		out := program(t, to, python, "python/test_redis_py.py")
		require.Greater(t, number(t, out, `(?m)^Ran (\d+) tests`), 20, out)
		require.NotContains(t, out, "skipped")
	})
}

// findPython returns a Python that has redis-py. That of the system comes
// first: a distribution's package belongs to it, whatever is first in the path.
func findPython(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(python, "-c", "import redis").Run() == nil {
			return python
		}
	}
	missing(t, "needs Python 3 with redis-py (Debian's package python3-redis)")
	return ""
}
