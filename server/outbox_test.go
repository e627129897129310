package server

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
)

// Limits count bytes, so what a client leaves unread must not take up much more
// than its bytes, in whatever sizes it comes.
func TestUnreadTakesAboutWhatIsCounted(t *testing.T) {
	long, short := make([]byte, sharePiece), []byte("x")
	for name, add := range map[string]func(*outbox, int){
		"a short message between long ones": func(o *outbox, i int) {
			o.push(long)
			o.push(short)
		},
		"a reply between long messages": func(o *outbox, i int) {
			o.push(long)
			o.reply(append(newReply(), short...))
		},
		"short messages that just need another piece": func(o *outbox, i int) {
			o.push(long)
			o.push(long[1:])
			o.push(short)
			o.push(short)
		},
	} {
		var o outbox
		o.init()
		o.limit = func() (none commands.OutputLimit) { return none }
		o.wake = func() {}
		o.pushLimit = func() int64 { return 0 }
		for i := range 1000 {
			add(&o, i)
		}
		held := 0
		for _, p := range o.pieces {
			held += cap(p.bytes)
		}
		require.Less(t, held, 3*o.size, name)
	}
}
