package server

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
)

// A detached transport has no connection: tests take what is in the outbox.
type detached struct {
	onInterrupt func() // nil: writes cannot be interrupted
}

func (detached) proceed()             {}
func (detached) startFlush()          {}
func (detached) retire()              {}
func (detached) abort()               {}
func (detached) park()                {}
func (detached) readiness() readiness { return readiness{} }

func (d detached) interruptWrite() bool {
	if d.onInterrupt != nil {
		d.onInterrupt()
	}
	return d.onInterrupt != nil
}

// newDetached returns a session without a connection.
func newDetached(srv *Server, o peerAddr) (*session, error) {
	s := newSession(srv.engine, o)
	s.out.inMemory = true
	return s, s.connect(detached{})
}

// newOutbox returns an outbox of no session, for a client of class normal.
func newOutbox(clock Clock, timeouts commands.Timeouts, onDisconnect func(slowReason)) *outbox {
	e := &engine{clock: clock}
	e.settings.Store(&settings{timeouts: timeouts})
	timer := new(queuedTimer)
	timer.init(&timerQueue{closed: true}, nil)
	o := new(outbox)
	o.init(e, ownerFunc(onDisconnect), timer, false)
	o.conn = detached{}
	return o
}

type ownerFunc func(slowReason)

func (f ownerFunc) disconnected(r slowReason) { f(r) }
func (ownerFunc) connPanicked(p any)          { panic(p) }

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
		o := newOutbox(realClock{}, commands.Timeouts{}, nil)
		for i := range 1000 {
			add(o, i)
		}
		held := 0
		for _, p := range o.pieces {
			held += cap(p.bytes)
		}
		require.Less(t, held, 3*o.size, name)
	}
}
