package server

import (
	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/internal/control"
)

// hookCall passes an arriving call to Hooks.Call.
func (e *engine) hookCall(l *commands.Client, r request) {
	if e.hooks.Call != nil {
		e.hooks.Call(l, r.command, r.args)
	}
}

// hidden reports whether no hook sees calls of a command. m may be nil.
func hidden(m *commands.Command) bool { return m != nil && m.Has(commands.Hidden) }

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

// notifyIdle is to be called when a session has become idle, or a client has read. It
// calls notifyChange if Hooks.WatchIdle says so. No lock may be held.
func (e *engine) notifyIdle() {
	if e.hooks.WatchIdle != nil && e.hooks.WatchIdle() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.notifyChange()
	}
}

// notifyChange calls Hooks.Changed. The caller holds the lock.
func (e *engine) notifyChange() {
	if e.hooks.Changed != nil {
		e.hooks.Changed(&e.state)
	}
}

// updateLink sets the link of a client to what Hooks.Link returns.
func (e *engine) updateLink(c *caller) (now control.Link) {
	s := e.sessions[c.client.ID]
	if e.hooks.Link == nil || s == nil || e.closed {
		return control.Link{}
	}
	now = e.hooks.Link(c.client)
	s.out.setLink(now)
	return now
}

func (e *engine) updateLinks() {
	for _, l := range e.state.Clients.All() {
		if s := e.sessions[l.ID]; s != nil {
			e.updateLink(&s.caller)
		}
	}
}

// resetLinks makes all links pass everything again, for close. Withheld output is lost.
func (e *engine) resetLinks() {
	for _, s := range e.sessions {
		s.out.resetLink()
	}
}
