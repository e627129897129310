package server

import (
	"net"
	"time"

	"github.com/parley-chat/parley/commands"
)

// This file decides when a client that does not read its output is disconnected. There are
// four limits. Those of size are checked when output is added:
//
//   - the hard limit of client-output-buffer-limit,
//   - its soft limit, exceeded for longer than its time,
//   - the hard limit of pubsub clients, for messages to clients of class normal.
//
// The fourth is one of speed: client-output-timeout and client-output-min-rate. The
// session's timer checks it, and the time of the soft limit.

// uncountedOutput are bytes that limits of size do not count. Redis has a buffer of this
// size for each client, which its limits do not count either.
const uncountedOutput = 16 << 10

// Sizes of one write. A write to a connection that cannot be interrupted is smaller, since
// progress is known only when it returns.
const (
	writePiece      = 256 << 10
	smallWritePiece = 16 << 10
)

// pastDeadline is a deadline that makes a Read or Write under way return.
var pastDeadline = time.Unix(1, 0)

// A slowReader is the progress of a client that output waits for. On a socket output
// waits when the system takes no more of it; in memory, when more than maxUnread is unread.
type slowReader struct {
	waitingSince time.Time // start of the present period of client-output-timeout; zero: nothing waits
	taken        int64     // bytes taken in that period
	lastTaken    time.Time // when bytes were last known to be taken
	interrupted  bool      // interruptWrite was called, and the write has not returned
}

// A slowReason is why a slow reader is disconnected.
type slowReason int

const (
	overOutputLimit slowReason = iota // of size
	outputTimedOut                    // of speed
)

// disconnected records that the outbox disconnects the client. See outboxOwner.
func (s *session) disconnected(reason slowReason) {
	s.finished.Store(true)
	stats, event := &s.engine.state.Stats, eventOutputBufferLimit
	if reason == outputTimedOut {
		event = eventOutputTimeout
		stats.LateToRead.Add(1)
	} else {
		stats.Overflowed.Add(1)
	}
	s.engine.log.log(event, clientAttr(s.client), "unread", s.out.size)
}

func (o *outbox) setClass(class commands.OutputClass) {
	if o.class.Load() != int32(class) {
		o.class.Store(int32(class))
	}
}

// sizeLimit returns the client-output-buffer-limit of the client's class.
func (o *outbox) sizeLimit() commands.OutputLimit {
	return o.settings.Load().output[o.class.Load()]
}

// pushLimit returns the limit in bytes of pushed; 0: none. Clients of class normal have no
// limit by default. But a client that tracks keys gets invalidations as other clients write,
// so the hard limit of pubsub clients holds for messages to it.
func (o *outbox) pushLimit() int64 {
	if commands.OutputClass(o.class.Load()) != commands.OutputNormal {
		return 0 // sizeLimit covers messages
	}
	return o.settings.Load().output[commands.OutputPubSub].Hard
}

// checkLimits disconnects a client that is over a limit of size. The outbox's mu is held
// here and in all methods below that do not lock it.
func (o *outbox) checkLimits() {
	if o.overSizeLimit(o.sizeLimit()) || o.overPushLimit() {
		o.disconnect(overOutputLimit)
	}
	if o.inMemory && !o.ended && o.size > maxUnread { // no writer arms the timeout
		o.armReader()
	}
}

func (o *outbox) disconnect(reason slowReason) {
	o.owner.disconnected(reason)
	o.drop()
}

// overSizeLimit reports whether the hard limit is exceeded, or the soft limit for too long.
func (o *outbox) overSizeLimit(l commands.OutputLimit) bool {
	unread := int64(o.size - uncountedOutput)
	if l.Hard > 0 && unread > l.Hard {
		return true
	}
	if l.Soft == 0 || unread <= l.Soft {
		o.softSince = time.Time{}
		return false
	}
	now := o.clock.Now()
	if o.softSince.IsZero() {
		o.softSince = now
		o.timer.callBy(o.softDeadline(l))
	}
	return now.Sub(o.softSince) > time.Duration(l.Seconds)*time.Second
}

// softDeadline returns when the soft limit has been exceeded for too long.
func (o *outbox) softDeadline(l commands.OutputLimit) time.Time {
	return o.softSince.Add(time.Duration(l.Seconds)*time.Second + 1)
}

func (o *outbox) overPushLimit() bool {
	if o.pushed == 0 {
		return false
	}
	limit := o.pushLimit()
	return limit > 0 && int64(o.pushed) > limit
}

// checkSoftLimit returns when to check again, and whether the soft limit has been exceeded
// for too long.
func (o *outbox) checkSoftLimit(now time.Time) (next time.Time, late bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.sizeLimit()
	if o.softSince.IsZero() || l.Soft == 0 || int64(o.size-uncountedOutput) <= l.Soft {
		return time.Time{}, false
	}
	end := o.softDeadline(l)
	return end, !end.After(now)
}

// expireSoftLimit disconnects a client that checkSoftLimit has found late.
func (o *outbox) expireSoftLimit() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.softSince.IsZero() {
		o.disconnect(overOutputLimit)
	}
}

// armReader starts client-output-timeout, unless it is running.
func (o *outbox) armReader() {
	if !o.reader.waitingSince.IsZero() {
		return
	}
	now := o.clock.Now()
	o.reader = slowReader{waitingSince: now, lastTaken: now}
	if p := o.settings.Load().timeouts; p.Output > 0 {
		o.timer.callBy(after(now, p.Output))
	}
}

// checkReader returns when to check again, and whether the client reads too slowly. How
// much of a write under way the client has taken is known when the write returns. So
// checkReader interrupts it, and the next check counts that.
func (o *outbox) checkReader(now time.Time) (next time.Time, late bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, p := &o.reader, o.settings.Load().timeouts
	if r.waitingSince.IsZero() || p.Output == 0 {
		return time.Time{}, false
	}
	due := after(r.waitingSince, p.Output)
	switch {
	case due.After(now):
		return due, false
	case o.readsFastEnough(now, p):
		return after(now, p.Output), false
	case !r.interrupted:
		r.interrupted = o.conn.interruptWrite()
	}
	return time.Time{}, true
}

// expireReader disconnects a client that checkReader has found late.
func (o *outbox) expireReader() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.reader.waitingSince.IsZero() {
		o.disconnect(outputTimedOut)
	}
}

// readsFastEnough reports whether the client has kept to client-output-min-rate, and if so
// starts the next period.
func (o *outbox) readsFastEnough(now time.Time, p commands.Timeouts) bool {
	r := &o.reader
	if p.Output > 0 && r.taken/p.Output < p.OutputRate {
		return false
	}
	r.waitingSince, r.taken = now, 0
	return true
}

// noteProgress counts n bytes that the client has taken.
func (o *outbox) noteProgress(n int) {
	if r := &o.reader; n > 0 && !r.waitingSince.IsZero() {
		r.taken += int64(n)
		r.lastTaken = o.clock.Now()
	}
	if !o.softSince.IsZero() && int64(o.size-uncountedOutput) <= o.sizeLimit().Soft {
		o.softSince = time.Time{}
	}
	if !o.writing && o.size <= maxUnread {
		o.reader.waitingSince = time.Time{}
	}
}

// lastProgress returns when the client was last known to take something, and whether
// output waits for it.
func (o *outbox) lastProgress() (last time.Time, waiting bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.reader.lastTaken, !o.reader.waitingSince.IsZero() || !o.inMemory && o.sendable() > 0
}

func writePieceOf(conn net.Conn) int {
	if resumable(conn) {
		return writePiece
	}
	return smallWritePiece
}
