package server

import "github.com/parley-chat/parley/commands"

// Taps are where tests listen in on a server; package rig builds upon them. With
// any of them set all calls run one by one. They are called under the server's
// lock: they must not wait, nor call the server, nor keep what they are shown.
type Taps struct {
	// Call is told of each call that comes in, before it is known whether it may
	// run. Its row is nil if there is none of that name.
	Call func(l *commands.Client, m *commands.Command, args [][]byte)

	// Settled is told that calls have run, that a client has come or left, or that
	// keys have expired: what somebody waits for may have come about.
	Settled func(*commands.State)
}

// on reports whether anybody listens.
func (t *Taps) on() bool { return t.Call != nil || t.Settled != nil }

// tapCall shows a call that has come in.
func (e *engine) tapCall(l *commands.Client, r request) {
	if e.taps.Call != nil && r.broken == nil && !aside(r.command) {
		e.taps.Call(l, r.command, r.args)
	}
}

// aside reports whether a call is one of those that nobody is told of.
func aside(m *commands.Command) bool { return m != nil && m.Has(commands.Aside) }

// settled tells that something has come about.
func (e *engine) settled() {
	if e.taps.Settled != nil {
		e.taps.Settled(&e.state)
	}
}

// Inspect runs f while no command does. f must not call the server, and keep
// nothing of what it sees. It is for tests; what it changes nobody is told of.
func (s *Server) Inspect(f func(*commands.State)) {
	e := s.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	f(&e.state)
}
