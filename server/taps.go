package server

import "github.com/parley-chat/parley/commands"

// Taps are where tests listen in on a server, and let things go wrong; package testkit
// builds upon them. With any of them set all calls run one by one. They are called
// under the server's lock: they must not wait, nor call the server, nor keep what
// they are shown.
type Taps struct {
	// Call is told of each call that comes in, once, before it is known whether it
	// may run. Its row is nil if there is none of that name.
	Call func(l *commands.Client, m *commands.Command, args [][]byte)

	// Failed is told that a client's last call was answered an error: it was
	// refused, or has failed.
	Failed func(*commands.Client, error)

	// Published is told of each message that is published, keyspace events among
	// them, once its receivers have it.
	Published func(commands.Publication)

	// Left is told of a client that leaves, before its subscriptions are ended.
	Left func(*commands.Channels, *commands.Client)

	// Closed is told that the server is about to close: all its clients are there.
	Closed func(*commands.State)

	// Watched is asked, without the lock, whether Settled is to be told, besides,
	// that a session has come to rest, or that a client has read.
	Watched func() bool

	// Settled is told that calls have run, that a client has come or left, or that
	// keys have expired: what somebody waits for may have come about.
	Settled func(*commands.State)

	// Strike is asked of each call that comes in, once and before Call, what goes
	// wrong with it. nil: nothing does.
	Strike func(l *commands.Client, m *commands.Command, args [][]byte) *Strike

	// Copies is asked how many times a client gets a message published to a
	// channel: once, if nothing goes wrong. Subscribers are asked in the order
	// in which they came.
	Copies func(l *commands.Client, channel []byte) int

	// Line is asked what passes between a client and the server: when the client
	// has come, when a call of it is struck, after its calls, and in Retap.
	Line func(l *commands.Client) Line
}

// on reports whether anybody listens.
func (t *Taps) on() bool {
	return t.Call != nil || t.Failed != nil || t.Published != nil || t.Left != nil || t.Closed != nil || t.Watched != nil ||
		t.Settled != nil || t.Strike != nil || t.Copies != nil || t.Line != nil
}

// tapCall shows a call that has come in.
func (e *engine) tapCall(l *commands.Client, r request) {
	if e.taps.Call != nil {
		e.taps.Call(l, r.command, r.args)
	}
}

// aside reports whether a call is one of those that nobody is told of.
func aside(m *commands.Command) bool { return m != nil && m.Has(commands.Aside) }

func (e *engine) tapFailed(l *commands.Client, m *commands.Command, err error) {
	if e.taps.Failed != nil && err != nil && !aside(m) {
		e.taps.Failed(l, err)
	}
}

func (e *engine) tapLeft(l *commands.Client) {
	if e.taps.Left != nil {
		e.taps.Left(&e.state.Channels, l)
	}
}

func (e *engine) tapClosed() {
	if e.taps.Closed != nil && !e.closed {
		e.taps.Closed(&e.state)
	}
}

// stirred tells those who watch that a session has come to rest, or that a client
// has read. No lock may be held.
func (e *engine) stirred() {
	if e.taps.Watched != nil && e.taps.Watched() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.settled()
	}
}

// settled tells that something has come about.
func (e *engine) settled() {
	if e.taps.Settled != nil {
		e.taps.Settled(&e.state)
	}
}

// Inspect runs f while no command does. f must not call the server, and keep
// nothing of what it sees. It is for tests; what it changes nobody is told of.
func (s *Server) Inspect(f func(*commands.State)) {
	e := s.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	f(&e.state)
}

// Retap is Inspect for an f that changes what the taps answer. Before Retap returns
// lines are what they are to be, and calls have run that nothing keeps any more.
func (s *Server) Retap(f func(*commands.State)) {
	e := s.engine
	if e.exclusive(func() {
		f(&e.state)
		e.followLines()
		e.letStruckGo()
	}) == ErrClosed {
		s.Inspect(f)
	}
}
