package server

import (
	"fmt"
)

// Check verifies the invariants of the server and returns the first violation. It checks
// the data with their indexes and counts, clients, subscriptions, watched and tracked
// keys, and blocked calls. It is meant for the end of tests; the server does not call it.
// No command runs meanwhile; a million keys take about a second.
func (s *Server) Check() error {
	s.mu.Lock()
	closed := s.closed && len(s.conns) == 0
	s.mu.Unlock()
	return s.engine.check(closed)
}

func (e *engine) check(closed bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, err := range []error{
		e.state.Check(closed),
		e.checkBlocked(),
		e.checkPause(),
		e.checkExpiryTimer(),
		e.checkSessions(closed),
	} {
		if err != nil {
			return fmt.Errorf("server: %w", err)
		}
	}
	if n := e.blocked.all.Len(); closed && n > 0 {
		return fmt.Errorf("server: closed with %d blocked calls", n)
	}
	return nil
}

// checkBlocked compares the blocked calls with their queues and with their clients.
func (e *engine) checkBlocked() error {
	w, places := &e.blocked, make(map[*queuePlace]bool)
	for at := w.all.Front(); at != nil; at = at.Next() {
		p := at.Value.(*blockedCall)
		c, l := p.caller, p.caller.client
		async := p.reason == blockedByAsync
		if p.element != at || c.blocked != p || l.Blocked == l.AsyncPending || l.AsyncPending != async || !c.isBlocked.Load() {
			return fmt.Errorf("client %d has a blocked call: Blocked %t, isBlocked %t, same call %t",
				l.ID, l.Blocked, c.isBlocked.Load(), c.blocked == p)
		}
		if l.Waiting == nil || l.WaitingBytes != p.bytes {
			return fmt.Errorf("client %d has a blocked call of %d bytes, counted as %d", l.ID, p.bytes, l.WaitingBytes)
		}
		keys := make(map[string]bool)
		for i := range p.places {
			at := &p.places[i]
			places[at] = true
			if at.call != p || keys[at.queue.key] || w.queue(at.queue.db, []byte(at.queue.key)) != at.queue {
				return fmt.Errorf("client %d waits for %q twice, or is not in its queue", l.ID, at.queue.key)
			}
			keys[at.queue.key] = true
		}
	}
	for db, queues := range w.keys {
		for key, q := range queues.All() {
			if q.db != db || q.key != key || q.first == nil {
				return fmt.Errorf("key %q has an empty queue, or that of another key", key)
			}
			var prev *queuePlace
			for at := q.first; at != nil; prev, at = at, at.next {
				if !places[at] || at.queue != q || at.prev != prev {
					return fmt.Errorf("the queue of key %q has client %d, which is not blocked on it",
						key, at.call.caller.client.ID)
				}
				delete(places, at)
			}
			if q.last != prev {
				return fmt.Errorf("the queue of key %q does not end with its last element", key)
			}
		}
	}
	if len(places) != 0 || len(w.ready) > 0 || w.nextServed != nil {
		return fmt.Errorf("%d places are in no queue; %d keys are ready and not served", len(places), len(w.ready))
	}
	for _, l := range e.state.Clients.All() {
		waits, c := l.Waiting != nil, e.callerOf(l)
		if waits != (l.Blocked || l.AsyncPending) || waits != (c != nil && c.blocked != nil) {
			return fmt.Errorf("client %d has Blocked %t, AsyncPending %t, Waiting %t", l.ID, l.Blocked, l.AsyncPending, waits)
		}
	}
	return nil
}

// checkPause compares the calls that a pause holds back with the blocked calls, and the
// timer with the pause.
func (e *engine) checkPause() error {
	held := 0
	for at := e.blocked.all.Front(); at != nil; at = at.Next() {
		if at.Value.(*blockedCall).reason == blockedByPause {
			held++
		}
	}
	for at := e.pause.held.Front(); at != nil; at = at.Next() {
		if p := at.Value.(*blockedCall); p.reason != blockedByPause || p.caller.blocked != p {
			return fmt.Errorf("a call of client %d is held back and not blocked", p.caller.client.ID)
		}
	}
	if held != e.pause.held.Len() {
		return fmt.Errorf("%d calls are held back, %d are blocked by a pause", e.pause.held.Len(), held)
	}
	if !e.closed && (e.state.Pause != e.pause.current || held > 0 && !e.state.Pause.On()) {
		return fmt.Errorf("pause %v was not applied; %d calls are held back", e.state.Pause, held)
	}
	return nil
}

// checkExpiryTimer checks that the timer is set for the first deadline, or earlier.
func (e *engine) checkExpiryTimer() error {
	at, ok := e.nextDeadline()
	if !ok || e.closed || e.state.Pause.On() || e.state.KeepExpired {
		return nil
	}
	if !e.expiry.isSet() || e.expiry.at > at {
		return fmt.Errorf("the first deadline is %d, and the timer is set for %d", at, e.expiry.at)
	}
	return nil
}

// checkSessions checks the outboxes and limits of all sessions, and the number of those
// that have not authenticated.
func (e *engine) checkSessions(closed bool) error {
	unauthenticated := int64(0)
	for _, l := range e.state.Clients.All() {
		s := e.sessions[l.ID]
		if s == nil {
			continue // a client without a connection, of a test
		}
		if s.client != l {
			return fmt.Errorf("client %d has the session of another client", l.ID)
		}
		if err := s.out.check(); err != nil {
			return fmt.Errorf("client %d: %w", l.ID, err)
		}
		if got, want := s.limits.Load().class, l.LimitClass(); !s.finished.Load() && got != want {
			return fmt.Errorf("client %d is under the limits of class %d, not %d", l.ID, got, want)
		}
		if s.limits.Load().unauthenticated && !s.inProcess {
			unauthenticated++
		}
	}
	for id, s := range e.sessions {
		if l := e.state.Clients.Get(id); l != s.client && (l != nil || !s.finished.Load()) {
			return fmt.Errorf("session %d is neither that of a client nor of a killed one", id)
		}
	}
	// Killed clients count until they are removed.
	if n := e.unauthenticated.Load(); n < unauthenticated || closed && n > 0 {
		return fmt.Errorf("%d clients have not authenticated, %d counted", unauthenticated, n)
	}
	return nil
}
