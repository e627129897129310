package wire_test

import (
	"math/rand/v2"
	"testing"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/stretchr/testify/require"
)

// A Writer that is muted now and then gives what one gives to which that was not
// written at all.
func TestMutedWriterLeavesOutWhatItIsTo(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 0))
		var w, want wire.Writer
		muted := false
		for range 3 {
			for range r.IntN(12) {
				switch r.IntN(6) {
				case 0:
					muted = !muted
					w.Mute(muted)
				case 1:
					push := []byte{byte('a' + r.IntN(26)), '\n'}
					w.Message(push)
					want.Message(push)
				case 2: // what is cut off again
					mark, kept := w.Mark(), want.Mark()
					w.BulkString("cut off")
					w.Message([]byte("too"))
					w.Mute(!muted)
					w.Int(1)
					w.Mute(muted)
					w.Truncate(mark)
					want.Truncate(kept)
				case 3: // a header that is put in behind the messages in it
					mark, kept := w.Mark(), want.Mark()
					n := r.IntN(20)
					for range n {
						w.Int(7)
					}
					w.Message([]byte("within"))
					w.CloseArray(mark, n)
					if !muted {
						for range n {
							want.Int(7)
						}
					}
					want.Message([]byte("within"))
					if !muted {
						want.CloseArray(kept, n)
					}
				default:
					n := r.Int64N(1000)
					w.BulkInt(n)
					if !muted {
						want.BulkInt(n)
					}
				}
			}
			require.Equal(t, string(taken(&want)), string(taken(&w)), "seed %d", seed)
		}
	}
}
