package server

import (
	"net"
	"time"

	"github.com/parley-chat/parley/commands"
)

// reading is how a client reads what waits for it, while it keeps somebody
// waiting. A client of the network does so when the system takes no more for it;
// one in memory when as much is unread as systems take.
type slowReader struct {
	waitingSince time.Time // since when, or the last span that was fast enough; zero: nobody waits
	taken        int64     // bytes that the client has taken since then
	lastTaken    time.Time // when it was last known to take some
	interrupted  bool      // the writer is to see how much the client has taken
}

// longAgo is a deadline that makes what waits return.
var pastDeadline = time.Unix(1, 0)

// writePiece is how many bytes are written at once. Of a connection that cannot
// be interrupted while it writes, fewer: only what a write has ended with is
// known to have been taken.
const (
	writePiece      = 256 << 10
	smallWritePiece = 16 << 10
)

func writePieceOf(conn net.Conn) int {
	if resumable(conn) {
		return writePiece
	}
	return smallWritePiece
}

// armReader starts the timeout of a client that is to read. The outbox's mu is held
// here and below, where it is not taken.
func (o *outbox) armReader() {
	if !o.reader.waitingSince.IsZero() {
		return
	}
	now := o.owner.now()
	o.reader = slowReader{waitingSince: now, lastTaken: now}
	if p := o.owner.timeouts(); p.Output > 0 {
		o.owner.checkBy(after(now, p.Output))
	}
}

// checkReader: a client that takes too long to read is late. How much of a write
// under way it has taken is known after the writer has returned from it, which
// poke sees to: the next check counts that.
func (o *outbox) checkReader(now time.Time) (next time.Time, late bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, p := &o.reader, o.owner.timeouts()
	if r.waitingSince.IsZero() || p.Output == 0 {
		return time.Time{}, false
	}
	due := after(r.waitingSince, p.Output)
	switch {
	case due.After(now):
		return due, false
	case o.readsFastEnough(now, p):
		return after(now, p.Output), false
	case o.interruptWrite != nil && !r.interrupted:
		r.interrupted = true
		o.interruptWrite()
	}
	return time.Time{}, true
}

// expireReader cuts off a client that is late.
func (o *outbox) expireReader() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.reader.waitingSince.IsZero() {
		o.owner.outputTimedOut()
		o.drop()
	}
}

// readsFastEnough reports whether the client has read fast enough in the time it had,
// and if so gives it as much again.
func (o *outbox) readsFastEnough(now time.Time, p commands.Timeouts) bool {
	r := &o.reader
	if p.Output > 0 && r.taken/p.Output < p.OutputRate {
		return false
	}
	r.waitingSince, r.taken = now, 0
	return true
}

// checkSoftLimit: a client that has had more than its soft limit unread for too
// long is late.
func (o *outbox) checkSoftLimit(now time.Time) (next time.Time, late bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.owner.outputLimit()
	if o.softSince.IsZero() || l.Soft == 0 || int64(o.size-uncountedOutput) <= l.Soft {
		return time.Time{}, false
	}
	end := o.softDeadline(l)
	return end, !end.After(now)
}

// expireSoftLimit cuts off a client that is late.
func (o *outbox) expireSoftLimit() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.softSince.IsZero() {
		o.overflow()
	}
}

// lastActivity is when the client was last known to take something, and whether it
// has more to take: over a network, whatever has not been written yet.
func (o *outbox) lastProgress() (last time.Time, reading bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.reader.lastTaken, !o.reader.waitingSince.IsZero() || o.wake != nil && o.sendable() > 0
}

// noteProgress counts what the client has taken while somebody waited.
func (o *outbox) noteProgress(n int) {
	if r := &o.reader; n > 0 && !r.waitingSince.IsZero() {
		r.taken += int64(n)
		r.lastTaken = o.owner.now()
	}
}
