package server

import (
	"fmt"
)

// Check looks at everything that the server holds and reports the first thing
// that does not agree with another: in the structures of the data, their indexes
// and counts, and in what is known of clients, subscriptions, watched and
// tracked keys, and calls that wait. It is for tests, which call it at their end,
// and nothing in the server does. Meanwhile no command runs; a million keys take
// about a second.
func (s *Server) Check() error {
	s.mu.Lock()
	closed := s.closed && len(s.conns) == 0
	s.mu.Unlock()
	return s.engine.check(closed)
}

func (e *engine) check(closed bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, err := range []error{e.state.Check(closed), e.checkBlocked(), e.checkPause(), e.checkExpiryTimer(), e.checkSessions(closed)} {
		if err != nil {
			return fmt.Errorf("server: %w", err)
		}
	}
	if n := e.blocked.all.Len(); closed && n > 0 {
		return fmt.Errorf("server: closed, and %d calls wait", n)
	}
	return nil
}

// checkWaiting holds the calls that wait against their queues, and against what
// their clients know of them.
func (e *engine) checkBlocked() error {
	w, places := &e.blocked, make(map[*queuePlace]bool)
	for at := w.all.Front(); at != nil; at = at.Next() {
		p := at.Value.(*blockedCall)
		c, l := p.caller, p.caller.client
		if p.element != at || c.blocked != p || l.Blocked == l.Away || l.Away != (p.reason == blockedByAsync) || !c.isBlocked.Load() {
			return fmt.Errorf("client %d waits, blocked: %t, parked: %t, for this: %t", l.ID, l.Blocked, c.isBlocked.Load(), c.blocked == p)
		}
		if l.Waiting == nil || l.WaitingBytes != p.bytes {
			return fmt.Errorf("client %d waits with %d bytes, and %d are counted", l.ID, p.bytes, l.WaitingBytes)
		}
		keys := make(map[string]bool)
		for i := range p.places {
			at := &p.places[i]
			if places[at] = true; at.call != p || keys[at.queue.key] || w.queue(at.queue.db, []byte(at.queue.key)) != at.queue {
				return fmt.Errorf("client %d waits for %q, which does not know it, or twice", l.ID, at.queue.key)
			}
			keys[at.queue.key] = true
		}
	}
	for db, queues := range w.keys {
		for key, q := range queues.All() {
			if q.db != db || q.key != key || q.first == nil {
				return fmt.Errorf("key %q is waited for by nobody", key)
			}
			var before *queuePlace
			for at := q.first; at != nil; before, at = at, at.next {
				if !places[at] || at.queue != q || at.prev != before {
					return fmt.Errorf("key %q has client %d, which does not wait, or elsewhere", key, at.call.caller.client.ID)
				}
				delete(places, at)
			}
			if q.last != before {
				return fmt.Errorf("the queue of key %q does not end with its last", key)
			}
		}
	}
	if len(places) != 0 || len(w.ready) > 0 || w.nextServed != nil {
		return fmt.Errorf("%d places are in no queue; %d keys are ready, and nobody was served", len(places), len(w.ready))
	}
	for _, l := range e.state.Clients.All() {
		if waits := l.Waiting != nil; waits != (l.Blocked || l.Away) || waits != (callerOf(l) != nil && callerOf(l).blocked != nil) {
			return fmt.Errorf("client %d is blocked: %t, away: %t, and waits: %t", l.ID, l.Blocked, l.Away, waits)
		}
	}
	return nil
}

func (e *engine) checkPause() error {
	held := 0
	for at := e.blocked.all.Front(); at != nil; at = at.Next() {
		if at.Value.(*blockedCall).reason == blockedByPause {
			held++
		}
	}
	for at := e.pause.held.Front(); at != nil; at = at.Next() {
		if p := at.Value.(*blockedCall); p.reason != blockedByPause || p.caller.blocked != p {
			return fmt.Errorf("a call of client %d is held back, and does not wait", p.caller.client.ID)
		}
	}
	if held != e.pause.held.Len() {
		return fmt.Errorf("%d calls are held back, %d wait for that", e.pause.held.Len(), held)
	}
	if !e.closed && (e.state.Pause != e.pause.current || held > 0 && !e.state.Pause.On()) {
		return fmt.Errorf("a pause %v that was not followed, with %d calls held back", e.state.Pause, held)
	}
	return nil
}

// checkExpiryTimer: nothing expires unless the timer is set for it.
func (e *engine) checkExpiryTimer() error {
	at, ok := e.nextDeadline()
	if !ok || e.closed || e.state.Pause.On() || e.state.KeepExpired {
		return nil
	}
	if !e.expiry.isSet() || e.expiry.at > at {
		return fmt.Errorf("something expires at %d, and the timer is set for %d", at, e.expiry.at)
	}
	return nil
}

func (e *engine) checkSessions(closed bool) error {
	strangers := int64(0)
	for _, l := range e.state.Clients.All() {
		s, ok := l.Peer.(*session)
		if !ok {
			continue // a test's
		}
		if s.client != l {
			return fmt.Errorf("client %d has the session of another", l.ID)
		}
		if err := s.out.check(); err != nil {
			return fmt.Errorf("client %d: %w", l.ID, err)
		}
		if got, want := s.limits.Load().class, l.LimitClass(); !s.finished.Load() && got != want {
			return fmt.Errorf("client %d is under the limits of class %d, not %d", l.ID, got, want)
		}
		if s.limits.Load().unauthenticated && !s.inProcess {
			strangers++
		}
	}
	if n := e.unauthenticated.Load(); n < strangers || closed && n > 0 { // those that were killed count until they leave
		return fmt.Errorf("%d clients have not authenticated, %d counted", strangers, n)
	}
	return nil
}
