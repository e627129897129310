package server

import (
	"cmp"
	"slices"

	"github.com/parley-chat/parley/commands"
)

// What is under way is for tests that wait until nothing is. All here is called
// under the engine's lock: from a tap or by Inspect's function.

// UnderWay is what a connection has not come to the end of.
type UnderWay struct {
	Running  bool // calls run, or are about to
	Closing  bool // it is being closed
	Unrun    int  // bytes that have come in and not run
	Unread   int  // bytes of replies and messages that the client has not taken, or the system for it
	Messages int  // how many messages are in those, at most
}

// UnderWayOf tells that of a client; nothing is of one without a connection.
func UnderWayOf(l *commands.Client) UnderWay {
	s, ok := l.Peer.(*session)
	if !ok {
		return UnderWay{}
	}
	u := UnderWay{Running: s.turn.taken(), Closing: s.finished.Load(), Unrun: int(s.queryUsed.Load())}
	u.Unread, u.Messages = s.out.untaken()
	return u
}

// untaken is how many bytes the client has not taken, and how many messages they
// may hold.
func (o *outbox) untaken() (bytes, messages int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.size + int(o.rest.Load()), o.messages
}

// A WaitingCall is one that waits: for keys or a time, as it asks for, or because
// it is held back (by a pause, or because passwords are being guessed).
type WaitingCall struct {
	Client  *commands.Client
	Command *commands.Command
	Args    [][]byte // not to be kept or changed
	Held    bool
}

// WaitingCalls lists the calls that wait, those of Do among them, in the order in
// which their clients came.
func (s *Server) WaitingCalls() []WaitingCall {
	list := make([]WaitingCall, 0, len(s.engine.waiting.of))
	for l, p := range s.engine.waiting.of {
		list = append(list, WaitingCall{l, p.request.command, p.request.args, p.over == nil || p.punished})
	}
	slices.SortFunc(list, func(a, b WaitingCall) int { return cmp.Compare(a.Client.ID, b.Client.ID) })
	return list
}
