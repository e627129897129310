package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/tlstest"
)

// marker is part of every password that the test below uses, and of nothing
// else.
const marker = "m4rk3r"

// A secretsRun is a program that received passwords in every way, and has
// written all its output.
type secretsRun struct {
	t              *testing.T
	stdout, stderr harness.Log
	addr, tlsAddr  string
	page           string // its URL
	admin          *harness.Client
	key            string // a line of the TLS key
}

func (r *secretsRun) dial() *harness.Client { return harness.Dial(r.t, "tcp", r.addr) }

// startSecrets runs the program with TLS. Another process may take its port
// first.
func startSecrets(t *testing.T) (r *secretsRun, end func()) {
	p := tlstest.New(t).Issue(t.TempDir(), "server")
	key, err := os.ReadFile(p.Key)
	require.NoError(t, err)
	for range 5 {
		port := harness.FreePort(t)
		r = &secretsRun{t: t, tlsAddr: "127.0.0.1:" + port, key: strings.Split(string(key), "\n")[1]}
		out, in := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		silent, hold := io.Pipe()
		go func() {
			ended <- run(ctx, []string{
				"--test", "--port", harness.FreePort(t), "--requirepass-file", passwordFile(t, marker+"\n", 0o644), "--http", ":0", "--loglevel", "debug",
				"--tls-port", port, "--tls-cert-file", p.Cert, "--tls-key-file", p.Key, "--tls-auth-clients", "no",
				"--slowlog-log-slower-than", "0", "--latency-monitor-threshold", "1", "--auth-failure-rate", "0", "--auth-max-failures", "0",
				"--auth-failure-delay", "0", "--notify-keyspace-events", "KA",
			}, silent, io.MultiWriter(in, &r.stdout), &r.stderr)
			in.Close()
		}()
		end = func() {
			cancel()
			hold.Close()
			require.NoError(t, <-ended)
		}
		ready, _ := bufio.NewReader(out).ReadString('\n')
		go io.Copy(io.Discard, out)
		if r.addr = strings.TrimPrefix(strings.TrimSpace(ready), "ready redis://"); r.addr != "" {
			_, rest, _ := strings.Cut(r.stderr.String(), "url=")
			r.page, _, _ = strings.Cut(rest, "\n")
			return r, end
		}
		cancel()
		hold.Close()
		require.ErrorContains(t, <-ended, "address already in use")
	}
	t.Fatal("no port is free")
	return nil, nil
}

// get returns a page, decompressed.
func (r *secretsRun) get(path string) string {
	answer, err := http.Get(r.page + strings.TrimPrefix(path, "/"))
	require.NoError(r.t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(r.t, err)
	if z, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
		if body, err = io.ReadAll(z); err != nil {
			require.NoError(r.t, err)
		}
	}
	return answer.Status + "\n" + string(body)
}

// No diagnostics show a password, while passwords are sent in every way, valid
// and invalid, in calls that run and calls that fail.
func TestNoDiagnosticsShowPasswords(t *testing.T) {
	r, end := startSecrets(t)
	r.admin = r.dial()
	require.Contains(t, r.admin.Ask("CONFIG GET requirepass"), "NOAUTH")
	require.Equal(t, "OK", r.admin.Ask("AUTH "+marker))
	require.Contains(t, r.admin.Ask("CONFIG GET requirepass"), marker, "as in Redis: who may ask for it gets it")
	monitor := r.dial()
	require.Equal(t, "OK", monitor.Ask("AUTH "+marker))
	require.Equal(t, "OK", r.admin.Ask("TEST LINT ALL VERSION 2.0.0"))
	require.Equal(t, "OK", r.admin.Ask("TEST RECORD all"))
	require.Equal(t, "OK", monitor.Ask("MONITOR"))

	caller := r.dial()
	for _, line := range []string{
		"AUTH $x", "AUTH $", "AUTH default $", "AUTH default $x", "AUTH nosuch $", "AUTH default $ $", "AUTH",
		"HELLO 3 AUTH default $", "HELLO 2 SETNAME app AUTH default $x", "HELLO 9 AUTH default $", "HELLO x AUTH default $", "HELLO 3 AUTH $", "HELLO 3 NOSUCH AUTH default $",
		"HELLO 2 AUTH default $x AUTH default $", "AUTH $",
		"ACL SETUSER ann on >$ +@all ~*", "ACL SETUSER ann (>$", "ACL SETUSER ann $", "ACL SETUSER ann <$x", "ACL SETUSER ann #$",
		"CONFIG SET maxclients 100 requirepass $ nosuch 1", "CONFIG SET masterauth $", "config set requirepass $ requirepass $", "CONFIG SET requirepass $",
		"MULTI", "AUTH $", "AUTH ann $x", "HELLO 3 AUTH default $x", "ACL SETUSER ann >$", "CONFIG SET requirepass $", "EXEC",
		"MULTI", "AUTH $ $ $ $", "NOSUCH", "EXEC",
		"ACL SETUSER bob on >$ +auth +get ~a", "AUTH bob $", "ACL SETUSER bob >$", "CONFIG SET requirepass $", "GET k", "AUTH $",
	} {
		caller.Ask(strings.ReplaceAll(line, "$", marker))
	}
	// The connection ends after a password was sent on it.
	for _, stream := range []string{
		"AUTH \"" + marker, "*2\r\n$4\r\nAUTH\r\n!6\r\n" + marker, "*2\r\n$4\r\nAUTH\r\n$" + marker, "*" + marker, "POST /?password=" + marker + " HTTP/1.1", "GET / HTTP/1.1\r\nHost: " + marker,
	} {
		l := r.dial()
		io.WriteString(l.Conn, stream+"\r\n")
		require.NoError(t, l.Conn.(*net.TCPConn).CloseWrite())
		io.Copy(io.Discard, l.Conn)
	}
	// TLS, and plain text on its port.
	conn, err := tls.Dial("tcp", r.tlsAddr, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer conn.Close()
	over := harness.NewClient(t, conn)
	require.Equal(t, "OK", over.Ask("AUTH "+marker))
	plain, err := net.Dial("tcp", r.tlsAddr)
	require.NoError(t, err)
	defer plain.Close()
	_, err = io.WriteString(plain, "AUTH "+marker+"\r\n")
	require.NoError(t, err)
	io.Copy(io.Discard, plain)
	// Blocked calls with a password in their arguments.
	require.Equal(t, "OK", r.admin.Ask("CONFIG SET auth-failure-delay 60000 auth-failure-loopback yes"))
	guesser := r.dial()
	guesser.Send("AUTH " + marker + "x")
	harness.Until(t, "the guess is delayed", func() bool { return strings.Contains(r.admin.Ask("CLIENT LIST"), "flags=b") })

	shown := map[string]string{}
	for _, line := range []string{
		"SLOWLOG GET -1", "LATENCY LATEST", "LATENCY DOCTOR", "LATENCY HISTOGRAM", "LATENCY HISTORY command", "CLIENT LIST", "CLIENT INFO", "ACL LOG 1000", "ACL LIST", "ACL USERS",
		"ACL GETUSER default", "INFO everything", "COMMAND DOCS auth", "COMMAND INFO auth hello", "CONFIG GET tls*", "CONFIG GET a*", "MEMORY STATS", "MEMORY DOCTOR",
		"DEBUG OBJECT k", "TEST CALLS LIKE \"AUTH *\"", "TEST CALLS LIKE HELLO", "TEST CALLS LIKE \"ACL *\"", "TEST CALLS LIKE CONFIG", "TEST RECORDED all", "TEST FINDINGS",
		"TEST WAIT BLOCKED 9 1ms", "TEST WAIT IDLE 1ms", "TEST WAIT CLIENTS 100 1ms", "TEST FAULTS", "TEST HELP",
	} {
		shown[line] = r.admin.Ask(line)
	}
	require.Contains(t, shown["TEST CALLS LIKE \"AUTH *\""], "(redacted)")
	require.Contains(t, shown["SLOWLOG GET -1"], "(redacted)")
	r.admin.Ask("ECHO end")
	for !strings.Contains(shown["MONITOR"], `"end"`) {
		shown["MONITOR"] += monitor.Read() + "\n"
	}
	require.Contains(t, shown["MONITOR"], "(redacted)")

	paths := []string{"/", "/metrics", "/healthz", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/vars", "/debug/pprof/profile?seconds=0", "/debug/pprof/trace?seconds=0"}
	for _, p := range pprof.Profiles() {
		for _, debug := range []string{"0", "1", "2"} {
			paths = append(paths, "/debug/pprof/"+p.Name()+"?debug="+debug)
		}
	}
	for _, path := range paths {
		shown[path] = r.get(path)
	}
	require.Contains(t, shown["/debug/pprof/goroutine?debug=2"], "goroutine ")
	end()
	shown["the log"], shown["standard output"] = r.stderr.String(), r.stdout.String()
	for _, kind := range []string{"authentication failed", "protocol error", "HTTP on a Redis port", "CONFIG SET", "TLS handshake failed", "client connected", "readable by all"} {
		require.Contains(t, shown["the log"], kind)
	}
	for what, text := range shown {
		require.NotEmpty(t, text, what)
		// a failure must not show all of it either
		at := strings.Index(text, marker)
		require.Negative(t, at, "%s shows a password: ...%.100q", what, text[max(0, at-50):])
		require.NotContains(t, text, r.key, what)
	}
}

// Errors about invalid command lines show no password.
func TestRefusedCommandLinesShowNoPassword(t *testing.T) {
	for _, args := range []string{
		"--requirepass $ $", "--requirepass=$ $", "--requirepass $ --port x", "--requirepass $ --nosuch", "--requirepas=$", "--requirepass $ --maxclients 0",
		"--requirepass $ --aclfile /nosuch", "--requirepass $ --tls-key-file nosuch", "--requirepass $ --requirepass-file nosuch", "--requirepass $ --port 0 --http nowhere",
		"--requirepass $ --port 0 --unixsocket /nosuch/s", "--requirepass $ --test --bind 192.0.2.1", "--requirepass $ --help", "--requirepass $ --version",
	} {
		var out, errs bytes.Buffer
		err := run(t.Context(), strings.Fields(strings.ReplaceAll(args, "$", marker)), nil, &out, &errs)
		require.NotContains(t, fmt.Sprint(err)+out.String()+errs.String(), marker, args)
		if !strings.HasSuffix(args, "--help") && !strings.HasSuffix(args, "--version") {
			require.Error(t, err, args)
		}
	}
	bad := filepath.Join(t.TempDir(), "users.acl")
	require.NoError(t, os.WriteFile(bad, []byte("user ann on >"+marker+" "+marker+"\nuser bob (>"+marker+"\n"+marker+"\n"), 0o600))
	err := run(t.Context(), []string{"--port", "0", "--aclfile", bad}, nil, io.Discard, io.Discard)
	require.Error(t, err)
	require.NotContains(t, err.Error(), marker)
}
