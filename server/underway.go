package server

import (
	"cmp"
	"slices"

	"github.com/parley-chat/parley/commands"
)

// UnderWay tells what the session has not come to the end of.
func (s *session) UnderWay() commands.UnderWay {
	u := commands.UnderWay{Running: s.turn.taken(), Closing: s.finished.Load(), Unrun: int(s.queryUsed.Load())}
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

// waitingCalls lists the calls that wait, those of Do among them, in the order in
// which their clients came.
func (e *engine) waitingCalls() []commands.WaitingCall {
	list := make([]commands.WaitingCall, 0, e.waiting.all.Len())
	for at := e.waiting.all.Front(); at != nil; at = at.Next() {
		p := at.Value.(*blockedCall)
		list = append(list, commands.WaitingCall{Client: p.caller.client, Command: p.request.command, Args: p.request.args, Held: !p.reason.unblockable()})
	}
	slices.SortFunc(list, func(a, b commands.WaitingCall) int { return cmp.Compare(a.Client.ID, b.Client.ID) })
	return list
}
