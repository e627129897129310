package server_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/redistest"
	"github.com/parley-chat/parley/internal/test/schematest"
	"github.com/parley-chat/parley/server"
)

// patience is the timeout of a program, on a busy machine.
const patience = 60 * time.Second

// startOnSocket runs a server with a port and a socket until the test ends.
func startOnSocket(t *testing.T, o server.Options) (s *server.Server, socket string) {
	o.Socket = filepath.Join(t.TempDir(), "s")
	s, err := server.Start(o)
	require.NoError(t, err)
	harness.CloseAtEnd(t, s)
	return s, o.Socket
}

// cli runs redis-cli to its end and returns what it prints.
func cli(t *testing.T, stdin string, args ...string) (stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, redistest.CLI(t), args...)
	if stdin != "" {
		cmd.Stdin = strings.NewReader(stdin)
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("redis-cli %q: %v %v", args, err, ctx.Err())
	}
	return out.String(), errs.String()
}

// at is the arguments that lead redis-cli to a TCP address.
func at(addr string, args ...string) []string {
	host, port, _ := net.SplitHostPort(addr)
	return append([]string{"-h", host, "-p", port}, args...)
}

func TestCLISchema(t *testing.T) {
	redistest.CLI(t)
	for _, protocol := range []int{2, 3} {
		s, socket := startOnSocket(t, server.Options{})
		for i, step := range schematest.Steps() {
			where := at(s.Addr())
			if i%2 == 1 {
				where = []string{"-s", socket}
			}
			out, _ := cli(t, "", slices.Concat(where, []string{fmt.Sprintf("-%d", protocol), "--no-raw"}, step.Words)...)
			require.True(t, step.Matches(protocol, strings.TrimSuffix(out, "\n")), "%v: %s", step, out)
		}
	}
}

// Whatever the form in which redis-cli prints the schema's replies, it prints
// the same for a parley as for a Redis.
func TestCLIPrintsTheSameAsForRedis(t *testing.T) {
	redistest.CLI(t)
	var lines strings.Builder
	for _, step := range schematest.Steps() {
		if step.Extension {
			continue
		}
		for _, w := range step.Words {
			lines.WriteString(resp.Quote(w) + " ")
		}
		lines.WriteString("\n")
	}
	// Errors, and what redis-cli itself does about some calls.
	lines.WriteString("HGETALL user:online\nNOSUCH thing\nGET\nSINTER room:2:users user:online\nMULTI\nINCR a\nSADD a b\nEXEC\n" +
		"MULTI\nDISCARD\nSELECT 3\nGET user:name:ada\nSELECT 99\nHELLO 3\nHGETALL user:1\nHELLO 2\nHGETALL user:1\n3 INCR b\nRESET\nPING\n")
	for _, format := range [][]string{nil, {"--no-raw"}, {"--csv"}, {"--json"}, {"--raw", "-D", "|"}} {
		for _, protocol := range []string{"-2", "-3"} {
			if slices.Contains(format, "--json") && protocol == "-2" {
				continue // redis-cli insists on RESP3 for that
			}
			redis := redistest.Start(t)
			s, _ := startOnSocket(t, server.Options{Strict: true})
			args := append(slices.Clone(format), protocol)
			want, wantErr := cli(t, lines.String(), at(redis.Addr(), args...)...)
			got, gotErr := cli(t, lines.String(), at(s.Addr(), args...)...)
			require.Equal(t, clientID.ReplaceAllString(want, "id"), clientID.ReplaceAllString(got, "id"), "%q", args)
			require.Equal(t, wantErr, gotErr, "%q", args)
			require.NotEmpty(t, got)
		}
	}
}

// clientID matches what HELLO says of the client's number, in all formats.
var clientID = regexp.MustCompile(`\bid\W+(8\) )?(\(integer\) )?\d+`)

// The schema as written, where Redis refuses a line of it.
func TestCLIOnlineMembers(t *testing.T) {
	redistest.CLI(t)
	seed := "ZADD room:1:users 1 ada 2 bob\nSADD user:online bob\n"
	s, _ := startOnSocket(t, server.Options{})
	out, _ := cli(t, seed+"SINTER room:1:users user:online\n", at(s.Addr())...)
	require.Equal(t, "2\n1\nbob\n", out)
	strict, _ := startOnSocket(t, server.Options{Strict: true})
	out, _ = cli(t, seed+"SINTER room:1:users user:online\n", at(strict.Addr())...)
	require.Equal(t, "2\n1\nWRONGTYPE Operation against a key holding the wrong kind of value\n\n", out)
}

func TestCLIPipe(t *testing.T) {
	redistest.CLI(t)
	s, socket := startOnSocket(t, server.Options{})
	var input strings.Builder
	const calls = 10_000
	for i := range calls {
		fmt.Fprintf(&input, "*3\r\n$3\r\nSET\r\n$9\r\nkey:%05d\r\n$5\r\nvalue\r\n", i)
	}
	for _, where := range [][]string{at(s.Addr()), {"-s", socket}} {
		do(t, s, "FLUSHALL")
		out, errs := cli(t, input.String(), append(where, "--pipe")...)
		require.Contains(t, out, "All data transferred. Waiting for the last reply...\nLast reply received from server.\n")
		require.Contains(t, out, fmt.Sprintf("errors: 0, replies: %d\n", calls))
		require.Empty(t, errs)
		require.Equal(t, fmt.Sprintf("(integer) %d", calls), do(t, s, "DBSIZE"))
	}
	// Inline commands and one that fails.
	out, errs := cli(t, "SET a 1\r\nSADD a 2\r\nINCR a\r\n", at(s.Addr(), "--pipe")...)
	require.Contains(t, out, "errors: 1, replies: 3\n")
	require.Contains(t, errs, "WRONGTYPE")
}

func TestCLIScan(t *testing.T) {
	redistest.CLI(t)
	s, _ := startOnSocket(t, server.Options{})
	const users = 5000
	words := []any{"MSET"}
	want := make([]string, 0, users)
	for i := range users {
		key := fmt.Sprintf("user:%d", i)
		want = append(want, key)
		words = append(words, key, "x", fmt.Sprintf("other:%d", i), "x")
	}
	do(t, s, words...)
	slices.Sort(want)
	out, _ := cli(t, "", at(s.Addr(), "--scan", "--pattern", "user:*")...)
	got := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	slices.Sort(got)
	require.Equal(t, want, got) // each once: nothing has changed meanwhile
	out, _ = cli(t, "", at(s.Addr(), "--scan")...)
	require.Equal(t, 2*users, strings.Count(out, "\n"))
	out, _ = cli(t, "", at(s.Addr(), "--scan", "--pattern", "nothing*")...)
	require.Empty(t, out)
}

// What --bigkeys finds is what it finds in a Redis with the same data.
func TestCLIBigKeys(t *testing.T) {
	redistest.CLI(t)
	var seed strings.Builder
	for i := range 300 {
		fmt.Fprintf(&seed, "SET s:%d %s\nSADD t:%d a b\nZADD z:%d 1 a 2 b\nHSET h:%d f v g w\n", i, strings.Repeat("x", i), i, i, i)
	}
	seed.WriteString("SADD t:big a b c\nZADD z:big 1 a 2 b 3 c\nHSET h:big f v g w h x\n")
	redis := redistest.Start(t)
	s, _ := startOnSocket(t, server.Options{})
	var summaries [2]string
	for i, addr := range []string{redis.Addr(), s.Addr()} {
		cli(t, seed.String(), at(addr)...)
		out, errs := cli(t, "", at(addr, "--bigkeys")...)
		require.Empty(t, errs)
		_, summaries[i], _ = strings.Cut(out, "summary -------")
	}
	require.Contains(t, summaries[0], `Biggest   hash found '"h:big"' has 3 fields`)
	require.Equal(t, sortedLines(summaries[0]), sortedLines(summaries[1]))
}

func sortedLines(text string) []string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return lines
}

// A running redis-cli that prints on, and is ended by the test.
type running struct {
	t   *testing.T
	in  io.Writer
	mu  sync.Mutex // guards text, ended
	now sync.Cond
	// text is what it has printed and expect has not passed over.
	text  string
	ended bool
}

func runCLI(t *testing.T, program string, args ...string) *running {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	cmd := exec.CommandContext(ctx, program, args...)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	r := &running{t: t, in: in}
	r.now.L = &r.mu
	read := make(chan struct{})
	go func() {
		defer close(read)
		r.collect(bufio.NewReader(out))
	}()
	t.Cleanup(func() {
		cancel() // kills it
		<-read
		_ = cmd.Wait()
	})
	return r
}

func (r *running) collect(out io.Reader) {
	buf := make([]byte, 4096)
	for {
		n, err := out.Read(buf)
		r.mu.Lock()
		r.text += string(buf[:n])
		r.ended = err != nil
		r.now.Broadcast()
		r.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// expect waits until something is printed, and passes over it.
func (r *running) expect(what string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for !strings.Contains(r.text, what) {
		require.False(r.t, r.ended, "ended without %q: %q", what, r.text)
		r.now.Wait()
	}
	_, r.text, _ = strings.Cut(r.text, what)
}

// expectEnd waits until it ends.
func (r *running) expectEnd() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.ended {
		r.now.Wait()
	}
}

func (r *running) typeIn(text string) {
	r.t.Helper()
	_, err := io.WriteString(r.in, text)
	require.NoError(r.t, err)
}

func TestCLIStat(t *testing.T) {
	s, _ := startOnSocket(t, server.Options{})
	do(t, s, "MSET", "a", 1, "b", 2)
	r := runCLI(t, redistest.CLI(t), at(s.Addr(), "--stat", "-i", "0.005")...)
	r.expect("keys       mem      clients blocked requests            connections")
	r.expect("\n2  ")
	do(t, s, "SET", "c", 3)
	r.expect("\n3  ")
}

func TestCLILatency(t *testing.T) {
	s, _ := startOnSocket(t, server.Options{})
	out, errs := cli(t, "", at(s.Addr(), "--latency", "-i", "0.1")...)
	require.Empty(t, errs)
	var lowest, highest, samples int
	var average float64
	n, err := fmt.Sscanf(out, "%d %d %f %d", &lowest, &highest, &average, &samples)
	require.NoError(t, err, out)
	require.Equal(t, 4, n)
	require.Positive(t, samples)
}

func TestCLIPassword(t *testing.T) {
	redistest.CLI(t)
	s, socket := startOnSocket(t, server.Options{Password: "open sesame"})
	out, errs := cli(t, "", at(s.Addr(), "PING")...)
	require.Equal(t, "NOAUTH Authentication required.\n\n", out+errs)
	for _, args := range [][]string{
		at(s.Addr(), "-a", "open sesame", "--no-auth-warning"),
		at(s.Addr(), "-a", "open sesame", "--no-auth-warning", "-3"),
		at(s.Addr(), "--user", "default", "--pass", "open sesame", "--no-auth-warning"),
		{"-s", socket, "-a", "open sesame", "--no-auth-warning"},
		{"-u", strings.Replace(s.URL(), "redis://:", "redis://default:", 1), "--no-auth-warning"},
	} {
		out, errs = cli(t, "", append(args, "PING")...)
		require.Equal(t, "PONG\n", out+errs, "%q", args)
	}
	_, errs = cli(t, "", at(s.Addr(), "-a", "wrong", "--no-auth-warning", "PING")...)
	require.Contains(t, errs, "AUTH failed: WRONGPASS invalid username-password pair or user is disabled.\n")
}

func TestCLIDatabases(t *testing.T) {
	redistest.CLI(t)
	s, _ := startOnSocket(t, server.Options{})
	for i, args := range [][]string{at(s.Addr()), at(s.Addr(), "-n", "5"), at(s.Addr(), "-n", "15", "-3"), {"-u", s.URL() + "/7"}} {
		out, errs := cli(t, "", append(args, "DBSIZE")...)
		require.Equal(t, "0\n", out+errs, "%q", args)
		out, errs = cli(t, "", append(args, "SET", "k", fmt.Sprint(i))...)
		require.Equal(t, "OK\n", out+errs)
		out, errs = cli(t, "", append(args, "GET", "k")...)
		require.Equal(t, fmt.Sprintln(i), out+errs)
	}
	_, errs := cli(t, "", at(s.Addr(), "-n", "16", "PING")...)
	require.Contains(t, errs, "SELECT 16 failed: ERR DB index is out of range")
}

func TestCLIOtherInput(t *testing.T) {
	redistest.CLI(t)
	s, _ := startOnSocket(t, server.Options{})
	out, _ := cli(t, "line\r\n\x00end", at(s.Addr(), "-x", "SET", "k")...)
	require.Equal(t, "OK\n", out)
	require.Equal(t, `"line\r\n\x00end"`, do(t, s, "GET", "k"))
	out, _ = cli(t, "", at(s.Addr(), "-r", "3", "INCR", "n")...)
	require.Equal(t, "1\n2\n3\n", out)
	out, errs := cli(t, "", at(s.Addr(), "-e", "INCR", "k")...)
	require.Equal(t, "ERR value is not an integer or out of range\n", out+errs)
}

func TestCLISubscribes(t *testing.T) {
	for _, protocol := range []string{"-2", "-3"} {
		s, _ := startOnSocket(t, server.Options{})
		r := runCLI(t, redistest.CLI(t), at(s.Addr(), protocol, "SUBSCRIBE", "message", "other")...)
		r.expect("subscribe\nmessage\n1\nsubscribe\nother\n2\n")
		for range 3 {
			require.Equal(t, "(integer) 1", do(t, s, "PUBLISH", "message", "hello\nthere"))
			r.expect("message\nmessage\nhello\nthere\n")
		}
	}
}

// What redis-cli shows of a command, from COMMAND DOCS, is the same as with
// Redis, except the summary.
func TestCLIHelpIsThatOfRedis(t *testing.T) {
	redis := redistest.Start(t)
	s, _ := startOnSocket(t, server.Options{})
	names, err := s.Do(t.Context(), "COMMAND", "LIST")
	require.NoError(t, err)
	real, compared := help(t, redis.Addr(), names.Strings()), 0
	for title, entry := range help(t, s.Addr(), names.Strings()) {
		if real[title] != "" { // otherwise it came after this version
			require.Equal(t, real[title], entry)
			compared++
		}
	}
	require.Greater(t, compared, 250)
}

// help returns what redis-cli shows of commands and their subcommands, without
// the summary, by name.
func help(t *testing.T, addr string, names []string) map[string]string {
	entries := map[string]string{}
	var lines strings.Builder
	for _, name := range names {
		fmt.Fprintln(&lines, "help", strings.ReplaceAll(name, "|", " "))
	}
	out, _ := cli(t, lines.String(), at(addr)...)
	for _, text := range strings.Split(out, "\r\n\r\n") {
		lines := strings.Split(strings.TrimSpace(text), "\r\n")
		if len(lines) > 1 {
			title, _, _ := strings.Cut(lines[0], "\x1b[0m")
			entries[title] = strings.Join(slices.Delete(lines, 1, 2), "\n")
		}
	}
	require.NotContains(t, out, "error")
	return entries
}

// The schema by every way into a server, in both protocols.
func TestSchemaByAllWays(t *testing.T) {
	overTransports(t, func(t *testing.T, s *server.Server, dial func() *harness.Client) {
		for _, protocol := range []int{2, 3} {
			do(t, s, "FLUSHALL")
			p := dial()
			p.Send(fmt.Sprintf("HELLO %d", protocol))
			_, err := resp.NewReader(p.R).Read()
			require.NoError(t, err)
			for _, step := range schematest.Steps() {
				p.Send(line(step))
				printed := p.Read()
				require.True(t, step.Matches(protocol, printed), "%v: %s", step, printed)
			}
		}
	})
}

func line(step schematest.Step) string {
	words := make([]string, len(step.Words))
	for i, w := range step.Words {
		words[i] = resp.Quote(w)
	}
	return strings.Join(words, " ")
}

func TestSchemaByDo(t *testing.T) {
	s := newServer(t, server.Options{})
	for _, step := range schematest.Steps() {
		printed := do(t, s, step.Args()...)
		require.True(t, step.Matches(3, printed), "%v: %s", step, printed)
	}
}

// A strict server refuses the one line that Redis refuses, and no other.
func TestStrictSchema(t *testing.T) {
	s := newServer(t, server.Options{Strict: true})
	for _, step := range schematest.Steps() {
		v, err := s.Do(t.Context(), step.Args()...)
		if step.Extension {
			require.ErrorContains(t, err, "WRONGTYPE")
			continue
		}
		require.NoError(t, err)
		require.True(t, step.Matches(3, v.String()), "%v: %s", step, v)
	}
}
