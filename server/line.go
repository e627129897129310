package server

import "net"

// A Line is what does not pass between a client and the server, though neither has
// ended the connection. What was sent before is on its way and arrives.
type Line struct {
	// NoInput: nothing that the client sends comes in, and that it closes the
	// connection neither. It waits, within the bounds of what a client may send that
	// does not read.
	NoInput bool

	// NoOutput: nothing is sent to the client. It waits, within the client's limits
	// of output.
	NoOutput bool
}

// heldBack is what an outbox holds that the line does not let out.
type heldBack struct {
	pieces []piece
	size   int // bytes in pieces
}

// followLine makes the line of a client what it is to be.
func (e *engine) followLine(c *caller) (now Line) {
	s, ok := c.client.Peer.(*session)
	if e.taps.Line == nil || !ok || e.closed {
		return Line{}
	}
	now = e.taps.Line(c.client)
	s.out.follow(now)
	return now
}

func (e *engine) followLines() {
	for _, l := range e.state.Clients.All() {
		if c := callerOf(l); c != nil {
			e.followLine(c)
		}
	}
}

// hangUp lets all pass again, for Close. What was held back is lost.
func (e *engine) hangUp() {
	for _, l := range e.state.Clients.All() {
		if s, ok := l.Peer.(*session); ok {
			s.out.hangUp()
		}
	}
}

// follow lets pass what the line does.
func (o *outbox) follow(now Line) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := o.line
	if before == now || o.killed {
		return
	}
	o.line = now
	if before.NoOutput && !now.NoOutput {
		o.letOut()
	}
	if before.NoInput && !now.NoInput || before.NoOutput && !now.NoOutput {
		o.keeper.room()
	}
	o.changed.Broadcast()
}

// letOut sends what was held back.
func (o *outbox) letOut() {
	o.pieces = append(o.pieces, o.back.pieces...)
	o.back = heldBack{}
	if !o.writing && o.wake != nil && len(o.pieces) > 0 {
		o.writing = true
		o.wake()
	}
}

// awaitLine waits until the line has let out all there is.
func (o *outbox) awaitLine() error {
	for (o.line.NoOutput || o.writing) && !o.killed {
		o.changed.Wait()
	}
	if o.killed {
		return net.ErrClosed
	}
	return nil
}

func (o *outbox) hangUp() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.size -= o.back.size
	o.back, o.line = heldBack{}, Line{}
	o.weigh()
	o.changed.Broadcast()
}

// queue is where what is sent now goes.
func (o *outbox) queue() *[]piece {
	if o.line.NoOutput {
		return &o.back.pieces
	}
	return &o.pieces
}

// ready counts the bytes that may go out, while nobody is writing.
func (o *outbox) ready() int { return o.size - o.back.size }

// stays reports whether a client that has come to its end, or has closed the
// connection, is not to be forgotten yet: that has not come in, or replies have
// yet to go out.
func (o *outbox) stays(closed bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.line.NoInput || o.line.NoOutput && !closed
}
