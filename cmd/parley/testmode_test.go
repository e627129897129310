package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
)

// startForTest runs the program with --test and returns its address, and a
// function that closes its standard input.
func startForTest(t *testing.T, args ...string) (addr string, stdin io.Closer, ended chan error) {
	in, stdinEnd := io.Pipe()
	out, stdout := io.Pipe()
	ended = make(chan error, 1)
	go func() {
		ended <- run(context.Background(), append([]string{"--test"}, args...), in, stdout, io.Discard)
		stdout.Close()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "ready redis://127.0.0.1:")
	require.True(t, ok, line)
	t.Cleanup(func() { stdinEnd.Close() })
	return "127.0.0.1:" + addr, stdinEnd, ended
}

func TestTestModeEndsWithItsStandardInput(t *testing.T) {
	addr, stdin, ended := startForTest(t)
	require.NotEqual(t, "127.0.0.1:6379", addr, "a free port")
	require.Equal(t, "+OK", ask(t, "tcp", addr, "SET k v"))
	select {
	case err := <-ended:
		t.Fatal("ended too soon", err)
	default:
	}
	require.NoError(t, stdin.Close())
	require.NoError(t, <-ended)
}

// If standard input is closed from the start, or /dev/null, the program ends
// right after the ready line.
func TestTestModeWithoutStandardInput(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(context.Background(), []string{"--test"}, strings.NewReader("what is sent is nothing to it"), &out, io.Discard))
	require.Regexp(t, `^ready redis://127\.0\.0\.1:\d+\n$`, out.String())
}

// Without --test the program does not read standard input, and there is no
// command TEST.
func TestOnlyTestModeHasTheCommand(t *testing.T) {
	ready, _ := start(t, "--port", "0")
	require.Contains(t, ask(t, "tcp", strings.TrimPrefix(ready, "ready redis://"), "TEST HELP"), "-ERR unknown command 'TEST'")
	addr, stdin, ended := startForTest(t)
	require.Contains(t, askList(t, addr, "TEST HELP")[0], "TEST <subcommand>")
	require.Contains(t, ask(t, "tcp", addr, "DEBUG OBJECT nosuch"), "no such key", "DEBUG is allowed")
	require.NoError(t, stdin.Close())
	require.NoError(t, <-ended)
}

func TestTestModeOnTheCommandLine(t *testing.T) {
	for args, reason := range map[string]string{
		"--test --bind *":           `bind "*": with --test only an address of this machine`,
		"--test --bind 0.0.0.0":     "only an address of this machine",
		"--test --bind example.com": "only an address of this machine",
		"--seed 1":                  "seed: only with --test",
		"--adversarial-scans":       "adversarial-scans: only with --test",
		"--test --seed 0":           "want at least 1",
		"--test --seed x":           "parse error",
	} {
		_, err := parse(strings.Fields(args))
		require.ErrorContains(t, err, reason, args)
	}
	for args, addr := range map[string]string{
		"--test":                            "127.0.0.1:0",
		"--test --bind ::1 --port 7000":     "[::1]:7000",
		"--test --bind localhost --port=7":  "localhost:7",
		"--bind * --port 7":                 ":7",
		"--test --enable-debug-command yes": "127.0.0.1:0",
	} {
		o, err := parse(strings.Fields(args))
		require.NoError(t, err, args)
		require.Equal(t, addr, o.server.Addr, args)
	}
}

// With the same seed two servers make the same random choices.
func TestTestModeIsRepeatable(t *testing.T) {
	scan := func(args ...string) (pages []string) {
		addr, stdin, ended := startForTest(t, args...)
		c := harness.Dial(t, "tcp", addr)
		defer c.Close()
		cursor := "0"
		ask := func(command string) resp.Value {
			c.Send(command)
			v, err := resp.NewReader(c.R).Read()
			require.NoError(t, err)
			return v
		}
		for i := range 200 {
			ask(fmt.Sprintf("SET k%d v", i))
		}
		for {
			v := ask("SCAN " + cursor)
			pages = append(pages, v.String())
			if cursor = v.Elems[0].Str; cursor == "0" {
				break
			}
		}
		pages = append(pages, ask("RANDOMKEY").String())
		require.NoError(t, stdin.Close())
		require.NoError(t, <-ended)
		return pages
	}
	once := scan("--seed", "7", "--adversarial-scans")
	require.Equal(t, once, scan("--seed", "7", "--adversarial-scans"))
	require.NotEqual(t, once, scan("--seed", "8", "--adversarial-scans"))
	require.Contains(t, strings.Join(once, "\n"), "(empty array)")
	require.NotContains(t, strings.Join(scan("--seed", "7"), "\n"), "(empty array)")
}

// The parent process is a test run that starts a server and is killed. The
// server holds its parent's standard output open until it ends.
func TestNoServerOutlivesAKilledRunOfTests(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), asParent+"=1")
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	require.NoError(t, err)
	addr := strings.TrimPrefix(strings.TrimSpace(line), "ready redis://")
	require.Equal(t, "+PONG", ask(t, "tcp", addr, "PING"))

	require.NoError(t, parent.Process.Kill())
	rest, err := io.ReadAll(lines) // both processes hold the pipe
	require.NoError(t, err)
	require.Empty(t, rest)
	parent.Wait()
}

// asParent is an environment variable that makes the test binary start the
// program and stay, as test runs do.
const asParent = "PARLEY_AS_PARENT"

func beParent() {
	child := exec.Command(os.Args[0], "--test", "--port", "0")
	child.Env = append(os.Environ(), asProgram+"=1")
	child.Stdout = os.Stdout
	if _, err := child.StdinPipe(); err != nil {
		panic(err)
	}
	if err := child.Run(); err != nil {
		panic(err)
	}
}
