package testkit

import (
	"context"
	"fmt"
	"strings"

	"github.com/parley-chat/parley/commands"
)

// WaitIdle waits until nothing is under way, which is when at one moment
//   - no call runs, and no connection has sent anything that has not run, part of
//     a call included. What is behind a call that waits for a key, or for its
//     time, does not count, nor does that call: it may never end;
//   - no call is held back, by CLIENT PAUSE or by a fault that delays it;
//   - no reply or message is unread: one in memory has been returned by Read, one
//     for the network has been handed to the system;
//   - no connection is being closed.
//
// What the server has not received it does not know of: that of a client over the
// network may still be with the system. And what a client has read it may not have
// worked through: in a testing/synctest bubble synctest.Wait waits for that, too.
//
// Somebody who leaves messages unread on purpose keeps WaitIdle waiting: when ctx
// is done the error tells who holds it up, and with what.
func (r *Kit) WaitIdle(ctx context.Context) error {
	return r.wait(ctx, condition{
		resting: true,
		holds:   func(s *commands.State) bool { return len(r.underWay(s, true)) == 0 },
		tell:    func(s *commands.State) string { return "not idle: " + strings.Join(r.underWay(s, false), "; ") },
	})
}

// underWay tells what is: all of it, or the first only.
func (r *Kit) underWay(s *commands.State, first bool) (list []string) {
	waiting := map[*commands.Client]bool{}
	for _, c := range s.WaitingCalls() {
		if waiting[c.Client] = true; c.Postponed {
			list = append(list, clientText(c.Client)+" is held back in "+quoteWords(c.Command.Redact(c.Args)))
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

// underWayText is what one client has under way, or "". waiting: a call of it waits.
func underWayText(u commands.InFlight, waiting bool) string {
	switch {
	case u.Messages > 0:
		return fmt.Sprintf("has %s, %d bytes, unread", counted(u.Messages, "message"), u.Output)
	case u.Output > 0:
		return fmt.Sprintf("has %d bytes of replies unread", u.Output)
	case u.Closing:
		return "is being closed"
	case u.Running:
		return "has calls that run"
	case u.Input > 0 && !waiting:
		return fmt.Sprintf("has sent %d bytes of a call and not its end", u.Input)
	}
	return ""
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
