package server

import (
	"time"

	"github.com/parley-chat/parley/commands"
)

// A timeout disconnects clients that keep the server waiting for one thing.
type timeout struct {
	// check returns when to check again, zero if the server does not wait, and whether
	// the client is late.
	check func(s *session, now time.Time) (next time.Time, late bool)

	// graceOver reports whether the grace period of a late client has ended. Its progress
	// is the input that it sends, or the output that it takes; without is the time
	// without progress that ends the period.
	graceOver func(s *session, without time.Duration) bool
	without   time.Duration

	// expire disconnects the client.
	expire func(s *session)
}

var timeoutTable = [...]timeout{
	{(*session).checkIdle, (*session).inputGraceOver, graceIdle, (*session).expireIdle},
	{(*session).checkAuth, (*session).inputGraceOver, graceSent, (*session).expireAuth},
	{(*session).checkQuery, (*session).inputGraceOver, graceSent, (*session).expireQuery},
	{(*session).checkReader, (*session).outputGraceOver, graceSent, func(s *session) { s.out.expireReader() }},
	{(*session).checkSoftLimit, (*session).outputGraceOver, graceSent, func(s *session) { s.out.expireSoftLimit() }},
}

// checkTimeouts checks all timeouts of the client. The timer queue calls it.
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

// gracePeriodOf returns d, or 0 for a client in memory, whose bytes are never under way.
func (s *session) gracePeriodOf(d time.Duration) time.Duration {
	if s.inProcess {
		return 0
	}
	return d
}

// inputGraceOver reports whether a late client has sent nothing more, and the server has
// nothing left to do for it.
func (s *session) inputGraceOver(without time.Duration) bool {
	_, outputWaits := s.out.lastProgress()
	now := s.conn.readiness()
	busy := s.feedLock.locked() || now.input || outputWaits && now.output
	return s.inputGrace.expired(without, s.inputProgress(), busy)
}

// inputProgress counts reads of input. A TLS record takes two or three reads, but a client
// may send it in thousands of small pieces, which must not prolong its grace period.
func (s *session) inputProgress() int64 {
	n := s.idle.reads.Load()
	if s.readsBelow != nil {
		n += s.readsBelow.Load() / 16
	}
	return n
}

// outputGraceOver reports whether a late client takes nothing more. If the system takes
// output, it is the server that has not written yet.
func (s *session) outputGraceOver(without time.Duration) bool {
	return s.outputGrace.expired(without, s.out.progress.Load(), s.conn.readiness().output)
}

func (s *session) timeouts() commands.Timeouts { return s.engine.settings.Load().timeouts }

// after returns the time some seconds after t.
func after(t time.Time, seconds int64) time.Time {
	return t.Add(time.Duration(seconds) * time.Second)
}

// armIdle starts the timeout of idle clients.
func (s *session) armIdle() {
	if p := s.timeouts(); p.Idle > 0 {
		s.timer.callBy(after(s.now(), p.Idle))
	}
}

// checkIdle is the check of timeout: a client is late if it has not sent anything for so
// long, unless a call of it is blocked.
func (s *session) checkIdle(now time.Time) (next time.Time, late bool) {
	p := s.timeouts()
	if p.Idle == 0 || s.finished.Load() {
		return time.Time{}, false
	}
	due := after(s.lastActivity(now, p), p.Idle)
	return due, !due.After(now)
}

// expireIdle closes an idle client. Unread replies are still sent if the system takes them.
// If it does not, the client is killed: there is no client-output-timeout then that would
// end the wait.
func (s *session) expireIdle() {
	s.finished.Store(true)
	s.engine.state.Stats.Idle.Add(1)
	s.engine.log.log(eventIdleTimeout, clientAttr(s.client))
	if _, waiting := s.out.lastProgress(); waiting && !s.inProcess && !s.conn.readiness().output {
		s.Kill()
		return
	}
	s.out.finish()
	s.conn.retire()
}

// lastActivity returns when the client has last sent a call or a part of one, or has taken
// output. A client with a blocked call is active. So is one that output waits for, as
// client-output-timeout covers that.
func (s *session) lastActivity(now time.Time, p commands.Timeouts) time.Time {
	s.engine.mu.Lock()
	waits, called := !s.client.CanIdle(), time.UnixMilli(s.client.Active)
	s.engine.mu.Unlock()
	took, waiting := s.out.lastProgress()
	if waits || waiting && p.Output > 0 && !s.conn.readiness().output {
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

// armAuth starts auth-timeout for a client that must authenticate, and ends it when the
// client has.
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
			s.timer.callBy(after(now, p.Auth))
		}
	}
}

// checkAuth is the check of auth-timeout. The time does not pass while AUTH is delayed.
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

// armQuery starts client-query-timeout if a part of a call has come, unless it is running.
func (s *session) armQuery() {
	if s.in.pending() == 0 || s.ended {
		s.partial.end()
		return
	}
	now := s.now()
	if s.partial.begin(s.in.commands, now) {
		if p := s.timeouts(); p.Query > 0 {
			s.timer.callBy(after(now, p.Query))
		}
	}
}

// checkQuery is the check of client-query-timeout.
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
