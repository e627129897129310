package server

import (
	"context"
	"time"

	"github.com/parley-chat/parley/commands"
)

// Metrics are what a server tells those who watch it, at one time. Package
// server/ops makes a page for Prometheus of them.
type Metrics struct {
	*commands.Metrics

	Version      string // of parley
	RedisVersion string // whose behaviour is kept
	RunID        string // of this run
	Started      time.Time
	Now          time.Time
	Closed       bool
	CPUSystem    float64 // seconds that the process has run; 0 where that is not known
	CPUUser      float64

	Blocked       int   // clients that wait for a key, a time, the end of a pause, or their errand
	Subscribers   int   // clients that are subscribed to something
	Input         int64 // bytes that clients have sent and that have not run
	Output        int64 // bytes that clients have not read yet
	LargestOutput int64 // the most of those of one client

	// Stays are how long callers have held the lock on the data: each for what it had
	// ready, 64 calls at most. Waits are how long those had to wait for it before
	// that did not find it free.
	LockHeld, LockWait Histogram

	// Events counts the events for a line in the log, lines that were not
	// written included, by their names in docs/OPERATIONS.md.
	Events map[string]int64
}

// Metrics tells what the server knows of itself in numbers. It holds the lock on
// the data for microseconds, but like all calls waits for it.
func (s *Server) Metrics() Metrics {
	e := s.engine
	now := e.clock.Now()
	m := Metrics{
		Version: Version, RedisVersion: RedisVersion, RunID: e.state.Host.RunID,
		Started: time.UnixMilli(e.state.Host.Started), Now: now,
		Events: make(map[string]int64, eventCount),
	}
	e.mu.RLock()
	m.Metrics = e.state.Metrics(now)
	m.Blocked = e.blocked.all.Len()
	e.mu.RUnlock()

	e.state.AddCounters(m.Metrics)
	m.LockHeld, m.LockWait = e.lockHeld.snapshot(), e.lockWait.snapshot()
	for o := range eventRows {
		m.Events[eventRows[o].name] = e.log.counts[o].Load()
	}
	if cpu := e.state.Host.CPU; cpu != nil {
		m.CPUSystem, m.CPUUser = cpu()
	}
	open, closed := s.open()
	for _, c := range open {
		if session := c.clientSession(); session != nil {
			m.addSession(session)
		}
	}
	m.Closed = closed
	return m
}

// addSession adds what one connection holds.
func (m *Metrics) addSession(s *session) {
	use := s.Usage()
	m.Input += int64(use.Query)
	m.Output += int64(use.Output)
	m.LargestOutput = max(m.LargestOutput, int64(use.Output))
	if commands.OutputClass(s.out.class.Load()) == commands.OutputPubSub {
		m.Subscribers++
	}
}

// Ping returns nil when the server answers PING, which takes the lock on the data
// and thus waits for all that runs. While CLIENT PAUSE holds calls back that is
// an answer, too. The error is ErrClosed once the server is closed or closes, or that of
// ctx.
func (s *Server) Ping(ctx context.Context) error {
	probe := s.joinProbe()
	if probe == nil {
		return ErrClosed
	}
	select {
	case <-probe.done:
		return probe.err
	case <-ctx.Done():
		return ctx.Err()
	case <-s.engine.ended:
		return ErrClosed
	}
}

// A probe is a PING under way: all who ask meanwhile share it, so that however
// long the lock is held, one goroutine waits.
type probe struct {
	done chan struct{} // closed at its end
	err  error         // then
}

// joinProbe returns the probe under way, or begins one; nil: the server is closed.
func (s *Server) joinProbe() *probe {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	if s.probe == nil {
		p := &probe{done: make(chan struct{})}
		s.probe = p
		s.spawn(func() {
			p.err = errPanicked // should it
			s.engine.recoverPanic("(Ping)", func() { p.err = s.engine.ping() })
			s.mu.Lock()
			s.probe = nil
			s.mu.Unlock()
			close(p.done)
		})
	}
	return s.probe
}

// ping sends PING through the door.
func (e *engine) ping() error {
	d := e.newDirect()
	if e.batch(&d.caller, []request{e.newRequest([][]byte{[]byte("PING")})}) == 0 {
		return ErrClosed
	}
	e.cancelBlocked(&d.caller) // a pause holds it back: the door has answered
	return nil
}
