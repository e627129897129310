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

var timeouts = [...]timeout{
	{(*session).checkIdle, (*session).inputGraceOver, graceIdle, (*session).expireIdle},
	{(*session).checkAuth, (*session).inputGraceOver, graceSent, (*session).expireAuth},
	{(*session).checkQuery, (*session).inputGraceOver, graceSent, (*session).expireQuery},
	{(*session).checkReader, (*session).outputGraceOver, graceSent, func(s *session) { s.out.expireReader() }},
	{(*session).checkSoftLimit, (*session).outputGraceOver, graceSent, func(s *session) { s.out.expireSoftLimit() }},
}

// look checks all timeouts of a client, as a reminder does.
func (s *session) look(now time.Time) (next time.Time, soon bool) {
	next = s.awaitQuiet(now)
	for i := range timeouts {
		t := &timeouts[i]
		due, late := t.check(s, now)
		switch {
		case late && t.graceOver(s, s.grace(t.without)):
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
func (s *session) grace(d time.Duration) time.Duration {
	if s.unreadInput == nil {
		return 0
	}
	return d
}

// inputGraceOver reports whether a client whose time is up has sent nothing more,
// and the server has nothing left to do with what it has sent.
func (s *session) inputGraceOver(without time.Duration) bool {
	_, reading := s.out.lastSign()
	busy := s.turn.taken() || s.unreadInput != nil && s.unreadInput() || reading && s.mayWrite()
	return s.inputGrace.over(without, s.inputProgress(), busy)
}

// inputProgress counts pieces of input. Over TLS a record may come in thousands of
// small ones, and whoever sends it so is not to keep the server busy for all that time;
// in large ones it takes two or three.
func (s *session) inputProgress() int64 {
	n := s.quiet.reads.Load()
	if s.readsBelow != nil {
		n += s.readsBelow.Load() / 16
	}
	return n
}

// outputGraceOver reports whether a client whose time is up takes nothing more.
func (s *session) outputGraceOver(without time.Duration) bool {
	return s.outputGrace.over(without, s.out.progress.Load(), s.mayWrite())
}

// mayWrite reports whether the system takes output for the client: what has not
// been written yet is the server's to write.
func (s *session) mayWrite() bool { return s.takesOutput != nil && s.takesOutput() }

// lookAtAll checks the clients that are there already when a timeout is changed.
func (e *engine) lookAtAll() {
	now := e.clock.Now()
	for _, l := range e.state.Clients.All() {
		if s, ok := l.Peer.(*session); ok {
			s.remind(now)
		}
	}
}

func (s *session) remind(t time.Time) { s.engine.reminders.by(&s.reminder, t) }

func (s *session) patience() commands.Patience { return s.engine.settings.Load().patience }

// after is some seconds later.
func after(t time.Time, seconds int64) time.Time {
	return t.Add(time.Duration(seconds) * time.Second)
}

// armIdle starts the timeout of idle clients.
func (s *session) armIdle() {
	if p := s.patience(); p.Idle > 0 {
		s.remind(after(s.now(), p.Idle))
	}
}

// checkIdle: a client that has not called for long is idle, unless it waits for
// something itself.
func (s *session) checkIdle(now time.Time) (next time.Time, late bool) {
	p := s.patience()
	if p.Idle == 0 || s.finished.Load() {
		return time.Time{}, false
	}
	due := after(s.lastSign(now, p), p.Idle)
	return due, !due.After(now)
}

// expireIdle closes an idle client. Replies that it has not read are still sent, if
// the system takes them: otherwise nothing would ever end the wait for a client that
// does not read, as this is only called then if there is no client-output-timeout.
func (s *session) expireIdle() {
	s.finished.Store(true)
	s.engine.state.Stats.Idle.Add(1)
	s.engine.log.tell(clientIdle, who(s.client))
	if _, reading := s.out.lastSign(); reading && s.takesOutput != nil && !s.mayWrite() {
		s.Kill()
		return
	}
	s.out.finish()
	s.retire()
}

// lastSign is when the client has last shown that it is there: it called, sent a
// part of a call, or took a part of what it was sent. Whoever waits itself is
// there; so is a client that keeps the server from writing, as long as checkReader
// has not disconnected it.
func (s *session) lastSign(now time.Time, p commands.Patience) time.Time {
	s.engine.mu.Lock()
	waits, called := !s.client.Idles(), time.UnixMilli(s.client.Active)
	s.engine.mu.Unlock()
	took, reading := s.out.lastSign()
	if waits || reading && p.Output > 0 && !s.mayWrite() {
		return now
	}
	return latest(called, s.part.lastSign(), took)
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
	if s.inside || !s.limits.Load().unauthenticated {
		if s.stranger.Load() != 0 {
			s.stranger.Store(0)
		}
		return
	}
	now := s.now()
	if s.stranger.CompareAndSwap(0, now.UnixNano()) {
		if p := s.patience(); p.Auth > 0 {
			s.remind(after(now, p.Auth))
		}
	}
}

// checkAuth: a client that does not authenticate is late, but not while its
// AUTH is delayed.
func (s *session) checkAuth(now time.Time) (next time.Time, late bool) {
	since, p := s.stranger.Load(), s.patience()
	if since == 0 || p.Auth == 0 || s.finished.Load() {
		return time.Time{}, false
	}
	due := after(time.Unix(0, since), p.Auth)
	switch {
	case due.After(now):
		return due, false
	case s.parked.Load():
		return after(now, 1), false
	}
	return time.Time{}, true
}

func (s *session) expireAuth() {
	s.engine.log.tell(lateToAuthenticate, who(s.client))
	s.Kill()
}

// armQuery starts the timeout for the rest of a call of which a part has come,
// or lets it run on.
func (s *session) armQuery() {
	if s.in.pending() == 0 || s.over {
		s.part.end()
		return
	}
	now := s.now()
	if s.part.begin(s.in.passed, now) {
		if p := s.patience(); p.Query > 0 {
			s.remind(after(now, p.Query))
		}
	}
}

// checkQuery: a client that takes too long to send a call is late.
func (s *session) checkQuery(now time.Time) (next time.Time, late bool) {
	if s.finished.Load() {
		return time.Time{}, false
	}
	return s.part.due(now, s.queryUsed.Load(), s.patience())
}

func (s *session) expireQuery() {
	s.engine.state.Stats.LateToSend.Add(1)
	s.engine.log.tell(lateToSend, who(s.client), "sent", s.queryUsed.Load())
	s.Kill()
}

func (s *session) checkReader(now time.Time) (next time.Time, late bool) {
	return s.out.checkReader(now)
}

func (s *session) checkSoftLimit(now time.Time) (next time.Time, late bool) {
	return s.out.checkSoftLimit(now)
}

// lateToRead records that the client is cut off for what it takes too long to
// read.
func (s *session) lateToRead() {
	s.finished.Store(true)
	s.engine.state.Stats.LateToRead.Add(1)
	s.engine.log.tell(lateToRead, who(s.client), "unread", s.out.size)
}
