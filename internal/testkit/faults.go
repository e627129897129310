package testkit

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/control"
	"github.com/parley-chat/parley/server"
)

// A Fault is an effect, and the calls or messages that it applies to. A call
// must match all fields that are set. A fault has exactly one effect, except
// that a delay may come before an error or a cut.
//
// A fault applies to a call when it arrives: within MULTI when it is queued.
// EXEC, which runs the queued calls, is a call of its own. Calls of Server.Do
// have no connection: only errors and delays apply to them, and only if neither
// Client nor ID is set.
type Fault struct {
	// Command names commands, in any case: "get", "client" or "client|list", or
	// "@write" for an ACL category. A list is separated by commas: "get,mget".
	// "": all commands, or for a predefined Error those that Redis rejects with
	// it.
	Command string

	// Key is a pattern as in KEYS; one of the call's keys must match.
	Key string

	// Channel is a pattern that the channel of a message, or one of the
	// channels of a call, must match.
	Channel string

	// Client is a pattern that the client's name (CLIENT SETNAME, HELLO
	// SETNAME) must match when the call arrives. "*" also matches clients
	// without a name. ID is what CLIENT ID replies.
	Client string
	ID     int64

	// Nth applies the fault only to the n-th call that matches all of the
	// above; From, to that call and later ones. Times is the maximum number of
	// calls it applies to. They count from 1, in order of arrival from all
	// clients; messages are counted for each subscriber separately. 0: no
	// restriction.
	Nth, From, Times int

	// Chance is the probability with which the fault applies to a call that
	// matches all of the above; 0 means 1. The choice is repeatable: it depends
	// on Options.Seed, the faults injected before, and each client's own calls,
	// but not on how calls of several clients interleave.
	Chance float64

	// Error is the error reply; the call does not run. A code alone stands for
	// the text that Redis 7.0.15 sends: LOADING, READONLY, OOM, BUSY,
	// MASTERDOWN, NOREPLICAS, MISCONF, CLUSTERDOWN, NOAUTH. Any other text
	// starts with its code, "ERR it broke".
	Error string

	// Delay is how long a call waits, on the server's clock, before it
	// continues as if it had just arrived. Later input of its client waits,
	// too.
	Delay time.Duration

	// Cut ends the connection, before or after the call runs. Replies to
	// earlier calls arrive.
	Cut Cut

	// Hold runs calls but sends the client nothing, from the reply to the first
	// matching call until Undo. Then all output is sent in order. If no field
	// selects calls, it begins at once.
	Hold bool

	// Partition blocks the connection in both directions, from the first
	// matching call until Undo. Then the client's input runs, and everything is
	// sent in order. No connection ends; if the client closes its own, the
	// server notices after Undo. If no field selects calls, it begins at once.
	// What ends the connection on the server's side still works: CLIENT KILL,
	// limits, Close.
	Partition bool

	// Drop and Double apply to messages: a subscriber receives them not at all,
	// or twice. PUBLISH counts each once.
	Drop, Double bool

	// MayMiss is for package servertest: the test does not fail if the fault
	// applied to nothing. A Chance below 1 implies it.
	MayMiss bool
}

// A Cut is the point at which a connection ends.
type Cut = control.Cut

// The points at which a connection may end. After CutNoReply, CutMidReply and
// CutAfter the call has taken effect.
const (
	CutBefore   = control.CutBefore   // the call does not run
	CutNoReply  = control.CutNoReply  // the reply is lost
	CutMidReply = control.CutMidReply // half of the reply arrives
	CutAfter    = control.CutAfter    // the reply arrives
)

// faults are the injected faults, in the order of Inject. The server's lock
// guards them.
type faults struct {
	seed  uint64
	count uint64 // faults injected so far
	now   []*Injection
}

// newFaults chooses a seed if the options have none.
func newFaults(o *server.Options) faults {
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	return faults{seed: o.Seed}
}

// An Injection is a fault in effect until Undo. Its methods may be called from
// any goroutine.
type Injection struct {
	kit     *Kit
	fault   Fault
	matcher matcher
	seed    uint64
	strikes atomic.Int64

	// The server's lock guards all below.
	controlFault control.Fault
	calls        count
	counts       map[int64]*count // by client ID
	linksDown    map[int64]bool   // IDs of clients whose link is down
}

// A count counts calls or messages.
type count struct {
	matched int // those that matched
	applied int
	draws   int
}

// Inject puts a fault into effect, until Undo. If several faults match a call
// or a message, only the first injected applies, and the others do not count
// it; faults of links add up.
func (r *Kit) Inject(f Fault) (*Injection, error) {
	i := &Injection{kit: r, fault: f, counts: make(map[int64]*count), linksDown: make(map[int64]bool)}
	var err error
	r.control.UpdateHooks(func(s *commands.State) {
		if i.matcher, err = i.fault.compile(s.Table); err != nil {
			return
		}
		i.controlFault = control.Fault{Delay: f.Delay, Cut: f.Cut}
		if f.Error != "" {
			i.controlFault.Err = resp.Error(fullErrorText(f.Error))
		}
		r.faults.count++
		i.seed = mix(r.faults.seed ^ mix(r.faults.count))
		r.faults.now = append(r.faults.now, i)
	})
	if err != nil {
		return nil, err
	}
	return i, nil
}

// Undo ends the fault: calls that it delays run, and what it has withheld is
// sent in order. Further calls do nothing.
func (i *Injection) Undo() {
	i.kit.control.UpdateHooks(func(*commands.State) {
		i.controlFault.Removed = true
		i.kit.faults.now = slices.DeleteFunc(i.kit.faults.now, func(other *Injection) bool { return other == i })
	})
}

// Strikes returns how many calls or messages the fault has applied to; for Hold
// and Partition, how many clients.
func (i *Injection) Strikes() int { return int(i.strikes.Load()) }

// Fault returns the injected fault.
func (i *Injection) Fault() Fault { return i.fault }

// String returns the fault's text.
func (i *Injection) String() string { return i.fault.String() }

// faultFor is the hook Fault.
func (r *Kit) faultFor(l *commands.Client, m *commands.Command, args [][]byte) *control.Fault {
	for _, i := range r.faults.now {
		if i.appliesToCall(l, m, args) {
			return &i.controlFault
		}
	}
	return nil
}

// copiesFor is the hook Copies.
func (r *Kit) copiesFor(l *commands.Client, channel []byte) int {
	for _, i := range r.faults.now {
		if i.appliesToMessage(l, channel) {
			return i.fault.copies()
		}
	}
	return 1
}

// linkFor is the hook Link.
func (r *Kit) linkFor(l *commands.Client) (now control.Link) {
	for _, i := range r.faults.now {
		if i.linkDown(l) {
			now.NoOutput = true
			now.NoInput = now.NoInput || i.fault.Partition
		}
	}
	return now
}

func (i *Injection) appliesToCall(l *commands.Client, m *commands.Command, args [][]byte) bool {
	switch {
	case i.fault.affectsMessages(), l.Direct && !i.fault.appliesToDo(), !i.matcher.matchesClient(l):
		return false
	case i.linksDown[l.ID]:
		return i.fault.Partition // arrived before the link was down
	case !i.matcher.matchesCall(call{l, m, args}) || !i.selects(&i.calls, l):
		return false
	}
	if i.fault.affectsLink() {
		i.linksDown[l.ID] = true
	}
	return true
}

func (i *Injection) appliesToMessage(l *commands.Client, channel []byte) bool {
	return i.fault.affectsMessages() && i.matcher.matchesClient(l) && i.matcher.matchesChannel(channel) && i.selects(i.countOf(l), l)
}

// linkDown reports whether the client's link is down. It takes the link down if
// the fault matches and does not select calls.
func (i *Injection) linkDown(l *commands.Client) bool {
	if i.fault.affectsLink() && !i.fault.selectsCalls() && !i.linksDown[l.ID] && i.matcher.matchesClient(l) {
		i.linksDown[l.ID] = true
		i.strikes.Add(1)
	}
	return i.linksDown[l.ID]
}

// selects counts a match, and decides whether the fault applies to it.
func (i *Injection) selects(n *count, l *commands.Client) bool {
	f := &i.fault
	n.matched++
	if f.Nth > 0 && n.matched != f.Nth || n.matched < f.From || f.Times > 0 && n.applied == f.Times || !i.draw(l) {
		return false
	}
	n.applied++
	i.strikes.Add(1)
	return true
}

// draw decides by Chance. Each client has its own sequence, so that the
// interleaving of clients does not matter. Each caller of Do is a new client.
func (i *Injection) draw(l *commands.Client) bool {
	if i.fault.Chance == 0 {
		return true
	}
	n := 0
	if !l.Direct {
		i.countOf(l).draws++
		n = i.countOf(l).draws
	}
	const bits = 53 // of a float64's significand
	return float64(mix(i.seed^mix(uint64(l.ID)^mix(uint64(n))))>>(64-bits))/(1<<bits) < i.fault.Chance
}

func (i *Injection) countOf(l *commands.Client) *count {
	if i.counts[l.ID] == nil {
		i.counts[l.ID] = new(count)
	}
	return i.counts[l.ID]
}

// mix is the finalizer of SplitMix64: similar numbers give dissimilar results.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
