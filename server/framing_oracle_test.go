package server

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
)

const rawProtocolFile = "testdata/raw_protocol.txt"

// A rawCase is bytes sent on a fresh connection to an empty server, and what redis-server 7.0.15 sent back.
type rawCase struct {
	line     int    // of its input in the file
	password string // the server's requirepass; empty: none
	input    string
	output   string
	closed   bool // the server closed the connection. Otherwise it waits for more.
}

// loadRawProtocol reads rawProtocolFile, whose head explains its format.
func loadRawProtocol(t *testing.T) []rawCase {
	text, err := os.ReadFile(rawProtocolFile)
	require.NoError(t, err)
	var cases []rawCase
	password := ""
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		kind, rest, _ := strings.Cut(line, " ")
		switch kind {
		case "requirepass":
			password = rawText(t, i+1, rest)
		case ">":
			cases = append(cases, rawCase{line: i + 1, password: password, input: rawText(t, i+1, rest)})
		case "<":
			require.NotEmpty(t, cases, "%s:%d: a reply to nothing", rawProtocolFile, i+1)
			c := &cases[len(cases)-1]
			require.Equal(t, c.line, i, "%s:%d: a reply belongs below its input", rawProtocolFile, i+1)
			rest, c.closed = strings.CutSuffix(rest, " closed")
			c.output = rawText(t, i+1, rest)
		case "", "#":
		default:
			t.Fatalf("%s:%d: %q", rawProtocolFile, i+1, line)
		}
	}
	return cases
}

// rawText reads Go strings, one after the other, each as often as the number behind it says: "*" "1"x65536 "\r\n".
func rawText(t *testing.T, line int, text string) string {
	var b strings.Builder
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		quoted, err := strconv.QuotedPrefix(text)
		require.NoError(t, err, "%s:%d", rawProtocolFile, line)
		s, err := strconv.Unquote(quoted)
		require.NoError(t, err)
		text = text[len(quoted):]
		times := 1
		if digits, found := strings.CutPrefix(text, "x"); found {
			digits, text, _ = strings.Cut(digits, " ")
			times, err = strconv.Atoi(digits)
			require.NoError(t, err, "%s:%d", rawProtocolFile, line)
		}
		b.WriteString(strings.Repeat(s, times))
	}
	return b.String()
}

// quoteRuns is the inverse of rawText: it writes long runs of one byte with a count.
func quoteRuns(s string) string {
	var parts []string
	start := 0
	for i := 0; i < len(s); {
		end := i + 1
		for end < len(s) && s[end] == s[i] {
			end++
		}
		if end-i > 100 {
			if start < i {
				parts = append(parts, strconv.Quote(s[start:i]))
			}
			parts = append(parts, fmt.Sprintf("%sx%d", strconv.Quote(s[i:i+1]), end-i))
			start = end
		}
		i = end
	}
	if start < len(s) || s == "" {
		parts = append(parts, strconv.Quote(s[start:]))
	}
	return strings.Join(parts, " ")
}

// The scanner alone, below four commands, gives what Redis gives, byte for byte and however the input is cut.
func TestFramingAgainstRawProtocol(t *testing.T) {
	cases := loadRawProtocol(t)
	require.Greater(t, len(cases), 60)
	for _, c := range cases {
		for _, cut := range []int{1, 5, len(c.input)} {
			output, closed := play(t, c.input, c.password, cut)
			require.Equal(t, c.output, output, "%s:%d cut %d", rawProtocolFile, c.line, cut)
			require.Equal(t, c.closed, closed, "%s:%d cut %d", rawProtocolFile, c.line, cut)
		}
	}
}

// play is as much of a server as the raw cases need: PING, ECHO, SET, GET, AUTH, RESET and QUIT.
func play(t *testing.T, input, password string, cut int) (output string, closed bool) {
	f := newFraming()
	f.limits.unauthenticated = password != ""
	data := map[string]string{}
	var out strings.Builder
	for rest := input; rest != ""; {
		n := min(max(1, cut), len(rest))
		require.NoError(t, f.write([]byte(rest[:n])))
		rest = rest[n:]
		for {
			args, ok, err := f.next(nil)
			if err != nil {
				fmt.Fprintf(&out, "-%s\r\n", err)
				return out.String(), true
			}
			if !ok {
				break
			}
			var words []string
			for _, a := range args {
				words = append(words, string(a))
			}
			switch name := strings.ToLower(words[0]); {
			case name == "post" || name == "host:":
				return out.String(), true
			case name == "quit":
				out.WriteString("+OK\r\n")
				return out.String(), true
			case name == "reset":
				f.limits.unauthenticated = password != ""
				out.WriteString("+RESET\r\n")
			case name == "auth" && words[1] == password:
				f.limits.unauthenticated = false
				out.WriteString("+OK\r\n")
			default:
				out.WriteString(reply(words, f.limits.unauthenticated, data))
			}
		}
		f.release()
	}
	return out.String(), false
}

func reply(words []string, unauthenticated bool, data map[string]string) string {
	bulk := func(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }
	line := func(s string) string { return strings.NewReplacer("\r", " ", "\n", " ").Replace(s) + "\r\n" }
	short := func(s string, n int) string { // %.128s of C
		s, _, _ = strings.Cut(s, "\x00")
		return s[:min(len(s), n)]
	}
	name := strings.ToLower(words[0])
	arity, known := map[string]int{"ping": 1, "echo": 2, "set": 3, "get": 2}[name]
	switch {
	case !known:
		args := ""
		for _, a := range words[1:] {
			if len(args) < 128 {
				args += "'" + short(a, 128-len(args)) + "' "
			}
		}
		return line("-ERR unknown command '" + short(words[0], 128) + "', with args beginning with: " + args)
	case name == "set" && len(words) > 3:
		return "-ERR syntax error\r\n"
	case name == "ping" && len(words) > 2 || name != "ping" && len(words) != arity:
		return "-ERR wrong number of arguments for '" + name + "' command\r\n"
	case unauthenticated:
		return "-NOAUTH Authentication required.\r\n"
	case name == "ping" && len(words) == 1:
		return "+PONG\r\n"
	case name == "set":
		data[words[1]] = words[2]
		return "+OK\r\n"
	case name == "get":
		v, found := data[words[1]]
		if !found {
			return "$-1\r\n"
		}
		return bulk(v)
	}
	return bulk(words[1])
}

// TestRecordRawProtocol writes the replies in rawProtocolFile anew, from redis-server: PARLEY_RECORD=1 go test -run Record.
// To add a case, write its "> " line into the file and record.
func TestRecordRawProtocol(t *testing.T) {
	if os.Getenv("PARLEY_RECORD") == "" {
		t.Skip("set PARLEY_RECORD=1 to record from redis-server")
	}
	text, err := os.ReadFile(rawProtocolFile)
	require.NoError(t, err)
	cases := loadRawProtocol(t)
	servers := map[string]string{}
	replies := map[int]string{}
	for _, c := range cases {
		addr, found := servers[c.password]
		if !found {
			addr = startRedis(t, c.password)
			servers[c.password] = addr
		}
		output, closed := exchange(t, addr, c.input, false)
		replies[c.line] = "< " + quoteRuns(output)
		if closed {
			replies[c.line] += " closed"
		}
		flush := "FLUSHALL\r\n"
		if c.password != "" {
			flush = "AUTH " + c.password + "\r\nFLUSHALL\r\n"
		}
		_, _ = exchange(t, addr, flush, true)
	}
	var b strings.Builder
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		if strings.HasPrefix(line, "< ") {
			continue
		}
		b.WriteString(line + "\n")
		if reply, found := replies[i+1]; found {
			b.WriteString(reply + "\n")
		}
	}
	require.NoError(t, os.WriteFile(rawProtocolFile, []byte(b.String()), 0o644))
}

// Random streams, right and slightly wrong: redis-server answers them as the scanner does.
func TestRandomStreamsAgainstRedis(t *testing.T) {
	if os.Getenv("PARLEY_RECORD") == "" {
		t.Skip("set PARLEY_RECORD=1 to compare with redis-server")
	}
	addr := startRedis(t, "")
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		stream := string(randomStream(r))
		want, _ := exchange(t, addr, stream+"\r\n", true)
		got, _ := play(t, stream+"\r\n", "", 1+r.IntN(len(stream)))
		require.Equal(t, want, got, "%q", stream)
		_, _ = exchange(t, addr, "FLUSHALL\r\n", true)
	}
}

// randomStream is commands, most of them right, some with one byte changed.
func randomStream(r *rand.Rand) []byte {
	var b strings.Builder
	for range 1 + r.IntN(4) {
		words := [][]string{{"PING"}, {"ECHO", "hi"}, {"SET", "k", "v\r\n\x00"}, {"GET", "k"}, {"GET"}, {"NOPE", "a"}}[r.IntN(6)]
		if r.IntN(2) == 0 {
			b.WriteString(command(words...))
			continue
		}
		for _, w := range words {
			w = strings.TrimRight(w, "\r\n\x00")
			b.WriteString([]string{w, `"` + w + `"`, "'" + w + "'", w + `"\x41"`}[r.IntN(4)] + " ")
		}
		b.WriteString([]string{"\r\n", "\n", "\r\r\n"}[r.IntN(3)])
	}
	stream := []byte(b.String())
	const odd = "\r\n\x00 *$-+0129'\"\\x\v\xff"
	for range r.IntN(3) {
		i := r.IntN(len(stream))
		switch r.IntN(3) {
		case 0:
			stream[i] = odd[r.IntN(len(odd))]
		case 1:
			stream = append(stream[:i], stream[i+1:]...)
		default:
			stream = append(stream[:i], append([]byte{odd[r.IntN(len(odd))]}, stream[i:]...)...)
		}
		if len(stream) == 0 {
			return []byte("PING\r\n")
		}
	}
	return stream
}

// startRedis runs a redis-server until the test ends. It listens on a socket file of its own: a TCP port can be
// taken by another server in the meantime, and that one would be flushed.
func startRedis(t *testing.T, password string) (addr string) {
	addr = filepath.Join(t.TempDir(), "s")
	cmd := exec.Command("redis-server", "--port", "0", "--unixsocket", addr, "--save", "", "--requirepass", password, "--daemonize", "no")
	cmd.Dir = filepath.Dir(addr)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	harness.Until(t, "redis-server listens", func() bool {
		c, err := net.Dial("unix", addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	hello := "INFO server\r\n"
	if password != "" {
		hello = "AUTH " + password + "\r\n" + hello
	}
	info, _ := exchange(t, addr, hello, true)
	require.Contains(t, info, "redis_version:7.0.15\r\n")
	require.Contains(t, info, fmt.Sprintf("process_id:%d\r\n", cmd.Process.Pid))
	return addr
}

// exchange sends input and returns what comes back until the server closes the connection or, because it waits for
// more, has said nothing for a while. With end, the client says that no more will come, and the server always closes.
func exchange(t *testing.T, addr, input string, end bool) (output string, closed bool) {
	c, err := net.Dial("unix", addr)
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, input)
	require.NoError(t, err)
	if end {
		require.NoError(t, c.(*net.UnixConn).CloseWrite())
	}
	var out []byte
	buf := make([]byte, 64<<10)
	for {
		wait := 300 * time.Millisecond
		if end {
			wait = time.Minute
		}
		require.NoError(t, c.SetReadDeadline(time.Now().Add(wait)))
		n, err := c.Read(buf)
		out = append(out, buf[:n]...)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			require.False(t, end, "no answer")
			return string(out), false
		case err != nil:
			return string(out), true
		}
	}
}
