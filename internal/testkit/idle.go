package testkit

import (
	"context"
	"fmt"
	"strings"

	"github.com/parley-chat/parley/commands"
)

// WaitIdle waits until the server is idle, which is when at one moment
//   - no call runs, and no connection has input that has not run, incomplete
//     calls included. Calls that are blocked on a key or a time, and input
//     after them, do not count: they may never end;
//   - no call is delayed by CLIENT PAUSE or a fault;
//   - no reply or message is unread: in memory, Read has returned it; on the
//     network, it has been handed to the kernel;
//   - no connection is being closed.
//
// Data that the server has not received does not count, such as input of a
// network client that is still in the kernel. Nor does what a client has read
// and not processed: in a testing/synctest bubble synctest.Wait waits for that,
// too.
//
// A client that leaves messages unread keeps WaitIdle waiting. When ctx is
// done, the error says which clients are not idle, and why.
func (r *Kit) WaitIdle(ctx context.Context) error {
	return r.wait(ctx, condition{
		watchIdle: true,
		holds:     func(s *commands.State) bool { return len(r.underWay(s, true)) == 0 },
		describe:  func(s *commands.State) string { return "not idle: " + strings.Join(r.underWay(s, false), "; ") },
	})
}

// underWay describes the clients that are not idle, or only the first.
func (r *Kit) underWay(s *commands.State, first bool) (list []string) {
	waiting := map[*commands.Client]bool{}
	for _, c := range s.WaitingCalls() {
		if waiting[c.Client] = true; c.Postponed {
			list = append(list, clientText(c.Client)+" is delayed in "+quoteWords(c.Command.Redact(c.Args)))
		}
	}
	for _, l := range s.Clients.All() {
		if first && len(list) > 0 {
			break
		}
		if text := underWayText(l.InFlight(), waiting[l]); text != "" {
			list = append(list, clientText(l)+" "+text)
		}
	}
	return list
}

// underWayText describes why a client is not idle; "" if it is. waiting: a call
// of it is blocked.
func underWayText(u commands.InFlight, waiting bool) string {
	switch {
	case u.Messages > 0:
		return fmt.Sprintf("has %s, %d bytes, unread", counted(u.Messages, "message"), u.Output)
	case u.Output > 0:
		return fmt.Sprintf("has %d bytes of replies unread", u.Output)
	case u.Closing:
		return "is being closed"
	case u.Running:
		return "has running calls"
	case u.Input > 0 && !waiting:
		return fmt.Sprintf("has sent %d bytes of an incomplete call", u.Input)
	}
	return ""
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
