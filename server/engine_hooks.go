package server

import (
	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/internal/control"
)

// hookCall shows a call that has come in.
func (e *engine) hookCall(l *commands.Client, r request) {
	if e.hooks.Call != nil {
		e.hooks.Call(l, r.command, r.args)
	}
}

// hidden reports whether a call is one of those that nobody is told of.
func hidden(m *commands.Command) bool { return m != nil && m.Has(commands.Aside) }

func (e *engine) hookFailed(l *commands.Client, m *commands.Command, err error) {
	if e.hooks.Failed != nil && err != nil && !hidden(m) {
		e.hooks.Failed(l, err)
	}
}

func (e *engine) hookLeft(l *commands.Client) {
	if e.hooks.Left != nil {
		e.hooks.Left(&e.state.Channels, l)
	}
}

func (e *engine) hookClosed() {
	if e.hooks.Closed != nil && !e.closed {
		e.hooks.Closed(&e.state)
	}
}

// stirred tells those who watch that a session has come to rest, or that a client
// has read. No lock may be held.
func (e *engine) notifyIdle() {
	if e.hooks.WatchIdle != nil && e.hooks.WatchIdle() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.notifyChange()
	}
}

// notifyChange tells that something has come about.
func (e *engine) notifyChange() {
	if e.hooks.Changed != nil {
		e.hooks.Changed(&e.state)
	}
}

// updateLink makes the line of a client what it is to be.
func (e *engine) updateLink(c *caller) (now control.Link) {
	s, ok := c.client.Peer.(*session)
	if e.hooks.Link == nil || !ok || e.closed {
		return control.Link{}
	}
	now = e.hooks.Link(c.client)
	s.out.setLink(now)
	return now
}

func (e *engine) updateLinks() {
	for _, l := range e.state.Clients.All() {
		if c := callerOf(l); c != nil {
			e.updateLink(c)
		}
	}
}

// resetLink lets all pass again, for Close. What was held back is lost.
func (e *engine) resetLinks() {
	for _, l := range e.state.Clients.All() {
		if s, ok := l.Peer.(*session); ok {
			s.out.resetLink()
		}
	}
}
