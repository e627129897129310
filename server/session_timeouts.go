package server

import (
	"time"

	"github.com/parley-chat/parley/commands"
)

// A timeout is one thing that a client may keep the server waiting for.
type timeout struct {
	// check says when to check again, zero if the server does not wait for this,
	// and whether the client has had its time.
	check func(s *session, now time.Time) (next time.Time, late bool)

	// graceOver is of the grace period of a late client: its progress is the input
	// that it has sent, or the output that it has taken.
	graceOver func(s *session, without time.Duration) bool
	without   time.Duration // progress

	// expire disconnects it.
	expire func(s *session)
}

var timeoutTable = [...]timeout{
	{(*session).checkIdle, (*session).inputGraceOver, graceIdle, (*session).expireIdle},
	{(*session).checkAuth, (*session).inputGraceOver, graceSent, (*session).expireAuth},
	{(*session).checkQuery, (*session).inputGraceOver, graceSent, (*session).expireQuery},
	{(*session).checkReader, (*session).outputGraceOver, graceSent, func(s *session) { s.out.expireReader() }},
	{(*session).checkSoftLimit, (*session).outputGraceOver, graceSent, func(s *session) { s.out.expireSoftLimit() }},
}

// checkTimeouts checks all timeouts of a client, as a reminder does.
func (s *session) checkTimeouts(now time.Time) (next time.Time, soon bool) {
	next = s.checkParkable(now)
	for i := range timeoutTable {
		t := &timeoutTable[i]
		due, late := t.check(s, now)
		switch {
		case late && t.graceOver(s, s.gracePeriodOf(t.without)):
			t.expire(s)
		case late:
			soon = true
		case !due.IsZero() && (next.IsZero() || due.Before(next)):
			next = due
		}
	}
	if !soon {
		s.inputGrace.end()
		s.outputGrace.end()
	}
	return next, soon
}

// grace is a time to wait for what is on its way: in memory nothing is.
func (s *session) gracePeriodOf(d time.Duration) time.Duration {
	if s.unreadInput == nil {
		return 0
	}
	return d
}

// inputGraceOver reports whether a client whose time is up has sent nothing more,
// and the server has nothing left to do with what it has sent.
func (s *session) inputGraceOver(without time.Duration) bool {
	_, reading := s.out.lastProgress()
	busy := s.feedLock.locked() || s.unreadInput != nil && s.unreadInput() || reading && s.writable()
	return s.inputGrace.expired(without, s.inputProgress(), busy)
}

// inputProgress counts pieces of input. Over TLS a record may come in thousands of
// small ones, and whoever sends it so is not to keep the server busy for all that time;
// in large ones it takes two or three.
func (s *session) inputProgress() int64 {
	n := s.idle.reads.Load()
	if s.readsBelow != nil {
		n += s.readsBelow.Load() / 16
	}
	return n
}

// outputGraceOver reports whether a client whose time is up takes nothing more.
func (s *session) outputGraceOver(without time.Duration) bool {
	return s.outputGrace.expired(without, s.out.progress.Load(), s.writable())
}

// writable reports whether the system takes output for the client: what has not
// been written yet is the server's to write.
func (s *session) writable() bool { return s.takesOutput != nil && s.takesOutput() }

func (s *session) checkBy(t time.Time) { s.engine.timeoutQueue.callBy(&s.timer, t) }

func (s *session) timeouts() commands.Timeouts { return s.engine.settings.Load().timeouts }

// after is some seconds later.
func after(t time.Time, seconds int64) time.Time {
	return t.Add(time.Duration(seconds) * time.Second)
}

// armIdle starts the timeout of idle clients.
func (s *session) armIdle() {
	if p := s.timeouts(); p.Idle > 0 {
		s.checkBy(after(s.now(), p.Idle))
	}
}

// checkIdle: a client that has not called for long is idle, unless it waits for
// something itself.
func (s *session) checkIdle(now time.Time) (next time.Time, late bool) {
	p := s.timeouts()
	if p.Idle == 0 || s.finished.Load() {
		return time.Time{}, false
	}
	due := after(s.lastActivity(now, p), p.Idle)
	return due, !due.After(now)
}

// expireIdle closes an idle client. Replies that it has not read are still sent, if
// the system takes them: otherwise nothing would ever end the wait for a client that
// does not read, as this is only called then if there is no client-output-timeout.
func (s *session) expireIdle() {
	s.finished.Store(true)
	s.engine.state.Stats.Idle.Add(1)
	s.engine.log.log(eventIdleTimeout, clientAttr(s.client))
	if _, reading := s.out.lastProgress(); reading && s.takesOutput != nil && !s.writable() {
		s.Kill()
		return
	}
	s.out.finish()
	s.retire()
}

// lastActivity is when the client has last shown that it is there: it called, sent a
// part of a call, or took a part of what it was sent. Whoever waits itself is
// there; so is a client that keeps the server from writing, as long as checkReader
// has not disconnected it.
func (s *session) lastActivity(now time.Time, p commands.Timeouts) time.Time {
	s.engine.mu.Lock()
	waits, called := !s.client.CanIdle(), time.UnixMilli(s.client.Active)
	s.engine.mu.Unlock()
	took, reading := s.out.lastProgress()
	if waits || reading && p.Output > 0 && !s.writable() {
		return now
	}
	return latest(called, s.partial.lastInputTime(), took)
}

func latest(t time.Time, others ...time.Time) time.Time {
	for _, other := range others {
		if other.After(t) {
			t = other
		}
	}
	return t
}

// armAuth starts the timeout of a client that must authenticate, or ends it.
func (s *session) armAuth() {
	if s.inProcess || !s.limits.Load().unauthenticated {
		if s.unauthSince.Load() != 0 {
			s.unauthSince.Store(0)
		}
		return
	}
	now := s.now()
	if s.unauthSince.CompareAndSwap(0, now.UnixNano()) {
		if p := s.timeouts(); p.Auth > 0 {
			s.checkBy(after(now, p.Auth))
		}
	}
}

// checkAuth: a client that does not authenticate is late, but not while its
// AUTH is delayed.
func (s *session) checkAuth(now time.Time) (next time.Time, late bool) {
	since, p := s.unauthSince.Load(), s.timeouts()
	if since == 0 || p.Auth == 0 || s.finished.Load() {
		return time.Time{}, false
	}
	due := after(time.Unix(0, since), p.Auth)
	switch {
	case due.After(now):
		return due, false
	case s.isBlocked.Load():
		return after(now, 1), false
	}
	return time.Time{}, true
}

func (s *session) expireAuth() {
	s.engine.log.log(eventAuthTimeout, clientAttr(s.client))
	s.Kill()
}

// armQuery starts the timeout for the rest of a call of which a part has come,
// or lets it run on.
func (s *session) armQuery() {
	if s.in.pending() == 0 || s.ended {
		s.partial.end()
		return
	}
	now := s.now()
	if s.partial.begin(s.in.commands, now) {
		if p := s.timeouts(); p.Query > 0 {
			s.checkBy(after(now, p.Query))
		}
	}
}

// checkQuery: a client that takes too long to send a call is late.
func (s *session) checkQuery(now time.Time) (next time.Time, late bool) {
	if s.finished.Load() {
		return time.Time{}, false
	}
	return s.partial.deadline(now, s.queryUsed.Load(), s.timeouts())
}

func (s *session) expireQuery() {
	s.engine.state.Stats.LateToSend.Add(1)
	s.engine.log.log(eventQueryTimeout, clientAttr(s.client), "sent", s.queryUsed.Load())
	s.Kill()
}

func (s *session) checkReader(now time.Time) (next time.Time, late bool) {
	return s.out.checkReader(now)
}

func (s *session) checkSoftLimit(now time.Time) (next time.Time, late bool) {
	return s.out.checkSoftLimit(now)
}

// outputTimedOut records that the client is cut off for what it takes too long to
// read.
func (s *session) outputTimedOut() {
	s.finished.Store(true)
	s.engine.state.Stats.LateToRead.Add(1)
	s.engine.log.log(eventOutputTimeout, clientAttr(s.client), "unread", s.out.size)
}
