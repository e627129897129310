package clienttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// oldestNode is the major version from which on the libraries support it.
const oldestNode = 20

func TestNodeRedis5(t *testing.T) { testNode(t, "node-redis-5") }
func TestNodeRedis6(t *testing.T) { testNode(t, "node-redis-6") }
func TestIORedis5(t *testing.T)   { testNode(t, "ioredis-5") }
func TestIORedis6(t *testing.T)   { testNode(t, "ioredis-6") }

func testNode(t *testing.T, library string) {
	node, test := findNode(t), findNodeTest(t, library)
	overTargets(t, func(t *testing.T, to target) {
		t.Parallel()
		out := program(t, to, node, "--test", "--test-reporter=tap", test)
		// A program without tests, or one that skips them, succeeds too.
		require.Greater(t, number(t, out, `(?m)^# pass (\d+)$`), 20, out)
		require.Equal(t, number(t, out, `(?m)^# tests (\d+)$`), number(t, out, `(?m)^# pass (\d+)$`), out)
	})
}

// findNode returns the path of node.
func findNode(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		missing(t, "needs node")
	}
	out, err := exec.Command(path, "--version").Output()
	major, _, _ := strings.Cut(strings.TrimPrefix(string(out), "v"), ".")
	if n, _ := strconv.Atoi(major); err != nil || n < oldestNode {
		missing(t, "needs node "+strconv.Itoa(oldestNode)+" or later, not "+strings.TrimSpace(string(out)))
	}
	return path
}

// findNodeTest returns the path of the suite with a library that is installed.
func findNodeTest(t *testing.T, library string) string {
	t.Helper()
	dir := filepath.Join("node", library)
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		missing(t, library+" is not installed: run `make clients-install`")
	}
	return filepath.Join(dir, library+".test.mjs")
}
