package wire_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
)

func TestCountFindsTheEndOfReplies(t *testing.T) {
	for _, version := range []int{2, 3} {
		var w wire.Writer
		w.SetProtocol(version)
		for n, write := range []func(){
			w.OK,
			func() { w.Int(-7) },
			func() { w.Bulk([]byte("a\r\n+b")) },
			func() { w.Bulk(nil) },
			func() { w.Null() },
			func() { w.NullArray() },
			func() { w.Double(math.Inf(1)) },
			func() { w.Verbatim("txt", "text") },
			func() { w.Error(resp.Error("ERR no")) },
			func() { w.Array(0) },
			func() {
				w.Map(1)
				w.BulkString("k")
				w.Array(2)
				w.Int(1)
				w.Set(1)
				w.BulkString("m")
			},
			func() { w.Push(2); w.BulkString("invalidate"); w.Null() },
		} {
			before := w.Len()
			write()
			got, whole := wire.Count(w.Bytes())
			require.True(t, whole, "%q", w.Bytes()[before:])
			require.Equal(t, n+1, got)
			for cut := before + 1; cut < w.Len(); cut++ {
				got, whole = wire.Count(w.Bytes()[:cut])
				require.False(t, whole, "%q", w.Bytes()[before:cut])
				require.Equal(t, n, got)
			}
		}
	}
}

func TestCountRefusesWhatIsNoReply(t *testing.T) {
	for _, p := range []string{"x\r\n", "\r\n", ":\r\n", ":1x\r\n", "+a\nb\r\n", "$2\r\nabc\r\n", "$-2\r\n", "*-2\r\n", "$-1\n\n", "#x\r\n", "_1\r\n",
		"*9223372036854775807\r\n+a\r\n", "%4611686018427387905\r\n+a\r\n", "~-1\r\n", "$9223372036854775807\r\nabc\r\n", "+OK\r+OK\r\n"} {
		_, whole := wire.Count([]byte(p))
		require.False(t, whole, "%q", p)
	}
}

func FuzzCount(f *testing.F) {
	f.Add([]byte("*2\r\n+OK\r\n$1\r\na\r\n"))
	f.Add([]byte(strings.Repeat("*1\r\n", 20) + ":1\r\n"))
	f.Fuzz(func(t *testing.T, p []byte) {
		n, whole := wire.Count(p)
		if !whole {
			return
		}
		r := resp.NewReader(bytes.NewReader(p))
		for range n {
			if _, err := r.Read(); err != nil {
				t.Skip() // numbers are looked at more closely there, and depth has a limit
			}
		}
		_, err := r.Read()
		require.Error(t, err, "nothing is left")
	})
}
