package resp_test

import (
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
)

// shapes are the Writer's calls and what they put on the wire, RESP2 and RESP3.
var shapes = []struct {
	name         string
	write        func(*wire.Writer)
	resp2, resp3 string
}{
	{"ok", func(w *wire.Writer) { w.OK() }, "+OK\r\n", "+OK\r\n"},
	{"status", func(w *wire.Writer) { w.Status("QUEUED") }, "+QUEUED\r\n", "+QUEUED\r\n"},
	{"error", func(w *wire.Writer) { w.Error(errors.New("ERR a\r\nb")) }, "-ERR a  b\r\n", "-ERR a  b\r\n"},
	{"int", func(w *wire.Writer) { w.Int64(math.MinInt64) }, ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"},
	{"flag", func(w *wire.Writer) { w.Flag(true) }, ":1\r\n", ":1\r\n"},
	{"bulk", func(w *wire.Writer) { w.Bulk([]byte("a\r\nb")) }, "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n"},
	{"empty bulk", func(w *wire.Writer) { w.BulkString("") }, "$0\r\n\r\n", "$0\r\n\r\n"},
	{"bulk int", func(w *wire.Writer) { w.BulkInt(-12) }, "$3\r\n-12\r\n", "$3\r\n-12\r\n"},
	{"null", func(w *wire.Writer) { w.BulkOrNull(nil, false) }, "$-1\r\n", "_\r\n"},
	{"null array", func(w *wire.Writer) { w.NullArray() }, "*-1\r\n", "_\r\n"},
	{"double", func(w *wire.Writer) { w.Double(0.1) }, "$19\r\n0.10000000000000001\r\n", ",0.10000000000000001\r\n"},
	{"infinity", func(w *wire.Writer) { w.Double(math.Inf(-1)) }, "$4\r\n-inf\r\n", ",-inf\r\n"},
	{"verbatim", func(w *wire.Writer) { w.Verbatim("txt", "hi") }, "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"},
	{"map", func(w *wire.Writer) { w.Map(1); w.Int(1); w.Int(2) }, "*2\r\n:1\r\n:2\r\n", "%1\r\n:1\r\n:2\r\n"},
	{"set", func(w *wire.Writer) { w.Set(1); w.Int(1) }, "*1\r\n:1\r\n", "~1\r\n:1\r\n"},
	{"push", func(w *wire.Writer) { w.Push(1); w.Int(1) }, "*1\r\n:1\r\n", ">1\r\n:1\r\n"},
	{"length known at the end", func(w *wire.Writer) {
		w.Int(0)
		mark := w.Mark()
		w.BulkString("x")
		inner := w.Mark()
		w.Int(1)
		w.CloseSet(inner, 1)
		w.CloseArray(mark, 2)
	}, ":0\r\n*2\r\n$1\r\nx\r\n*1\r\n:1\r\n", ":0\r\n*2\r\n$1\r\nx\r\n~1\r\n:1\r\n"},
	{"truncated", func(w *wire.Writer) {
		w.Int(1)
		mark := w.Len()
		w.Array(2)
		w.Truncate(mark)
	}, ":1\r\n", ":1\r\n"},
}

func TestWriterInBothProtocols(t *testing.T) {
	for _, s := range shapes {
		for protocol, want := range map[int]string{2: s.resp2, 3: s.resp3} {
			var w wire.Writer
			w.SetProtocol(protocol)
			s.write(&w)
			require.Equal(t, want, string(w.Bytes()), "%s in RESP%d", s.name, protocol)
		}
	}
}

func TestReaderReadsWhatTheWriterWrites(t *testing.T) {
	for _, s := range shapes {
		for _, wire := range []string{s.resp2, s.resp3} {
			r := resp.NewReader(strings.NewReader(wire))
			for {
				_, err := r.Read()
				if err == io.EOF {
					break
				}
				require.NoError(t, err, "%q", wire)
			}
		}
	}
}

func TestDoublesAreThoseOfC(t *testing.T) {
	for f, want := range map[float64]string{
		0:                           "0",
		math.Copysign(0, -1):        "-0",
		1:                           "1",
		-1615480369:                 "-1615480369",
		1.5:                         "1.5",
		1e15:                        "1000000000000000",
		1e16:                        "10000000000000000",
		1e17:                        "1e+17",
		123456789012345678:          "1.2345678901234568e+17",
		3.0000000000000004:          "3.0000000000000004",
		1e-5:                        "1.0000000000000001e-05",
		0.0001:                      "0.0001",
		math.MaxFloat64:             "1.7976931348623157e+308",
		math.Inf(1):                 "inf",
		9007199254740993:            "9007199254740992",
		-999999999999999:            "-999999999999999",
		1 / float64(3):              "0.33333333333333331",
		math.SmallestNonzeroFloat64: "4.9406564584124654e-324",
	} {
		require.Equal(t, want, string(wire.AppendDouble(nil, f)), strconv.FormatFloat(f, 'x', -1, 64))
	}
}

// The renderings are those of redis-cli 7.0.15.
func TestValuesLookAsInRedisCLI(t *testing.T) {
	for wire, want := range map[string]string{
		"+OK\r\n":                  "OK",
		"-ERR no\r\n":              "(error) ERR no",
		":7\r\n":                   "(integer) 7",
		"$-1\r\n":                  "(nil)",
		"*-1\r\n":                  "(nil)",
		"*0\r\n":                   "(empty array)",
		"%0\r\n":                   "(empty hash)",
		"~0\r\n":                   "(empty set)",
		",1.5\r\n":                 "(double) 1.5",
		"#t\r\n":                   "(true)",
		"$5\r\na\"\n\x00\xff\r\n":  `"a\"\n\x00\xff"`,
		"*2\r\n$1\r\na\r\n:1\r\n":  "1) \"a\"\n2) (integer) 1",
		"%1\r\n$1\r\na\r\n:1\r\n":  "1# \"a\" => (integer) 1",
		"~1\r\n:1\r\n":             "1~ (integer) 1",
		"*1\r\n*2\r\n:1\r\n:2\r\n": "1) 1) (integer) 1\n   2) (integer) 2",
	} {
		v, err := resp.Parse([]byte(wire))
		require.NoError(t, err, "%q", wire)
		require.Equal(t, want, v.String(), "%q", wire)
	}
}

func TestMalformedReplies(t *testing.T) {
	for _, wire := range []string{
		"\r\n", "OK\r\n", "+OK\n", ":x\r\n", "$x\r\n", "$-2\r\n", "*-2\r\n", "*x\r\n", "$1\r\nab\r\n",
		"#x\r\n", ",x\r\n", "=2\r\nab\r\n", "*99999999999\r\n", strings.Repeat("*1\r\n", 1000) + ":1\r\n",
	} {
		_, err := resp.Parse([]byte(wire))
		require.ErrorIs(t, err, resp.ErrMalformed, "%q", wire)
	}
	for _, wire := range []string{"+OK", "$5\r\nab", "*2\r\n:1\r\n", "$1073741824\r\na", "*1000000000\r\n:1\r\n"} {
		_, err := resp.Parse([]byte(wire))
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%q", wire)
	}
	_, err := resp.Parse(nil)
	require.ErrorIs(t, err, io.EOF)
}

func FuzzReader(f *testing.F) {
	for _, s := range shapes {
		f.Add([]byte(s.resp2))
		f.Add([]byte(s.resp3))
	}
	f.Add([]byte("$9223372036854775807\r\n"))
	f.Add([]byte("%4611686018427387904\r\n"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		v, err := resp.Parse(wire)
		if err == nil {
			_ = v.String()
		}
	})
}
