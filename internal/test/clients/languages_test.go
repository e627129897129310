package clienttest

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/redistest"
	"github.com/parley-chat/parley/internal/test/schematest"
)

// Libraries of other languages are tested by programs in these languages. Each
// runs against a parley and against a Redis, and what it expects of them is the
// same, but for the one line of the schema that Redis refuses.

// requireLanguages is the environment variable that makes a missing language,
// or a library that is not installed, a failure.
const requireLanguages = "PARLEY_REQUIRE_CLIENTS"

// programPatience bounds what a program may take, on a machine that is busy too.
const programPatience = 5 * time.Minute

// missing skips the test, or fails it.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv(requireLanguages) == "1" {
		t.Fatalf("%s (%s=1)", what, requireLanguages)
	}
	t.Skip(what)
}

// A target is what the programs are told of a server.
type target struct {
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Socket   string `json:"socket"`
	Password string `json:"password,omitempty"`
	// Extension says whether the server takes SINTER over a sorted set.
	Extension bool              `json:"extension"`
	Steps     []schematest.Step `json:"steps"`
}

func newTarget(t *testing.T, addr, socket, password string) target {
	host, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	n, err := strconv.Atoi(port)
	require.NoError(t, err)
	return target{Host: host, Port: n, Socket: socket, Password: password, Steps: schematest.Steps()}
}

// overTargets runs a test with a parley and a Redis, with and without a password.
func overTargets(t *testing.T, test func(*testing.T, target)) {
	for _, password := range []string{"", "open sesame"} {
		suffix := ""
		if password != "" {
			suffix = " with a password"
		}
		t.Run("parley"+suffix, func(t *testing.T) {
			s, socket := startOnBoth(t, password)
			to := newTarget(t, s.Addr(), socket, password)
			to.Extension = true
			test(t, to)
		})
		t.Run("redis"+suffix, func(t *testing.T) {
			var args []string
			if password != "" {
				args = []string{"--requirepass", password}
			}
			r := redistest.Start(t, args...)
			test(t, newTarget(t, r.Addr(), r.Socket(), password))
		})
	}
}

// program runs a program of tests that finds its target in the file that
// PARLEY_ENDPOINT names, and returns what it prints. It must succeed.
func program(t *testing.T, to target, name string, args ...string) string {
	t.Helper()
	endpoint := filepath.Join(t.TempDir(), "endpoint.json")
	text, err := json.Marshal(to)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(endpoint, text, 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), programPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "PARLEY_ENDPOINT="+endpoint, "PYTHONDONTWRITEBYTECODE=1", "PYTHONUTF8=1")
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	require.NoError(t, err, "%s %q:\n%s", name, args, out.String())
	return out.String()
}

// number finds a number that a program prints, by the words around it.
func number(t *testing.T, printed, pattern string) int {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(printed)
	require.NotNil(t, found, "no %s in:\n%s", pattern, printed)
	n, err := strconv.Atoi(found[1])
	require.NoError(t, err)
	return n
}
