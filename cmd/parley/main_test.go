package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/tlstest"
	"github.com/parley-chat/parley/server"
)

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	if os.Getenv(asParent) != "" {
		beParent()
		return
	}
	harness.Main(m)
}

// asProgram is an environment variable that makes the test binary run the
// program.
const asProgram = "PARLEY_AS_PROGRAM"

// start runs the program and returns its ready line. The end of the test stops
// it.
func start(t *testing.T, args ...string) (ready string, ended chan error) {
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended = make(chan error, 1)
	go func() {
		ended <- run(ctx, args, nil, in, io.Discard)
		in.Close()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return strings.TrimSpace(line), ended
}

// ask makes a call on a new connection and returns the first line of the reply.
func ask(t *testing.T, network, addr, command string) string {
	t.Helper()
	c := harness.Dial(t, network, addr)
	defer c.Close()
	return c.AskLine(command)
}

// askList is ask for a reply that is an array of strings.
func askList(t *testing.T, addr, command string) []string {
	t.Helper()
	c := harness.Dial(t, "tcp", addr)
	defer c.Close()
	c.Send(command)
	v, err := resp.NewReader(c.R).Read()
	require.NoError(t, err)
	return v.Strings()
}

func TestReadyLineNamesWhereItListens(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "parley.sock")
	ready, _ := start(t, "--port", "0", "-unixsocket", socket, "-requirepass=secret", "--databases", "3")
	addr, ok := strings.CutPrefix(ready, "ready redis://")
	require.True(t, ok, ready)
	require.Equal(t, "-NOAUTH Authentication required.", ask(t, "tcp", addr, "GET k"))
	require.Equal(t, "+OK", ask(t, "unix", socket, "AUTH secret"))
}

func TestUsersOfAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.acl")
	require.NoError(t, os.WriteFile(path, []byte("user default off\nuser ann on >secret +@all\n"), 0o600))
	ready, _ := start(t, "--port", "0", "--aclfile", path)
	addr := strings.TrimPrefix(ready, "ready redis://")
	require.Equal(t, "-NOAUTH Authentication required.", ask(t, "tcp", addr, "GET k"))
	require.Equal(t, "+OK", ask(t, "tcp", addr, "AUTH ann secret"))
	require.ErrorContains(t, run(t.Context(), []string{"--port", "0", "--aclfile", path, "--requirepass", "x"}, nil, io.Discard, io.Discard), "exclude each other")
	require.ErrorContains(t, run(t.Context(), []string{"--port", "0", "--aclfile", path + "x"}, nil, io.Discard, io.Discard), "No such file or directory")
}

func TestParametersOnTheCommandLine(t *testing.T) {
	ready, _ := start(t, "--port", "0", "--proto-max-bulk-len", "2mb", "--client-output-buffer-limit", "normal 3mb 0 0 pubsub 1mb 0 0")
	addr := strings.TrimPrefix(ready, "ready redis://")
	require.Equal(t, []string{"proto-max-bulk-len", "2097152"}, askList(t, addr, "CONFIG GET proto-max-bulk-len"))
	require.Equal(t, "normal 3145728 0 0 slave 268435456 67108864 60 pubsub 1048576 0 0", askList(t, addr, "CONFIG GET client-output-buffer-limit")[1])
}

func TestUnixSocketPermissionsOnTheCommandLine(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	ready, _ := start(t, "--port", "0", "--unixsocket", socket, "--unixsocketperm", "700")
	require.Equal(t, []string{"unixsocketperm", "700"}, askList(t, strings.TrimPrefix(ready, "ready redis://"), "CONFIG GET unixsocketperm"))
	info, err := os.Stat(socket)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
	for value, reason := range map[string]string{
		"888": "couldn't be parsed as an octal number", "rwx": "couldn't be parsed as an octal number",
		"1000": "between 0 and 777", "-1": "between 0 and 777",
	} {
		_, err := parse([]string{"--unixsocketperm", value})
		require.ErrorContains(t, err, reason)
	}
}

// As in Redis, --port 0 with --tls-port opens no port without TLS.
func TestTLSOnTheCommandLine(t *testing.T) {
	a := tlstest.New(t)
	p := a.Issue(t.TempDir(), "server")
	for range 5 { // another process may take the port
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		addr := l.Addr().String()
		require.NoError(t, l.Close())
		_, port, _ := net.SplitHostPort(addr)
		args := []string{
			"--port", "0", "--tls-port", port, "--tls-cert-file", p.Cert, "--tls-key-file", p.Key,
			"--tls-ca-cert-file", a.File, "--tls-auth-clients", "optional",
		}
		o, err := parse(args)
		require.NoError(t, err)
		require.Empty(t, o.server.Addr)
		s, err := server.Start(o.server)
		if err != nil {
			continue
		}
		require.NoError(t, s.Close())
		ready, _ := start(t, args...)
		require.Equal(t, "ready rediss://"+addr, ready)
		conn, err := tls.Dial("tcp", addr, a.Client(a.Certificate("alice")))
		require.NoError(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, "PING\r\n")
		require.NoError(t, err)
		line, err := bufio.NewReader(conn).ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "+PONG\r\n", line)
		return
	}
	t.Fatal("no port is free")
}

func TestTLSOptionsThatContradict(t *testing.T) {
	for _, args := range []string{"--tls-port 65536", "--tls-port -1", "--tls-port x"} {
		_, err := parse(strings.Fields(args))
		require.Error(t, err, args)
	}
	for _, args := range []string{"--port 0 --tls-cert-file c --tls-key-file k", "--port 0 --tls-port 1", "--port 0 --tls-port 1 --tls-cert-file nosuch --tls-key-file nosuch --tls-auth-clients no"} {
		o, err := parse(strings.Fields(args))
		require.NoError(t, err, args)
		_, err = server.Start(o.server)
		require.Error(t, err, args)
	}
}

func TestShutdownEndsTheProgram(t *testing.T) {
	ready, ended := start(t, "--port", "0")
	conn, err := net.Dial("tcp", strings.TrimPrefix(ready, "ready redis://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "SHUTDOWN NOSAVE\r\n")
	require.NoError(t, err)
	rest, _ := io.ReadAll(conn) // reset or closed, but without a reply
	require.Empty(t, rest)
	err = <-ended
	require.NoError(t, err)
	ended <- nil // for the cleanup
}

func TestPageForOperators(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lines, stderr := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"--port", "0", "--http", ":0", "--logformat", "json"}, nil, io.Discard, stderr)
		stderr.Close()
	}()
	var line struct{ Level, Msg, URL string }
	log := json.NewDecoder(lines)
	for line.URL == "" {
		require.NoError(t, log.Decode(&line))
	}
	require.Equal(t, "INFO", line.Level)
	require.Regexp(t, `^http://127\.0\.0\.1:\d+/$`, line.URL, "this machine's only")
	answer, err := http.Get(line.URL + "healthz")
	require.NoError(t, err)
	answer.Body.Close()
	require.Equal(t, http.StatusOK, answer.StatusCode)

	cancel()
	for line.Msg != "closed" {
		require.NoError(t, log.Decode(&line))
	}
	require.NoError(t, <-ended)
	_, err = http.Get(line.URL)
	require.Error(t, err)
}

func TestBadCommandLines(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())

	for want, args := range map[string][]string{
		"address already in use": {"--port", port},
		"-colour":                {"--colour", "red"},
		"parse error":            {"--port", "many"},
		"port 65536":             {"--port", "65536"},
		"databases 0":            {"--databases", "0"},
		"want no, local or yes":  {"--enable-debug-command", "maybe"},
		"loglevel":               {"--loglevel", "loud"},
		"want text or json":      {"--logformat", "xml"},
		"ops: listen":            {"--port", "0", "--http", taken.Addr().String()},
		"missing port":           {"--port", "0", "--http", "localhost"},
		"between 1 and":          {"--port", "0", "--maxclients", "0"},
		"want an address":        {"--bind", ""},
		"unexpected argument":    {"redis.conf"},
		"no-such-directory":      {"--port", "0", "--unixsocket", "/no-such-directory/s"},
	} {
		err := run(t.Context(), args, nil, io.Discard, io.Discard)
		require.ErrorContains(t, err, want, "%q", args)
		require.NotContains(t, err.Error(), "\n")
	}
}

func TestVersionAndHelp(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"--version"}, nil, &out, io.Discard))
	require.Regexp(t, `^parley \d+\.\d+\.\d+ \(Redis 7\.0\.15\)\n$`, out.String())
	out.Reset()
	require.NoError(t, run(t.Context(), []string{"--help"}, nil, &out, io.Discard))
	require.Equal(t, usage, out.String())
}
