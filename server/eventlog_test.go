package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
)

// newLogbook returns an event log that writes lines without times into the
// buffer.
func newLogbook(clock Clock, out *bytes.Buffer, level slog.Level) *eventLog {
	return &eventLog{clock: clock, logger: slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))}
}

func TestEachEventHasItsRow(t *testing.T) {
	names := make(map[string]bool)
	for o, row := range eventRows {
		require.Regexp(t, regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`), row.name, o)
		require.NotEmpty(t, row.text, row.name)
		require.False(t, names[row.name], row.name)
		require.Equal(t, row.limit > 0, row.within > 0, row.name)
		names[row.name] = true
	}
	for n := commands.LogEvent(0); n < commands.LogEvents; n++ {
		require.Contains(t, noticeEvents, n)
	}
}

func TestEachLogLineIsDocumented(t *testing.T) {
	document, err := os.ReadFile("../docs/OPERATIONS.md")
	require.NoError(t, err)
	for _, row := range eventRows {
		require.Contains(t, string(document), fmt.Sprintf("| `%s` | %s | %s | ", row.name, row.level, row.text), "say there what to do about it")
	}
}

func TestLinesOfAKindAreLimited(t *testing.T) {
	var out bytes.Buffer
	clock := NewManualClock(time.UnixMilli(1615480369000))
	b := newLogbook(clock, &out, slog.LevelInfo)
	count := func(text string) int { return strings.Count(out.String(), text) }
	row := eventRows[eventOutputBufferLimit]

	for i := range 3 * row.limit {
		b.log(eventOutputBufferLimit, "n", i)
	}
	b.log(eventQueryBufferLimit)
	require.Equal(t, row.limit, count(row.text))
	require.Equal(t, 1, count(eventRows[eventQueryBufferLimit].text), "each kind for itself")
	require.Equal(t, int64(3*row.limit), b.counts[eventOutputBufferLimit].Load(), "all are counted")

	clock.Advance(row.within)
	require.Equal(t, 1, count(`level=WARN msg="closing client: output buffer limit exceeded" suppressed=20 within=10s`), out.String())
	clock.Advance(time.Hour)
	require.Equal(t, row.limit+1, count(row.text), "nothing has been held back since")

	for range row.limit {
		clock.Advance(row.within / 5) // some in each window, but never more than its limit
		b.log(eventOutputBufferLimit)
	}
	require.Equal(t, 2*row.limit+1, count(row.text))
	require.Equal(t, 1, count("suppressed"))
	b.close()
}

func TestClosedEventLogHasLoggedAllCounts(t *testing.T) {
	var out bytes.Buffer
	clock := NewManualClock(time.UnixMilli(1615480369000))
	b := newLogbook(clock, &out, slog.LevelInfo)
	for range 50 {
		b.log(eventAcceptError)
	}
	b.close()
	require.Contains(t, out.String(), "suppressed=40")
	before := out.Len()
	for range 50 {
		b.log(eventAcceptError)
	}
	clock.Advance(time.Hour)
	require.Equal(t, eventRows[eventAcceptError].limit, strings.Count(out.String()[before:], "\n"), "and sets no alarm any more")
}

func TestSuppressedLinesAreCounted(t *testing.T) {
	var out bytes.Buffer
	b := newLogbook(realClock{}, &out, slog.LevelWarn)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				b.log(eventListening)
				b.log(eventAuthFailed)
			}
		})
	}
	all.Wait()
	b.close()
	require.NotContains(t, out.String(), eventRows[eventListening].text)
	require.Equal(t, int64(800), b.counts[eventListening].Load())
	require.Equal(t, int64(800), b.counts[eventAuthFailed].Load())
}

func TestWhatClientsSendIsQuotedAndCut(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		"127.0.0.1:4711":               "127.0.0.1:4711",
		"änn":                          "änn",
		"a\nlevel=INFO msg=forged":     `a\nlevel=INFO msg=forged`,
		"\x1b[2J\x00\x7f\xff":          `\x1b[2J\x00\x7f\xff`,
		"\u202egnp.exe":                `\u202egnp.exe`,
		`"\`:                           `"\\`,
		strings.Repeat("x", 128):       strings.Repeat("x", 128),
		strings.Repeat("x", 129):       strings.Repeat("x", 128) + "... (129 bytes)",
		strings.Repeat("ä", 100):       strings.Repeat("ä", 64) + "... (200 bytes)",
		"x" + strings.Repeat("ä", 100): "x" + strings.Repeat("ä", 63) + "... (201 bytes)",
		strings.Repeat("\x80", 200):    strings.Repeat(`\x80`, 124) + "... (200 bytes)",
	} {
		require.Equal(t, want, quoted(text).LogValue().String())
	}

	var out bytes.Buffer
	b := newLogbook(realClock{}, &out, slog.LevelInfo)
	l := &commands.Client{ID: 7, Addr: "1.2.3.4:5", User: &commands.User{Name: "ann\n"}}
	b.logNotice(commands.AuthFailed, l, "user", "eve\r\nlevel=INFO")
	b.logNotice(commands.SortedSetIntersected, nil, "key", []byte("k\x1b[31m"))
	require.Equal(t, `level=WARN msg="authentication failed" client.id=7 client.addr=1.2.3.4:5 client.user=ann\n user="eve\\r\\nlevel=INFO"`+"\n"+
		`level=WARN msg="SINTER read a sorted set: Redis rejects this, ZINTER works on both" key=k\x1b[31m`+"\n", out.String())

	out.Reset()
	b.logger = slog.New(slog.NewJSONHandler(&out, nil))
	b.logNotice(commands.AuthFailed, l, "user", "eve\r\n")
	var line struct {
		Msg, User string
		Client    struct {
			ID         int64
			Addr, User string
		}
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	require.Equal(t, "authentication failed", line.Msg)
	require.Equal(t, `eve\r\n`, line.User)
	require.Equal(t, int64(7), line.Client.ID)
}

// The log contains what operators look for afterwards: which clients connected,
// what they did to the configuration, which were disconnected, and how the
// server ended.
func TestLifeOfAServerInItsLog(t *testing.T) {
	var out bytes.Buffer
	level := new(slog.LevelVar)
	level.Set(levelVerbose)
	s, err := Start(Options{
		Logger:   slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level})),
		LogLevel: level,
		Shutdown: func() {},
	})
	require.NoError(t, err)
	_, err = s.Do(t.Context(), "CONFIG", "SET", "maxclients", "17", "requirepass", "secret\n")
	require.NoError(t, err)
	conn, err := s.Dial()
	require.NoError(t, err)
	_, err = conn.Write([]byte("*1\r\n!x\r\n"))
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	_, err = s.Do(t.Context(), "CONFIG", "SET", "loglevel", "warning")
	require.NoError(t, err)
	_, err = s.Do(t.Context(), "CONFIG", "SET", "loglevel", "notice")
	require.NoError(t, err)
	_, err = s.Do(t.Context(), "SHUTDOWN")
	require.NoError(t, err)
	require.NoError(t, s.Close())

	var told []string
	for line := range strings.Lines(out.String()) {
		_, line, _ = strings.Cut(strings.TrimSpace(line), " ")
		told = append(told, regexp.MustCompile(`client\.id=\d+ client\.addr=(\S+)`).ReplaceAllString(line, "$1"))
	}
	require.Equal(t, []string{
		`level=INFO msg=listening addr=` + s.Addr(),
		`level=INFO msg="CONFIG SET" direct client.user=(superuser) parameter=maxclients value=17`,
		`level=INFO msg="CONFIG SET" direct client.user=(superuser) parameter=requirepass value=(redacted)`,
		`level=DEBUG msg="client connected" memory`,
		`level=DEBUG msg="closing client: protocol error" memory error="ERR Protocol error: expected '$', got '!'"`,
		`level=DEBUG msg="client left" memory`,
		`level=INFO msg="CONFIG SET" direct client.user=(superuser) parameter=loglevel value=warning`,
		`level=INFO msg="SHUTDOWN received" direct client.user=(superuser)`,
		`level=INFO msg=closing connections=0`,
		`level=INFO msg=closed`,
	}, told)
}
