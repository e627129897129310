package server

import (
	"context"
	"time"

	"github.com/parley-chat/parley/commands"
)

// Metrics are a server's metrics at one time. Package server/ops exports them
// to Prometheus.
type Metrics struct {
	*commands.Metrics

	Version      string // parley's
	RedisVersion string // the version of Redis whose behaviour it implements
	RunID        string // identifies this run
	Started      time.Time
	Now          time.Time
	Closed       bool
	CPUSystem    float64 // seconds of CPU time of the process; 0: unknown
	CPUUser      float64

	Blocked       int   // clients that are blocked: on a key, a time, the end of CLIENT PAUSE, or an async call
	Subscribers   int   // clients with a subscription
	Input         int64 // bytes received that have not run
	Output        int64 // bytes of replies and messages that clients have not read
	LargestOutput int64 // that of the client with the most

	// LockHeld is how long callers held the data lock, each for at most 64
	// calls. LockWait is how long callers waited for it that did not find it
	// free.
	LockHeld, LockWait Histogram

	// Events counts log events by their names in docs/OPERATIONS.md, including
	// those that rate limiting kept out of the log.
	Events map[string]int64
}

// Metrics returns the server's metrics. It holds the data lock for
// microseconds, but may have to wait for it.
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

// addSession adds the memory that one connection uses.
func (m *Metrics) addSession(s *session) {
	use := s.Usage()
	m.Input += int64(use.Query)
	m.Output += int64(use.Output)
	m.LargestOutput = max(m.LargestOutput, int64(use.Output))
	if commands.OutputClass(s.out.class.Load()) == commands.OutputPubSub {
		m.Subscribers++
	}
}

// Ping returns nil when the server has answered PING. PING takes the data lock,
// so Ping waits for running calls. While CLIENT PAUSE blocks calls, Ping
// returns nil too. The error is ErrClosed once the server is closing or closed,
// or that of ctx.
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

// A probe is a PING in progress. Concurrent callers of Ping share it, so that
// only one goroutine waits for the lock.
type probe struct {
	done chan struct{} // closed when the probe has ended
	err  error         // valid once done is closed
}

// joinProbe returns the probe in progress, or starts one; nil: the server is
// closed.
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
			p.err = errPanicked // unless ping returns
			s.engine.recoverPanic("(Ping)", func() { p.err = s.engine.ping() })
			s.mu.Lock()
			s.probe = nil
			s.mu.Unlock()
			close(p.done)
		})
	}
	return s.probe
}
