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

// A Fault is something that is to go wrong, and for whom. All that is set of its aim
// must match; what is not set matches all. Exactly one thing goes wrong; an error or
// a cut may come after a delay.
//
// A call is struck when it comes in: within MULTI when it is queued, and EXEC, which
// runs what was queued, is a call of its own. A call of the server's own process
// (Server.Do) has no connection: errors and delays strike it, unless Client or ID is
// set, and nothing else does.
type Fault struct {
	// Command names the commands whose calls are struck, in any case: "get", "client"
	// or "client|list", "@write" for a category of ACL. Several stand between
	// commas, "get,mget". "": all, and with a ready-made Error those calls that
	// Redis refuses so.
	Command string

	// Key is a pattern like that of KEYS: a call is struck that has a key which
	// matches.
	Key string

	// Channel is a pattern of the channels of messages, or of those that a call
	// names.
	Channel string

	// Client is a pattern of clients' names (CLIENT SETNAME, HELLO SETNAME), as they
	// are when the call comes in; ID is what CLIENT ID replies. A client without a
	// name matches "*" only.
	Client string
	ID     int64

	// Nth strikes only the n-th of the calls that match all of the above; From, that
	// one and those behind it. Times is how many are struck at most. Both count from 1
	// and in the order in which calls come in, whoever sends them; messages are
	// counted for each subscriber by itself. 0: all.
	Nth, From, Times int

	// Chance is how probable it is that a call is struck which all of the above
	// would strike; 0 is for certain, as 1 is. The same Options.Seed, the same faults
	// in the same order and the same calls of the same clients give the same strikes,
	// however the calls of several clients mingle.
	Chance float64

	// Error is the reply, and the call does not run. A word alone is ready-made, word
	// for word what Redis 7.0.15 sends: LOADING, READONLY, OOM, BUSY, MASTERDOWN,
	// NOREPLICAS, MISCONF, CLUSTERDOWN, NOAUTH. Any other text begins with its code,
	// "ERR it broke".
	Error string

	// Delay is how long a call waits before it goes on as if it had just come in, on
	// the server's clock. What its client has sent behind it waits, too.
	Delay time.Duration

	// Cut ends the connection, before the call has run or after. Replies to calls
	// before it arrive.
	Cut Cut

	// Hold runs calls and sends the client nothing, from the reply to the first call
	// struck until Undo: then all comes in order. Without anything about a call in
	// its aim it begins at once.
	Hold bool

	// Partition lets neither what the client sends come in nor anything reach it,
	// from the first call struck until Undo: then what it has sent runs, and
	// everything goes on in order. No connection ends, and when the client closes its
	// own the server learns of it afterwards. Without anything about a call in its aim
	// it begins at once. What the server itself ends does end: CLIENT KILL, limits,
	// Close.
	Partition bool

	// Drop and Double are about messages: a subscriber does not get those, or gets
	// them twice. PUBLISH counts it all the same, once.
	Drop, Double bool

	// MayMiss is for package servertest: the test does not fail if nothing was
	// struck. A Chance below 1 implies it.
	MayMiss bool
}

// A Cut tells where a connection ends.
type Cut = control.Cut

// The places where a connection may end. After CutNoReply, CutMidReply and CutAfter
// the call has taken effect.
const (
	CutBefore   = control.CutBefore   // the call does not run
	CutNoReply  = control.CutNoReply  // the reply is lost
	CutMidReply = control.CutMidReply // half of the reply arrives
	CutAfter    = control.CutAfter    // the reply arrives
)

// faults is what is to go wrong, in the order of Inject. The server's lock guards it.
type faults struct {
	seed  uint64
	count uint64 // of all there were
	now   []*Injection
}

// newFaults sees to it that there is a seed.
func newFaults(o *server.Options) faults {
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	return faults{seed: o.Seed}
}

// An Injection is a fault that is there until it is undone. Its methods may be called
// from any goroutine.
type Injection struct {
	kit     *Kit
	fault   Fault
	aim     aim
	seed    uint64
	strikes atomic.Int64

	// The server's lock guards these.
	strike control.Fault
	calls  count
	of     map[int64]*count // for each client by itself
	lines  map[int64]bool   // of the clients that are cut off
	undone bool
}

// A count is of calls or messages.
type count struct {
	met    int // by the aim
	struck int
	draws  int
}

// Inject makes something go wrong from now on, until Undo. Where several faults would
// strike a call or a message, the one that was injected first does, and the others do
// not even count it; lines that are down add up.
func (r *Kit) Inject(f Fault) (*Injection, error) {
	i := &Injection{kit: r, fault: f, of: make(map[int64]*count), lines: make(map[int64]bool)}
	var err error
	r.control.UpdateHooks(func(s *commands.State) {
		if i.aim, err = i.fault.check(s.Table); err != nil {
			return
		}
		i.strike = control.Fault{Delay: f.Delay, Cut: f.Cut}
		if f.Error != "" {
			i.strike.Err = resp.Error(readyMade(f.Error))
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

// Undo ends the fault: calls that it delays run now, and what it has held back goes
// on its way, in order. To call it again does nothing.
func (i *Injection) Undo() {
	i.kit.control.UpdateHooks(func(*commands.State) {
		i.undone, i.strike.Removed = true, true
		i.kit.faults.now = slices.DeleteFunc(i.kit.faults.now, func(other *Injection) bool { return other == i })
	})
}

// Strikes tells how many calls or messages were struck; of a Hold and a Partition, how
// many clients.
func (i *Injection) Strikes() int { return int(i.strikes.Load()) }

// Fault is what was injected.
func (i *Injection) Fault() Fault { return i.fault }

// String is the fault's text.
func (i *Injection) String() string { return i.fault.String() }

// strike answers the server what goes wrong with a call.
func (r *Kit) strike(l *commands.Client, m *commands.Command, args [][]byte) *control.Fault {
	for _, i := range r.faults.now {
		if i.strikesCall(l, m, args) {
			return &i.strike
		}
	}
	return nil
}

// copies answers the server how often a client gets a message.
func (r *Kit) copies(l *commands.Client, channel []byte) int {
	for _, i := range r.faults.now {
		if i.strikesMessage(l, channel) {
			return i.fault.copies()
		}
	}
	return 1
}

// line answers the server what passes between a client and it.
func (r *Kit) line(l *commands.Client) (now control.Link) {
	for _, i := range r.faults.now {
		if i.cutsOff(l) {
			now.NoOutput = true
			now.NoInput = now.NoInput || i.fault.Partition
		}
	}
	return now
}

func (i *Injection) strikesCall(l *commands.Client, m *commands.Command, args [][]byte) bool {
	switch {
	case i.fault.aboutMessages(), l.Direct && !i.fault.reachesDo(), !i.aim.client(l):
		return false
	case i.lines[l.ID]:
		return i.fault.Partition // a call that has slipped in
	case !i.aim.call(call{l, m, args}) || !i.chosen(&i.calls, l):
		return false
	}
	if i.fault.aboutLine() {
		i.lines[l.ID] = true
	}
	return true
}

func (i *Injection) strikesMessage(l *commands.Client, channel []byte) bool {
	return i.fault.aboutMessages() && i.aim.client(l) && i.aim.channel(channel) && i.chosen(i.countOf(l), l)
}

// cutsOff reports whether a client's line is down, and takes it down if it matches
// and nothing is said of a call.
func (i *Injection) cutsOff(l *commands.Client) bool {
	if i.fault.aboutLine() && !i.fault.aboutCalls() && !i.lines[l.ID] && i.aim.client(l) {
		i.lines[l.ID] = true
		i.strikes.Add(1)
	}
	return i.lines[l.ID]
}

// chosen counts what the aim has met, and decides whether to strike it.
func (i *Injection) chosen(n *count, l *commands.Client) bool {
	f := &i.fault
	n.met++
	if f.Nth > 0 && n.met != f.Nth || n.met < f.From || f.Times > 0 && n.struck == f.Times || !i.lucky(l) {
		return false
	}
	n.struck++
	i.strikes.Add(1)
	return true
}

// lucky draws, for each client by itself, so that it does not matter how calls of
// several mingle. Each caller of Do is another client.
func (i *Injection) lucky(l *commands.Client) bool {
	if i.fault.Chance == 0 {
		return true
	}
	n := 0
	if !l.Direct {
		i.countOf(l).draws++
		n = i.countOf(l).draws
	}
	const bits = 53 // of a float64
	return float64(mix(i.seed^mix(uint64(l.ID)^mix(uint64(n))))>>(64-bits))/(1<<bits) < i.fault.Chance
}

func (i *Injection) countOf(l *commands.Client) *count {
	if i.of[l.ID] == nil {
		i.of[l.ID] = new(count)
	}
	return i.of[l.ID]
}

// mix is the finalizer of SplitMix64: numbers that are close give ones that are not.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
