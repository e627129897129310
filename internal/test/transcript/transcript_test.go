package transcript_test

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/redistest"
	"github.com/parley-chat/parley/internal/test/transcript"
)

func parse(t *testing.T, text string) *transcript.File {
	f, err := transcript.Parse(strings.NewReader(text))
	require.NoError(t, err)
	f.Name = "test.txt"
	return f
}

func write(t *testing.T, f *transcript.File) string {
	var b bytes.Buffer
	_, err := f.WriteTo(&b)
	require.NoError(t, err)
	return b.String()
}

// echo is a server that answers each call with its first word, which is RESP,
// and PING with what it should.
func echo(t *testing.T) transcript.Target {
	return transcript.Target{
		Advance: func(time.Duration) {},
		Dial: func() (net.Conn, error) {
			client, server := net.Pipe()
			t.Cleanup(func() { server.Close() })
			go func() {
				calls := resp.NewReader(server)
				for {
					call, err := calls.Read()
					if err != nil {
						return
					}
					switch words := call.Strings(); words[0] {
					case "PING":
						fmt.Fprintf(server, "$%d\r\n%s\r\n", len(words[1]), words[1])
					case "HELLO":
						fmt.Fprint(server, "+OK\r\n")
					case "CLOSE":
						server.Close()
					default:
						fmt.Fprint(server, words[0])
					}
				}
			}()
			return client, nil
		},
	}
}

// failures collects what a test would fail with.
type failures struct {
	testing.TB
	text strings.Builder
}

func (f *failures) Helper() {}
func (f *failures) Errorf(format string, args ...any) {
	fmt.Fprintf(&f.text, format+"\n", args...)
}

// failuresOf plays a file against echo.
func failuresOf(t *testing.T, text string, protocol int) string {
	f := &failures{TB: t}
	parse(t, text).Play(f, echo(t), protocol)
	return f.text.String()
}

const sample = `# What this is.
> SET k "a\x00b"
OK
! advance 60ms

a~2> HGETALL h
1) "f"
2) "v"
resp3:
1# "f" => "v"
< a
(no reply)
<
\"> hello"
\""
 1) x
?> TIME
(some array)
`

func TestFormatIsStable(t *testing.T) {
	require.Equal(t, sample, write(t, parse(t, sample)))
	require.Equal(t, "> A\n\n# b\n", write(t, parse(t, "\n\n> A\n\n\n\n# b\n\n\n")))
}

func TestSteps(t *testing.T) {
	require.Equal(t, []transcript.Step{
		{Line: 2, Words: []string{"SET", "k", "a\x00b"}},
		{Line: 4, Pause: 60 * time.Millisecond},
		{Line: 6, Conn: "a", Words: []string{"HGETALL", "h"}},
		{Line: 17, Words: []string{"TIME"}},
	}, parse(t, sample).Steps())
}

func TestWordsAreQuotedAsInRedisCLI(t *testing.T) {
	steps := parse(t, `> "a\n\r\t\a\b\"\\\xFf\xq" 'it\'s \n' "" x"y"`).Steps()
	require.Equal(t, []string{"a\n\r\t\a\b\"\\\xffxq", `it's \n`, "", "xy"}, steps[0].Words)
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"OK":                         `line 1: "OK": no step that it belongs to`,
		"> A\n\nOK":                  `line 3: "OK": no step`,
		"# a\nOK":                    "line 2",
		"> \"a":                      "line 1: unbalanced quotes",
		"> 'a'b":                     "unbalanced quotes",
		"! nosuch":                   "want",
		"! advance x":                "invalid duration",
		"! since x":                  "no version",
		"> A\nresp3:\nOK":            "resp3: without a reply",
		"> A\nOK\nresp3:\nB\nresp3:": "resp3: without a reply",
		"<ab":                        "want",
		"~x":                         "not a step",
	} {
		_, err := transcript.Parse(strings.NewReader(text))
		require.ErrorContains(t, err, want, text)
	}
}

func TestPlayTellsWhatDiffers(t *testing.T) {
	require.Empty(t, failuresOf(t, "> \"+OK\\r\\n\"\nOK\n", 2))
	require.Equal(t, "test.txt:2: > \":1\\r\\n\"\nwant in RESP2:\n(integer) 2\ngot:\n(integer) 1\n",
		failuresOf(t, "# x\n> \":1\\r\\n\"\n(integer) 2\n", 2))
	require.Contains(t, failuresOf(t, "> \":1\\r\\n\"\n", 2), "record it first")
}

func TestPlayTakesTheRendering(t *testing.T) {
	text := "> \":1\\r\\n\"\n(integer) 2\nresp3:\n(integer) 1\n"
	require.NotEmpty(t, failuresOf(t, text, 2))
	require.Empty(t, failuresOf(t, text, 3))
}

func TestPlayFindsWhatNobodyAskedFor(t *testing.T) {
	require.Contains(t, failuresOf(t, "a> \"+OK\\r\\n:7\\r\\n\"\nOK\n", 2),
		"connection \"a\" has been sent more than the file says:\n(integer) 7")
	require.Empty(t, failuresOf(t, "a> \"+OK\\r\\n:7\\r\\n\"\nOK\n< a\n(integer) 7\n", 2))
}

func TestPlayClosedConnection(t *testing.T) {
	require.Empty(t, failuresOf(t, "a> CLOSE\n(closed)\na> \"+OK\\r\\n\"\n(closed)\n", 2))
	require.Contains(t, failuresOf(t, "a> CLOSE\nOK\n", 2), "got:\n(closed)")
}

func TestPlayInAnyOrder(t *testing.T) {
	for reply, want := range map[string]string{
		"~> \"*3\\r\\n:3\\r\\n:1\\r\\n:2\\r\\n\"":                              "1) (integer) 1\n2) (integer) 2\n3) (integer) 3",
		"~2> \"*4\\r\\n:3\\r\\n:1\\r\\n:2\\r\\n:9\\r\\n\"":                     "1) (integer) 2\n2) (integer) 9\n3) (integer) 3\n4) (integer) 1",
		"~> \"%2\\r\\n:3\\r\\n:1\\r\\n:2\\r\\n:9\\r\\n\"":                      "1# (integer) 2 => (integer) 9\n2# (integer) 3 => (integer) 1",
		"~2> \"*2\\r\\n*2\\r\\n:3\\r\\n:1\\r\\n*2\\r\\n:2\\r\\n:9\\r\\n\"":     "1) 1) (integer) 2\n   2) (integer) 9\n2) 1) (integer) 3\n   2) (integer) 1",
		"~> \"*2\\r\\n$1\\r\\n0\\r\\n*2\\r\\n$1\\r\\nb\\r\\n$1\\r\\na\\r\\n\"": "1) \"0\"\n2) 1) \"a\"\n   2) \"b\"",
		"?> \",1.5\\r\\n\"": "(some double)",
	} {
		require.Empty(t, failuresOf(t, reply+"\n"+want+"\n", 3))
	}
	require.NotEmpty(t, failuresOf(t, "> \"*2\\r\\n:2\\r\\n:1\\r\\n\"\n1) (integer) 1\n2) (integer) 2\n", 3))
}

// Whatever a server says can be written down and is read as the same.
func TestRepliesAreEscaped(t *testing.T) {
	redistest.Need(t)
	f := parse(t, "> nosuch \"> x\"\n> ECHO \"a\\nb\"\n> nosuch \"\\xff\"\n")
	require.NoError(t, f.Record(redis(t), redis(t)))
	text := write(t, f)
	require.Equal(t, text, write(t, parse(t, text)))
	require.Contains(t, text, "\n\\\"(error) ERR unknown command 'nosuch', with args beginning with: '> x' \"\n")
	parse(t, text).Play(t, redis(t), 2)
}

func redis(t *testing.T) transcript.Target {
	r := redistest.Start(t, "--hz", "500")
	return transcript.Target{
		Dial:    r.Dial,
		Advance: func(d time.Duration) { time.Sleep(d + 20*time.Millisecond) },
		Version: redistest.Version,
	}
}

// Redis's clock goes on by itself, so that on a busy machine a call may have waited to
// its end before it is looked at: it has ten tries.
func TestRecord(t *testing.T) {
	redistest.Need(t)
	text := `# Pushes that nobody asked for, a call that waits, an end.
a> SUBSCRIBE news sport
> PUBLISH news hello

b> BZPOPMIN z 0
> ZADD z 1 x
> HSET h f v g w
~> HGETALL h
c> BZPOPMIN z 0.05
! advance 60ms
< c
d> QUIT
?> TIME
! since 7.2
> CLIENT SETINFO lib-name x
OK
! since 7.0
> PING
`
	want := `# Pushes that nobody asked for, a call that waits, an end.
a> SUBSCRIBE news sport
1) "subscribe"
2) "news"
3) (integer) 1
resp3:
1> "subscribe"
2> "news"
3> (integer) 1
< a
1) "subscribe"
2) "sport"
3) (integer) 2
resp3:
1> "subscribe"
2> "sport"
3> (integer) 2
> PUBLISH news hello
(integer) 1
< a
1) "message"
2) "news"
3) "hello"
resp3:
1> "message"
2> "news"
3> "hello"

b> BZPOPMIN z 0
(no reply)
> ZADD z 1 x
(integer) 1
< b
1) "z"
2) "x"
3) "1"
resp3:
1) "z"
2) "x"
3) (double) 1
> HSET h f v g w
(integer) 2
~2> HGETALL h
1) "f"
2) "v"
3) "g"
4) "w"
resp3:
1# "f" => "v"
2# "g" => "w"
c> BZPOPMIN z 0.05
(no reply)
! advance 60ms
< c
(nil)
d> QUIT
OK
< d
(closed)
?> TIME
(some array)
! since 7.2
> CLIENT SETINFO lib-name x
OK
! since 7.0
> PING
PONG
`
	var f *transcript.File
	record := func() string {
		require.NoError(t, f.Record(redis(t), redis(t)))
		return write(t, f)
	}
	tries := func(what string, once func() bool) {
		for range 10 {
			if once() {
				return
			}
		}
		require.Fail(t, what)
	}
	tries("recorded", func() bool {
		f = parse(t, text)
		got := record()
		t.Log(got)
		return got == want
	})
	for _, protocol := range []int{2, 3} {
		tries("played", func() bool {
			differences := f.Differences(redis(t), protocol)
			t.Log(differences)
			return len(differences) == 0
		})
	}
	tries("recorded again", func() bool { return record() == want })
}
