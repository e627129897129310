package wire_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/stretchr/testify/require"
)

// taken is what a Writer has written, in one slice.
func taken(w *wire.Writer) []byte {
	pieces, last := w.Take(nil)
	var whole []byte
	for _, p := range pieces {
		whole = append(whole, p.Bytes...)
	}
	return append(whole, last...)
}

// A reply in pieces is what one in a single buffer would be: random elements, some of
// them large, with headers put in later and elements cut off again.
func TestPiecesAreTheReply(t *testing.T) {
	large := bytes.Repeat([]byte("L"), wire.LargeString)
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		var w wire.Writer
		var want []byte
		add := func() {
			var p []byte
			switch r.IntN(8) {
			case 0:
				p = large[:wire.LargeString-r.IntN(2)] // by reference or not
			case 1:
				p = bytes.Repeat([]byte{'m'}, r.IntN(20000))
			case 2:
				w.Int(12345)
				want = append(want, ":12345\r\n"...)
				return
			default:
				p = bytes.Repeat([]byte{'s'}, r.IntN(300))
			}
			if r.IntN(2) == 0 {
				w.Bulk(p)
			} else {
				w.BulkString(string(p))
			}
			want = append(want, fmt.Sprintf("$%d\r\n%s\r\n", len(p), p)...)
		}
		for range r.IntN(20) {
			mark := w.Mark()
			require.Equal(t, len(want), mark)
			n := r.IntN(30)
			for range n {
				add()
			}
			switch r.IntN(4) {
			case 0:
				w.Truncate(mark)
				want = want[:mark]
			case 1:
				w.CloseArray(mark, n)
				want = append(want[:mark:mark], append(fmt.Appendf(nil, "*%d\r\n", n), want[mark:]...)...)
			case 2: // half of it, as when a connection is cut
				at := mark + r.IntN(w.Len()-mark+1)
				w.Truncate(at)
				want = want[:at]
			case 3:
				var part wire.Writer
				part.Bulk(large)
				part.BulkString("behind")
				w.Adopt(&part)
				want = append(want, fmt.Sprintf("$%d\r\n%s\r\n$6\r\nbehind\r\n", len(large), large)...)
			}
		}
		require.Equal(t, len(want), w.Len())
		require.True(t, bytes.Equal(want, w.Bytes()), "seed %d", seed)
		for _, from := range []int{r.IntN(len(want) + 1), len(want)} {
			require.True(t, bytes.Equal(want[from:], w.From(from)), "seed %d, from %d", seed, from)
		}
		require.True(t, bytes.Equal(want, taken(&w)), "seed %d", seed)
		require.Zero(t, w.Len())
	}
	require.Empty(t, bytes.Trim(large, "L"), "nothing has written to what is shared")
}

// What is left of a string that is kept by reference stays so: it is no buffer of the Writer's.
func TestTruncateWithinALargeString(t *testing.T) {
	large := bytes.Repeat([]byte("L"), wire.LargeString)
	var w wire.Writer
	w.Bulk(large)
	head := len(fmt.Sprintf("$%d\r\n", len(large)))
	w.Truncate(head + 10)
	w.Raw([]byte("behind"))
	pieces, last := w.Take(nil)
	require.Len(t, pieces, 2)
	require.True(t, pieces[1].Shared)
	require.Equal(t, "LLLLLLLLLL", string(pieces[1].Bytes))
	require.Equal(t, "behind", string(last))
}

// Large strings that were made for a reply are not copied, but there is an end to them: a
// transaction may ask for any number of DUMPs.
func TestStringsMadeForAReplyCount(t *testing.T) {
	own := make([]byte, wire.MaxReply/4)
	var w wire.Writer
	require.Less(t, allocated(func() {
		for range 3 {
			w.BulkOwned(own)
		}
	}), 1<<20)
	require.False(t, w.Full())
	length := w.Len()
	for range 2 {
		w.BulkOwned(own)
	}
	require.True(t, w.Full())
	require.Equal(t, length, w.Len())
	pieces, _ := w.Take(nil)
	for _, p := range pieces {
		require.False(t, p.Shared)
	}
}

// So is there to what is kept by reference: a transaction may replace each value that it
// has read. The same value any number of times is no more than once.
func TestWhatIsKeptByReferenceHasAnEnd(t *testing.T) {
	const size = 256 << 20
	values := make([]byte, size+100)
	var w wire.Writer
	for range 100 {
		w.Bulk(values[:size])
	}
	require.False(t, w.Full())
	for i := 1; i < wire.MaxKept/size; i++ {
		w.Bulk(values[i : size+i])
	}
	require.False(t, w.Full())
	length := w.Len()
	w.Bulk(values[99 : size+99])
	require.True(t, w.Full())
	require.Equal(t, length, w.Len())
	w.Take(nil)
	w.Bulk(values[:size])
	require.False(t, w.Full())
}

// allocated is how many bytes f allocates.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// A long reply is not copied to grow, and large strings are not copied at all.
func TestLongRepliesAreNotCopied(t *testing.T) {
	text, large := bytes.Repeat([]byte("x"), 1000), make([]byte, 32<<20)
	var w wire.Writer
	require.Less(t, allocated(func() {
		for range 32 << 10 {
			w.Bulk(text)
		}
	}), 40<<20)
	require.Less(t, allocated(func() {
		for range 32 {
			w.Bulk(large)
			w.BulkString("between")
		}
	}), 1<<20)
	require.Less(t, allocated(func() { w.Take(nil) }), 1<<20)
}

// Muting leaves out the same of a reply in pieces as of one in a single buffer.
func TestMutedPieces(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 2))
		var w, want wire.Writer
		for range r.IntN(30) {
			text := string(bytes.Repeat([]byte{byte('a' + r.IntN(26))}, r.IntN(2)*r.IntN(2*wire.LargeString)))
			muted := r.IntN(3) == 0
			w.Mute(muted)
			w.BulkString(text)
			w.Message([]byte("push"))
			if !muted {
				want.BulkString(text)
			}
			want.Message([]byte("push"))
		}
		require.Equal(t, string(taken(&want)), string(taken(&w)), "seed %d", seed)
	}
}
