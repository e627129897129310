// Package control is how package internal/testkit reaches into a server: it hooks into
// its calls, injects faults, and reads and changes its data. None of this is in the API
// of package server.
package control

import (
	"time"

	"github.com/parley-chat/parley/commands"
)

// Package server sets these when it is initialized. The types of its own are any here,
// since it imports this package.
var (
	// Configure sets the hooks and adds commands to the options of a server that is
	// to be started, a *server.Options.
	Configure func(options any, h Hooks, rows ...commands.Command)

	// Of returns what controls a running server, a *server.Server.
	Of func(server any) Controller
)

// A Controller runs functions while no command runs. They must not call the server,
// and must not keep what they are passed.
type Controller interface {
	// Inspect passes the state. Changes that f makes are not announced to anyone.
	Inspect(f func(*commands.State))

	// UpdateHooks is Inspect for an f that changes what hooks return. When it
	// returns, links are updated and calls have run that no fault delays any more.
	UpdateHooks(f func(*commands.State))

	// Exec runs f as a transaction of the server itself, on database 0. There is no
	// client: no slow log, statistics of commands, monitor or hook sees it. Changes
	// are announced like those of any client: to clients that watch or cache a key, are
	// blocked on it, or are subscribed to its events. Reads count neither as uses of
	// a key nor as hits or misses. Commands run by Context.Perform and do not block,
	// as within EXEC; those about a connection are refused. The context writes RESP3.
	// The error is server.ErrClosed, or nil.
	Exec(f func(*commands.Context)) error
}

// Hooks are called by a server as calls pass through it. With any of them set, all
// calls run one by one. They run under the server's lock: they must not wait, must not
// call the server, and must not keep what they are passed.
type Hooks struct {
	// Call gets each call that arrives, once, before it is checked whether it may
	// run. Its row is nil if there is no such command.
	Call func(l *commands.Client, m *commands.Command, args [][]byte)

	// Failed gets the error reply to a client's last call.
	Failed func(*commands.Client, error)

	// Published gets each published message, keyspace events included, after its
	// receivers.
	Published func(commands.Publication)

	// Left gets a client that disconnects, before its subscriptions end.
	Left func(*commands.Channels, *commands.Client)

	// Closed is called when the server is about to close, with all clients still there.
	Closed func(*commands.State)

	// WatchIdle reports whether Changed is to be called, too, when a session has
	// become idle or a client has read. It runs without the lock.
	WatchIdle func() bool

	// Changed is called when calls have run, a client has connected or disconnected,
	// or keys have expired.
	Changed func(*commands.State)

	// Fault returns what goes wrong with a call that arrives, or nil. It is called
	// once for each, before Call.
	Fault func(l *commands.Client, m *commands.Command, args [][]byte) *Fault

	// Copies returns how often a client gets a message published to a channel; 1 if
	// nothing goes wrong. Subscribers are passed in the order in which they connected.
	Copies func(l *commands.Client, channel []byte) int

	// Link returns what does not pass between a client and the server. It is called
	// when the client has connected, when a fault hits a call of it, after its calls,
	// and in UpdateHooks.
	Link func(l *commands.Client) Link
}

// Any reports whether any hook is set.
func (h *Hooks) Any() bool {
	return h.Call != nil || h.Failed != nil || h.Published != nil || h.Left != nil || h.Closed != nil || h.WatchIdle != nil ||
		h.Changed != nil || h.Fault != nil || h.Copies != nil || h.Link != nil
}

// A Fault is what goes wrong with calls: a delay first, then an error or the end of the
// connection. Several calls may share one.
type Fault struct {
	// Delay is how long the call waits, on the server's clock, before it goes on as if
	// it had just arrived. Later input of its client waits, too; other clients do
	// not.
	Delay time.Duration

	// Err is the error reply. The call does not run; within a transaction EXEC fails.
	Err error

	// Cut ends the connection. It must not be set for calls of Do.
	Cut Cut

	// Removed lets calls go on as if there had been no fault. Set it in UpdateHooks.
	Removed bool
}

// A Cut is the place where a connection ends. Replies to earlier calls are sent; nothing
// later is.
type Cut int

// The places where a connection may end.
const (
	NoCut       Cut = iota
	CutBefore       // before the call runs
	CutNoReply      // after it has run, and before the reply
	CutMidReply     // in the middle of the reply, of which half is sent
	CutAfter        // after the reply
)

// A Link is what does not pass between a client and the server, though neither has
// closed the connection. What was sent before still arrives.
type Link struct {
	// NoInput: nothing that the client sends arrives, nor that it closes the
	// connection. It is buffered, within the limits for a client that does not read.
	NoInput bool

	// NoOutput: nothing is sent to the client. It is buffered, within the client's
	// output limits.
	NoOutput bool
}
