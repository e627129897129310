// Package control is the interface between package internal/testkit and a
// server. It hooks into calls, injects faults, and reads and changes the
// server's data. None of this is in the API of package server.
package control

import (
	"time"

	"github.com/parley-chat/parley/commands"
)

// Package server sets these functions when it is initialized. They take its
// types as any, since package server imports this package.
var (
	// Configure sets the hooks and adds commands to options, a *server.Options
	// of a server not yet started.
	Configure func(options any, h Hooks, rows ...commands.Command)

	// Of returns the controller of a running server, a *server.Server.
	Of func(server any) Controller
)

// A Controller runs functions while no command runs. They must not call the
// server, and must not keep their arguments.
type Controller interface {
	// Inspect runs f with the server's state. Changes that f makes are
	// announced to no client.
	Inspect(f func(*commands.State))

	// UpdateHooks is Inspect for an f that changes what hooks return. Before it
	// returns, it updates links and runs calls that no fault delays any more.
	UpdateHooks(f func(*commands.State))

	// Exec runs f as a transaction of the server itself, on database 0. It has
	// no client: it does not appear in the slow log, command statistics,
	// MONITOR or hooks. Changes are announced like those of any client, to
	// clients that watch or cache a key, are blocked on it, or are subscribed
	// to its events. Reads count neither as uses of a key nor as hits or
	// misses. Commands run by Context.Perform do not block, as within EXEC;
	// those about a connection are rejected. The context writes RESP3. The
	// error is server.ErrClosed, or nil.
	Exec(f func(*commands.Context)) error
}

// Hooks are functions that a server calls as calls pass through it. If any is
// set, all calls run one by one. Hooks run under the server's lock: they must
// not block, must not call the server, and must not keep their arguments.
type Hooks struct {
	// Call receives each call once, when it arrives, before the checks that
	// decide whether it may run. Its row is nil if there is no such command.
	Call func(l *commands.Client, m *commands.Command, args [][]byte)

	// Failed receives the error reply to a client's last call.
	Failed func(*commands.Client, error)

	// Published receives each published message, keyspace events included,
	// after its receivers.
	Published func(commands.Publication)

	// Left receives a client that disconnects, before its subscriptions end.
	Left func(*commands.Channels, *commands.Client)

	// Closed is called when the server is about to close, while all clients are
	// still connected.
	Closed func(*commands.State)

	// WatchIdle reports whether Changed must also be called when a session has
	// become idle or a client has read. It runs without the lock.
	WatchIdle func() bool

	// Changed is called when calls have run, a client has connected or
	// disconnected, or keys have expired.
	Changed func(*commands.State)

	// Fault returns the fault for a call that arrives, or nil. It is called
	// once for each call, before Call.
	Fault func(l *commands.Client, m *commands.Command, args [][]byte) *Fault

	// Copies returns how often a client receives a message published to a
	// channel; 1 without a fault. It is called for subscribers in the order in
	// which they connected.
	Copies func(l *commands.Client, channel []byte) int

	// Link returns what a client's link blocks. It is called when the client
	// has connected, when a fault applies to a call of it, after its calls, and
	// in UpdateHooks.
	Link func(l *commands.Client) Link
}

// Any reports whether any hook is set.
func (h *Hooks) Any() bool {
	return h.Call != nil || h.Failed != nil || h.Published != nil || h.Left != nil || h.Closed != nil || h.WatchIdle != nil ||
		h.Changed != nil || h.Fault != nil || h.Copies != nil || h.Link != nil
}

// A Fault is a delay of calls, followed by an error or the end of the
// connection. Several calls may share one.
type Fault struct {
	// Delay is how long the call waits, on the server's clock, before it
	// continues as if it had just arrived. Later input of its client waits,
	// too; other clients do not.
	Delay time.Duration

	// Err is the error reply. The call does not run; within a transaction EXEC
	// fails.
	Err error

	// Cut ends the connection. It must not be set for calls of Do.
	Cut Cut

	// Removed makes calls continue as without a fault. Set it in UpdateHooks.
	Removed bool
}

// A Cut is the point at which a connection ends. Replies to earlier calls are
// sent; nothing later is.
type Cut int

// The points at which a connection may end.
const (
	NoCut       Cut = iota
	CutBefore       // before the call runs
	CutNoReply      // after it has run, before the reply
	CutMidReply     // in the middle of the reply: half of it is sent
	CutAfter        // after the reply
)

// A Link says in which directions a connection is blocked, although neither
// side has closed it. Data sent before still arrives.
type Link struct {
	// NoInput: the server receives nothing from the client, not even that it
	// closes the connection. Input is buffered, within the limits for a client
	// that does not read.
	NoInput bool

	// NoOutput: the server sends nothing to the client. Output is buffered,
	// within the client's output limits.
	NoOutput bool
}
