package server

import (
	"net"

	"github.com/parley-chat/parley/internal/control"
)

// withheld is what an outbox holds that the line does not let out.
type withheld struct {
	pieces []piece
	size   int // bytes in pieces
}

// setLink lets pass what the line does.
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
		o.owner.outputDrained()
	}
	o.changed.Broadcast()
}

// releaseWithheld sends what was held back.
func (o *outbox) releaseWithheld() {
	o.pieces = append(o.pieces, o.withheld.pieces...)
	o.withheld = withheld{}
	if !o.writing && o.wake != nil && len(o.pieces) > 0 {
		o.writing = true
		o.wake()
	}
}

// awaitLink waits until the line has let out all there is.
func (o *outbox) awaitLink() error {
	for (o.link.NoOutput || o.writing) && !o.killed {
		o.changed.Wait()
	}
	if o.killed {
		return net.ErrClosed
	}
	return nil
}

func (o *outbox) resetLink() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.size -= o.withheld.size
	o.withheld, o.link = withheld{}, control.Link{}
	o.accountMemory()
	o.changed.Broadcast()
}

// queue is where what is sent now goes.
func (o *outbox) queue() *[]piece {
	if o.link.NoOutput {
		return &o.withheld.pieces
	}
	return &o.pieces
}

// ready counts the bytes that may go out, while nobody is writing.
func (o *outbox) sendable() int { return o.size - o.withheld.size }

// stays reports whether a client that has come to its end, or has closed the
// connection, is not to be forgotten yet: that has not come in, or replies have
// yet to go out.
func (o *outbox) linkBlocks(closed bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.link.NoInput || o.link.NoOutput && !closed
}
