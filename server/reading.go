package server

import (
	"net"
	"time"

	"github.com/parley-chat/parley/commands"
)

// reading is how a client reads what waits for it, while it keeps somebody
// waiting. A client of the network does so when the system takes no more for it;
// one in memory when as much is unread as systems take.
type reading struct {
	since time.Time // since when, or the last span that was fast enough; zero: nobody waits
	took  int64     // bytes that the client has taken since then
	sign  time.Time // when it was last known to take some
	poked bool      // the writer is to see how much the client has taken
}

// longAgo is a deadline that makes what waits return.
var longAgo = time.Unix(1, 0)

// writePiece is how many bytes are written at once. Of a connection that cannot
// be interrupted while it writes, fewer: only what a write has ended with is
// known to have been taken.
const (
	writePiece      = 256 << 10
	smallWritePiece = 16 << 10
)

func mostAtOnce(conn net.Conn) int {
	if resumable(conn) {
		return writePiece
	}
	return smallWritePiece
}

// expectReading begins to wait for the client to read. The outbox's mu is held
// here and below, where it is not taken.
func (o *outbox) expectReading() {
	if !o.reading.since.IsZero() {
		return
	}
	now := o.keeper.now()
	o.reading = reading{since: now, sign: now}
	if p := o.keeper.patience(); p.Output > 0 {
		o.keeper.remind(after(now, p.Output))
	}
}

// awaitReader cuts off a client that takes too long to read, and else says when
// that will be.
func (o *outbox) awaitReader(now time.Time) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, p := &o.reading, o.keeper.patience()
	if r.since.IsZero() || r.poked || p.Output == 0 {
		return time.Time{}
	}
	due := after(r.since, p.Output)
	switch {
	case due.After(now):
		return due
	case o.keepsPace(now, p):
		return after(now, p.Output)
	case o.poke != nil:
		r.poked = true
		o.poke() // answerPoke goes on
		return time.Time{}
	}
	o.lag()
	return time.Time{}
}

// answerPoke is for the writer, who knows now how much the client has taken. It
// reports whether to go on.
func (o *outbox) answerPoke(conn net.Conn) bool {
	o.reading.poked = false
	now, p := o.keeper.now(), o.keeper.patience()
	if !o.keepsPace(now, p) {
		o.lag()
		return false
	}
	conn.SetWriteDeadline(time.Time{})
	o.keeper.remind(after(now, p.Output))
	return true
}

// keepsPace reports whether the client has read fast enough in the time it had,
// and if so gives it as much again.
func (o *outbox) keepsPace(now time.Time, p commands.Patience) bool {
	r := &o.reading
	if p.Output > 0 && r.took/p.Output < p.OutputRate {
		return false
	}
	r.since, r.took = now, 0
	return true
}

// lag cuts off a client that does not.
func (o *outbox) lag() {
	o.keeper.lateToRead()
	o.drop()
}

// awaitLess cuts off a client that has had more than its soft limit unread for
// too long, and else says when that will be.
func (o *outbox) awaitLess(now time.Time) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.keeper.outputLimit()
	if o.softSince.IsZero() || l.Soft == 0 || int64(o.size-freeOutput) <= l.Soft {
		return time.Time{}
	}
	if end := o.softEnd(l); end.After(now) {
		return end
	}
	o.overflow()
	return time.Time{}
}

// lastSign is when the client was last known to take something, and whether it
// keeps somebody waiting.
func (o *outbox) lastSign() (time.Time, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.reading.sign, !o.reading.since.IsZero()
}

// took counts what the client has taken while somebody waited.
func (o *outbox) took(n int) {
	if r := &o.reading; n > 0 && !r.since.IsZero() {
		r.took += int64(n)
		r.sign = o.keeper.now()
	}
}
