package server

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/redistest"
)

var (
	rawStreams = flag.Int("raw.n", 500, "how many random streams of bytes are compared")
	rawSeed    = flag.Uint64("raw.seed", 1, "seed of the random streams; 0: a random one")
)

// TestRandomBytesAreTakenAsByRedis sends both servers the same bytes, of which
// some are commands: the replies are the same, and so is who closes the
// connection. Two differences are meant: Redis forgets the replies that it has
// not sent yet when it sees HTTP (see crossProtocol), and a line of more than
// 64 KiB may pass there, which does not come up.
func TestRandomBytesAreTakenAsByRedis(t *testing.T) {
	seed := *rawSeed
	if seed == 0 {
		seed = uint64(rand.Uint32())
	}
	t.Logf("-raw.n=%d -raw.seed=%d", *rawStreams, seed)
	for _, password := range []string{"", "secret"} {
		t.Run("password="+password, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, uint64(len(password))))
			redis := newRawRedis(t, password)
			s, err := New(Options{Password: password})
			require.NoError(t, err)
			harness.CloseAtEnd(t, s)
			for i := range *rawStreams {
				stream := hostileStream(r)
				want, closed := redis.exchange(t, stream)
				got, over := exchangeCut(t, s, stream, 1+r.IntN(len(stream)))
				if closed && http.MatchString(stream) && strings.HasPrefix(got, want) {
					got = want
				}
				require.Equal(t, want, got, "stream %d of seed %d: %q", i, seed, stream)
				require.Equal(t, closed, over, "stream %d of seed %d, closed: %q", i, seed, stream)
			}
		})
	}
}

// A rawRedis is a redis-server with a connection that asks it how things stand.
type rawRedis struct {
	redis   *redistest.Redis
	asker   net.Conn
	replies *resp.Reader
}

func newRawRedis(t *testing.T, password string) *rawRedis {
	var args []string
	if password != "" {
		args = []string{"--requirepass", password}
	}
	r := &rawRedis{redis: redistest.Start(t, args...)}
	var err error
	r.asker, err = r.redis.Dial()
	require.NoError(t, err)
	t.Cleanup(func() { r.asker.Close() })
	r.replies = resp.NewReader(r.asker)
	if password != "" {
		r.ask(t, "AUTH "+password)
	}
	return r
}

func (r *rawRedis) ask(t *testing.T, line string) string {
	_, err := fmt.Fprintf(r.asker, "%s\r\n", line)
	require.NoError(t, err)
	v, err := r.replies.Read()
	require.NoError(t, err)
	return v.Text()
}

// exchange sends a stream and returns all that comes back, and whether the
// server closed the connection before the client did.
func (r *rawRedis) exchange(t *testing.T, stream string) (output string, closed bool) {
	r.ask(t, "FLUSHALL")
	conn, err := r.redis.Dial()
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.WriteString(conn, stream)
	require.NoError(t, err)
	// Redis goes round all connections, and takes 16 KiB at most of each; it may come to this one first.
	for range 2 + len(stream)>>14 {
		r.ask(t, "PING")
	}
	closed = strings.Count(r.ask(t, "CLIENT LIST"), "\n") == 1
	if !closed {
		require.NoError(t, conn.(*net.UnixConn).CloseWrite())
	}
	all, err := io.ReadAll(conn)
	if !errors.Is(err, syscall.ECONNRESET) { // Redis has left some input unread
		require.NoError(t, err)
	}
	return withoutID(string(all)), closed
}

// exchangeCut does the same with parley, and sends the stream in pieces.
func exchangeCut(t *testing.T, s *Server, stream string, cut int) (output string, closed bool) {
	_, err := s.Do(t.Context(), "FLUSHALL")
	require.NoError(t, err)
	conn, err := s.Dial()
	require.NoError(t, err)
	defer conn.Close()
	sendCut(conn, stream, cut)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
	session := conn.(*memoryConn).session
	unread, _ := session.out.usage()
	got := make([]byte, unread)
	_, err = io.ReadFull(conn, got)
	require.NoError(t, err)
	session.out.mu.Lock()
	closed = session.out.ended
	session.out.mu.Unlock()
	if closed {
		_, err = conn.Read(make([]byte, 1))
		require.True(t, errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded), "%v", err)
	}
	return withoutID(string(got)), closed
}

var http = regexp.MustCompile(`(?i)post|host:`)

var clientID = regexp.MustCompile(`\$2\r\nid\r\n:\d+`)

func withoutID(s string) string { return clientID.ReplaceAllString(s, "$$2\r\nid\r\n:?") }

// hostileStream is commands in both forms, headers of any size, and bytes that
// are neither.
func hostileStream(r *rand.Rand) string {
	var b strings.Builder
	for range 1 + r.IntN(6) {
		switch r.IntN(12) {
		case 0:
			b.Write(randomStream(r))
		case 1:
			b.WriteString(randomHeader(r))
		case 2:
			const bytes = "*$\r\n\r\n 0123-+'\"\\x4\v\x00\xff:%~PING"
			for range r.IntN(12) {
				b.WriteByte(bytes[r.IntN(len(bytes))])
			}
		case 3:
			b.WriteString(quotedLine(r))
		case 4: // a command that ends in the middle
			whole := command(randomCall(r)...)
			b.WriteString(whole[:r.IntN(len(whole))])
		default:
			words := randomCall(r)
			if r.IntN(3) == 0 {
				b.WriteString(strings.Join(words, " ") + []string{"\r\n", "\n", " \r\n", "\t\n"}[r.IntN(4)])
			} else {
				b.WriteString(command(words...))
			}
		}
	}
	if b.Len() == 0 {
		return "\r\n"
	}
	return b.String()
}

func randomCall(r *rand.Rand) []string {
	calls := []string{
		"PING", "PING x", "ECHO hello", "SET k v", "GET k", "GET", "NOPE", "NOPE a b", "INCR k", "TOUCH k k", "MULTI", "MULTI", "EXEC", "DISCARD", "QUIT", "quit now",
		"RESET", "SUBSCRIBE c", "UNSUBSCRIBE", "PUBLISH c m", "HELLO 3", "HELLO 2", "HELLO 9", "HELLO", "AUTH secret", "AUTH wrong", "AUTH default secret", "AUTH",
		"HELLO 3 AUTH default secret", "HELLO 3 AUTH default no", "SELECT 1", "SELECT 99", "POST / HTTP/1.1", "Host: x", "CLIENT SETNAME a", "CLIENT NOPE", "WATCH k", "APPEND k xyz", "ZADD z 1 m",
		"a b c d e f g h i j k l",
	}
	words := strings.Fields(calls[r.IntN(len(calls))])
	if r.IntN(20) == 0 {
		words[len(words)-1] = strings.Repeat("w", []int{0, 127, 128, 129, 16383, 16384, 16385}[r.IntN(7)])
	}
	return words
}

// randomHeader is one for words or for bytes, mostly a wrong one.
func randomHeader(r *rand.Rand) string {
	numbers := []string{
		"0", "-0", "-1", "-2", "1", "2", "10", "11", "01", "+1", " 1", "1 ", "", "x", "1x", "16384", "16385", "1048576", "1048577", "536870912", "536870913", "2147483647", "2147483648",
		"4294967296", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551617", "0x1", "1e1", "1\x00", strings.Repeat("1", 300),
	}
	kind := []string{"*", "$", "*1\r\n$", "*2\r\n$4\r\nPING\r\n$", "*3\r\n"}[r.IntN(5)]
	return kind + numbers[r.IntN(len(numbers))] + []string{"\r\n", "\n", "\r", "\r\r\n", "\rx"}[max(0, r.IntN(9)-4)]
}

// quotedLine is an inline command whose words are quoted, rightly or not.
func quotedLine(r *rand.Rand) string {
	parts := []string{`"`, `"`, `'`, `'`, `\`, `\"`, `\'`, `\n`, `\x41`, `\x4`, `\xzz`, ` `, ` `, "\t", "\v", "a", "b", "PING", "\xff", `""`, `''`, `"a b"`, `'c d'`}
	line := []string{"ECHO ", "ECHO ", "PING ", `"ECHO" `, ""}[r.IntN(5)]
	for range r.IntN(7) {
		line += parts[r.IntN(len(parts))]
	}
	return line + "\r\n"
}
