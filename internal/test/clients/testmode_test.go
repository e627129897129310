package clienttest

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The fixtures that docs/TESTING.md shows for other languages are run here as their
// users run them, with the test runners of these languages and parley --test.

func TestPytestFixture(t *testing.T) {
	t.Parallel()
	python := findPytest(t)
	out := runner(t, buildParley(t), "python/pytest", python, "-m", "pytest", "-v", "-p", "no:cacheprovider")
	require.Equal(t, 5, strings.Count(out, " PASSED "), out)
	require.Equal(t, 5, number(t, out, `=+ (\d+) passed in `), out)
}

func TestJestFixture(t *testing.T) {
	t.Parallel()
	node := findNode(t)
	findNodeTest(t, "jest")
	out := runner(t, buildParley(t), "node/jest", node, "node_modules/jest/bin/jest.js", "--ci", "--verbose")
	require.Equal(t, 4, number(t, out, `(?m)^Tests: +(\d+) passed, 4 total$`), out)
}

// TestJUnitFixture is not asked for by requireLanguages: not everybody who works on
// parley has Java.
func TestJUnitFixture(t *testing.T) {
	t.Parallel()
	const jars = "/usr/share/java/*" // of Debian's package junit5
	for _, needed := range []string{"junit-platform-console.jar", "junit-jupiter-engine.jar"} {
		if _, err := os.Stat(filepath.Join(filepath.Dir(jars), needed)); err != nil {
			t.Skip("needs Debian's package junit5")
		}
	}
	if _, err := exec.LookPath("javac"); err != nil {
		t.Skip("needs a JDK")
	}
	classes := t.TempDir()
	runner(t, "", "java", "javac", "-proc:none", "-cp", jars, "-d", classes, "Parley.java", "PresenceTest.java")
	out := runner(t, buildParley(t), ".", "java", "-cp", classes+":"+jars, "org.junit.platform.console.ConsoleLauncher", "--scan-class-path", classes, "--disable-ansi-colors")
	require.Equal(t, 3, number(t, out, `(\d+) tests successful`), out)
}

// A run of tests that is killed cannot end anything: its server sees to that itself.
func TestAKilledPytestLeavesNoServer(t *testing.T) {
	t.Parallel()
	python, dir := findPytest(t), t.TempDir()
	fixture, err := os.ReadFile("python/pytest/conftest.py")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "conftest.py"), fixture, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "test_hang.py"), []byte("import sys\n\n\ndef test_hang(parley):\n    print(parley, flush=True)\n    sys.stdin.read()\n"), 0o600))
	cmd := exec.Command(python, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", dir)
	cmd.Env = append(os.Environ(), "PARLEY="+buildParley(t), "PYTHONDONTWRITEBYTECODE=1")
	in, err := cmd.StdinPipe() // which keeps the test hanging
	require.NoError(t, err)
	defer in.Close()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer cmd.Process.Kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	addr := strings.TrimPrefix(strings.TrimSpace(line), "redis://")
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()

	require.NoError(t, cmd.Process.Kill())
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
	_, err = conn.Read(make([]byte, 1))
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the server lives")
	require.Error(t, err)
	cmd.Wait()
}

// runner runs a program in a directory, which must succeed, and returns what it prints.
func runner(t *testing.T, parley, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), programPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PARLEY="+parley, "PYTHONDONTWRITEBYTECODE=1", "PYTHONUTF8=1", "PY_COLORS=0", "NO_COLOR=1")
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	require.NoError(t, err, "%s %q:\n%s", name, args, out.String())
	return out.String()
}

// buildParley returns the path of the program.
func buildParley(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "parley")
	cmd := exec.Command("go", "build", "-o", path, "./cmd/parley")
	cmd.Dir = "../../.."
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

// findPytest returns a Python that has pytest and redis-py: see findPython.
func findPytest(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(python, "-c", "import pytest, redis").Run() == nil {
			return python
		}
	}
	missing(t, "needs Python 3 with pytest and redis-py (Debian's packages python3-pytest and python3-redis)")
	return ""
}
