package server

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
)

// lenient is a keeper that allows everything, by a real clock unless it has one.
type lenient struct {
	clock  Clock
	awaits commands.Timeouts
	late   func()
}

func (l *lenient) now() time.Time {
	if l.clock == nil {
		return time.Now()
	}
	return l.clock.Now()
}

func (*lenient) outputLimit() (none commands.OutputLimit) { return none }
func (*lenient) pushLimit() int64                         { return 0 }
func (l *lenient) timeouts() commands.Timeouts            { return l.awaits }
func (*lenient) checkBy(time.Time)                        {}
func (*lenient) outputOverflowed()                        {}
func (*lenient) outputDrained()                           {}
func (*lenient) notifyIdle()                              {}
func (*lenient) connPanicked(any)                         {}
func (l *lenient) outputTimedOut()                        { l.late() }

// Limits count bytes, so what a client leaves unread must not take up much more
// than its bytes, in whatever sizes it comes.
func TestUnreadTakesAboutWhatIsCounted(t *testing.T) {
	long, short := make([]byte, minSharedPiece), []byte("x")
	for name, add := range map[string]func(*outbox, int){
		"a short message between long ones": func(o *outbox, i int) {
			o.push(long)
			o.push(short)
		},
		"a reply between long messages": func(o *outbox, i int) {
			o.push(long)
			o.reply(append(newReply(), short...), false)
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
		o.owner = new(lenient)
		o.wake = func() {}
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
