package main

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func passwordFile(t *testing.T, text string, mode os.FileMode) string {
	path := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	require.NoError(t, os.Chmod(path, mode))
	return path
}

func TestPasswordFromAFile(t *testing.T) {
	for text, password := range map[string]string{
		"secret": "secret", "secret\n": "secret", "secret\r\n": "secret", " se cret \n": " se cret ", "secret\r": "secret\r",
	} {
		o, err := parse([]string{"--requirepass-file", passwordFile(t, text, 0o600)})
		require.NoError(t, err, "%q", text)
		require.Equal(t, password, o.server.Password)
		require.Empty(t, o.warnings)
	}
	ready, _ := start(t, "--port", "0", "--requirepass-file", passwordFile(t, "secret\n", 0o600))
	require.Equal(t, "+OK", ask(t, "tcp", strings.TrimPrefix(ready, "ready redis://"), "AUTH secret"))
}

func TestPasswordFromTheEnvironment(t *testing.T) {
	t.Setenv(passwordVariable, "secret")
	ready, _ := start(t, "--port", "0")
	addr := strings.TrimPrefix(ready, "ready redis://")
	require.Equal(t, "-NOAUTH Authentication required.", ask(t, "tcp", addr, "GET k"))
	require.Equal(t, "+OK", ask(t, "tcp", addr, "AUTH secret"))
	_, there := os.LookupEnv(passwordVariable)
	require.False(t, there, "no process that this one starts inherits it")
}

// An invalid password source never starts a server without a password.
func TestPasswordThatCannotBeHad(t *testing.T) {
	for want, args := range map[string][]string{
		"the file is empty":                  {"--requirepass-file", passwordFile(t, "", 0o600)},
		"is empty":                           {"--requirepass-file", passwordFile(t, "\r\n", 0o600)},
		"no such file":                       {"--requirepass-file", filepath.Join(t.TempDir(), "none")},
		"requirepass-file: open : no such":   {"--requirepass-file", ""},
		"is a directory":                     {"--requirepass-file", t.TempDir()},
		"not one line of text":               {"--requirepass-file", passwordFile(t, "secret\nof two lines\n", 0o600)},
		"is not one line":                    {"--requirepass-file", passwordFile(t, "sec\x00ret", 0o600)},
		"password: the file is not one line": {"--requirepass-file", passwordFile(t, strings.Repeat("x", maxPasswordFile+1), 0o600)},
		"by --requirepass and by --requirepass-file: want one": {"--requirepass", "x", "--requirepass-file", passwordFile(t, "y", 0o600)},
		"requirepass and aclfile exclude each other":           {"--port", "0", "--aclfile", passwordFile(t, "user default on", 0o600), "--requirepass-file", passwordFile(t, "y", 0o600)},
	} {
		err := run(t.Context(), args, nil, io.Discard, io.Discard)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "secret")
	}
	t.Setenv(passwordVariable, "")
	require.ErrorContains(t, run(t.Context(), []string{"--port", "0"}, nil, io.Discard, io.Discard), "PARLEY_REQUIREPASS is empty")
	require.NoError(t, run(t.Context(), []string{"--version"}, nil, io.Discard, io.Discard))
	t.Setenv(passwordVariable, "x")
	for _, args := range [][]string{{"--requirepass", "y"}, {"--requirepass", ""}, {"--requirepass-file", passwordFile(t, "x", 0o600)}} {
		err := run(t.Context(), args, nil, io.Discard, io.Discard)
		require.ErrorContains(t, err, "and by the environment variable PARLEY_REQUIREPASS: want one")
	}
}

func TestWarningsAboutPasswords(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("permissions of files are Unix's")
	}
	warnings := func(args ...string) string {
		o, err := parse(args)
		require.NoError(t, err)
		var log bytes.Buffer
		o.logWarnings(slog.New(slog.NewTextHandler(&log, nil)))
		return log.String()
	}
	open, group := passwordFile(t, "hidden", 0o644), passwordFile(t, "hidden", 0o640)
	const text = `level=WARN msg="a file with secrets is readable by all users of this machine" option=`
	require.Contains(t, warnings("--requirepass-file", open), text+"requirepass-file path="+open+" mode=0644\n")
	require.Contains(t, warnings("--aclfile", open), text+"aclfile path="+open)
	require.Contains(t, warnings("--tls-key-file", open), text+"tls-key-file path="+open)
	require.Empty(t, warnings("--requirepass-file", group, "--tls-key-file", group))
	require.Contains(t, warnings("--requirepass", "hidden"), `level=WARN msg="the command line holds a password`)
	require.NotContains(t, warnings("--requirepass", "hidden"), "hidden")
	require.Empty(t, warnings("--requirepass", ""))
}

func TestPasswordsOfTheCommandLineAreFound(t *testing.T) {
	for line, want := range map[string]string{
		"--requirepass a -requirepass b --requirepass=c -requirepass=d=e": "a b c d=e",
		"--requirepass": "", "--requirepass=": "",
		"requirepass a": "", "---requirepass a": "", "--requirepass-file a": "", "--port 0": "",
		"--unixsocket --requirepass a": "a",
	} {
		require.Equal(t, want, strings.Join(secretArguments(strings.Fields(line)), " "), line)
	}
}

// Neither ps nor the program itself shows the password on its command line.
func TestProcessListShowsNoPassword(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what is overwritten is Linux's")
	}
	program, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(program, "--port", "0", "--requirepass", "hidden1", "-requirepass=hidden2")
	c.Env = append(os.Environ(), asProgram+"=1")
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	defer func() {
		c.Process.Signal(syscall.SIGTERM)
		require.NoError(t, c.Wait())
	}()
	ready, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	shown, err := os.ReadFile("/proc/" + strconv.Itoa(c.Process.Pid) + "/cmdline")
	require.NoError(t, err)
	require.Equal(t, program+"\x00--port\x000\x00--requirepass\x00*******\x00-requirepass=*******\x00", string(shown))
	addr := strings.TrimPrefix(strings.TrimSpace(ready), "ready redis://")
	require.Equal(t, "+OK", ask(t, "tcp", addr, "AUTH hidden2"), "the program has it all the same")
}
