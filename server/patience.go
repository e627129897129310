package server

import (
	"time"

	"github.com/parley-chat/parley/commands"
)

// delays are what a client may keep the server waiting for. Each closes a client
// that has had its time, and else says when that will be: zero, if nobody waits.
var delays = [...]func(s *session, now time.Time) time.Time{
	(*session).awaitCall,
	(*session).awaitPassword,
	(*session).awaitRest,
	func(s *session, now time.Time) time.Time { return s.out.awaitReader(now) },
	func(s *session, now time.Time) time.Time { return s.out.awaitLess(now) },
	(*session).awaitQuiet,
}

// look asks of each delay whether the client is late, as a reminder does.
func (s *session) look(now time.Time) (next time.Time) {
	for _, await := range delays {
		if due := await(s, now); !due.IsZero() && (next.IsZero() || due.Before(next)) {
			next = due
		}
	}
	return next
}

// lookAtAll sees to clients that are there already when it is set how long they
// are waited for.
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

// expectCalls begins to wait for the client's calls.
func (s *session) expectCalls() {
	if p := s.patience(); p.Idle > 0 {
		s.remind(after(s.now(), p.Idle))
	}
}

// awaitCall closes a client that has not called for long, unless it waits for
// something itself. Replies that it has not read are still sent.
func (s *session) awaitCall(now time.Time) time.Time {
	p := s.patience()
	if p.Idle == 0 || s.finished.Load() {
		return time.Time{}
	}
	due := after(s.lastSign(now, p), p.Idle)
	if due.After(now) {
		return due
	}
	s.finished.Store(true)
	s.engine.state.Stats.Idle.Add(1)
	s.engine.log.tell(clientIdle, who(s.client))
	s.out.finish()
	s.retire()
	return time.Time{}
}

// lastSign is when the client has last shown that it is there: it called, sent a
// part of a call, or took a part of what it was sent. Whoever waits itself is
// there; so is who is reading, as long as awaitReader thinks so.
func (s *session) lastSign(now time.Time, p commands.Patience) time.Time {
	s.engine.mu.Lock()
	waits, called := !s.client.Idles(), time.UnixMilli(s.client.Active)
	s.engine.mu.Unlock()
	took, reading := s.out.lastSign()
	if waits || reading && p.Output > 0 {
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

// expectPassword begins to wait for the client to say who it is, where it must,
// or ends that.
func (s *session) expectPassword() {
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

// awaitPassword cuts off a client that does not say who it is. While it waits
// for its turn to do so it is not late.
func (s *session) awaitPassword(now time.Time) time.Time {
	since, p := s.stranger.Load(), s.patience()
	if since == 0 || p.Auth == 0 || s.finished.Load() {
		return time.Time{}
	}
	due := after(time.Unix(0, since), p.Auth)
	switch {
	case due.After(now):
		return due
	case s.parked.Load():
		return after(now, 1)
	}
	s.engine.log.tell(lateToAuthenticate, who(s.client))
	s.Kill()
	return time.Time{}
}

// expectRest begins to wait for the rest of a call that the client has sent a
// part of, or goes on to.
func (s *session) expectRest() {
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

// awaitRest cuts off a client that takes too long to send a call.
func (s *session) awaitRest(now time.Time) time.Time {
	if s.finished.Load() {
		return time.Time{}
	}
	due, late := s.part.due(now, s.queryUsed.Load(), s.patience())
	if late {
		s.engine.state.Stats.LateToSend.Add(1)
		s.engine.log.tell(lateToSend, who(s.client), "sent", s.queryUsed.Load())
		s.Kill()
		return time.Time{}
	}
	return due
}

// lateToRead tells that the client is cut off for what it takes too long to read.
func (s *session) lateToRead() {
	s.finished.Store(true)
	s.engine.state.Stats.LateToRead.Add(1)
	s.engine.log.tell(lateToRead, who(s.client), "unread", s.out.size)
}
