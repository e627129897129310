package server

import (
	"net"

	"github.com/parley-chat/parley/internal/control"
)

// withheld is output that the link does not pass.
type withheld struct {
	pieces []piece
	size   int // bytes in pieces
}

// setLink changes what passes between client and server.
func (o *outbox) setLink(now control.Link) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := o.link
	if before == now || o.killed {
		return
	}
	o.link = now
	if before.NoOutput && !now.NoOutput {
		o.releaseWithheld()
	}
	if before.NoInput && !now.NoInput || before.NoOutput && !now.NoOutput {
		o.conn.proceed()
	}
	o.changed.Broadcast()
}

// releaseWithheld sends the withheld output.
func (o *outbox) releaseWithheld() {
	o.pieces = append(o.pieces, o.withheld.pieces...)
	o.withheld = withheld{}
	o.startWriter()
}

// awaitLink waits until the link passes output, and all of it is written.
func (o *outbox) awaitLink() error {
	for (o.link.NoOutput || o.writing) && !o.killed {
		o.changed.Wait()
	}
	if o.killed {
		return net.ErrClosed
	}
	return nil
}

// resetLink discards withheld output and makes the link pass everything.
func (o *outbox) resetLink() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.size -= o.withheld.size
	o.withheld, o.link = withheld{}, control.Link{}
	o.accountMemory()
	o.changed.Broadcast()
}

// queue returns the pieces to which output is appended.
func (o *outbox) queue() *[]piece {
	if o.link.NoOutput {
		return &o.withheld.pieces
	}
	return &o.pieces
}

// sendable returns the bytes that may be written. It is exact while there is no writer.
func (o *outbox) sendable() int { return o.size - o.withheld.size }

// linkBlocks reports whether the end of a connection must not be seen yet, because the link
// withholds it or output before it. closed: the client has closed the connection.
func (o *outbox) linkBlocks(closed bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.link.NoInput || o.link.NoOutput && !closed
}
