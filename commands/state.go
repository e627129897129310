package commands

import (
	"sync"
	"sync/atomic"

	"github.com/parley-chat/parley/datastructs"
)

// State is what all calls of a server share. The engine's lock guards it.
type State struct {
	Table     *Table
	Databases []*datastructs.Keyspace
	Users     Users
	denials   denialLog
	Clients   Clients
	Channels  Channels
	Tracking  Tracking
	Config    Config
	Stats     Stats
	Host      Host
	Monitors  Monitors
	slowLog   slowLog
	Pause     Pause
	latency   latencyMonitor
	Eviction  Eviction
	Counting  datastructs.Counting // what the databases count, as Config says

	// What memory there is in use is the sum of these, and a little more: see Used.
	Account     datastructs.Account // of the databases
	ClientBytes atomic.Int64        // by clients, in bytes; changed by those who do not hold the lock, too

	TableBytes atomic.Int64 // what the server keeps in its own tables of what clients have said, in bytes

	KeepExpired bool // keys whose deadline has passed are left, to read as absent

	// Run runs a row in the context of a call under way: how EXEC goes through
	// the same door as everyone.
	Run func(c *Context, m *Command, args [][]byte)

	// Ready is called for each key that has come to be, for those who wait for
	// it. As in Redis, a key that gets another value, even one that would do, is
	// nothing to them.
	KeyReady func(db int, key []byte)

	// Awaited lists the keys of a database that somebody waits for.
	AwaitedKeys func(db int) [][]byte

	// WaitingCalls lists the calls that wait, those of callers without a connection
	// among them, in the order in which their clients came. nil: none ever does.
	WaitingCalls func() []WaitingCall

	// Unblock ends the call that a client waits in: with what it is answered when
	// its time is up, or with an error. It reports whether there was one.
	Unblock func(l *Client, failure error) bool

	// AllowAuth reports whether a password that a client gives for a user may be looked
	// at; Guessed is told when it was wrong. nil: all may, and nobody wants to know.
	AllowAuth  func(l *Client, user, password []byte) bool
	AuthFailed func(l *Client, user, password []byte)

	// Copies tells how many times a client gets a message published to a channel.
	// nil: once.
	MessageCopies func(to *Client, channel []byte) int

	// Published is told of each message once its receivers have it. nil when nobody
	// listens.
	Published func(Publication)

	// Extended is told of calls that Redis would have refused for what they were
	// called on. nil when nobody listens.
	ExtensionUsed func(l *Client, m *Command, args [][]byte)

	// Effects receives what calls amount to, a unit at a time: what one call
	// from outside has done, the whole of an EXEC included. A unit is all or
	// nothing. It and its words are valid until Effects returns. nil when nobody
	// listens.
	Effects func(unit []Effect)

	failedExpiry dueKey       // what could not expire
	nameBytes    atomic.Int64 // bytes in the names that clients are registered for, with each of them
	closingBytes atomic.Int64 // of Held and named, by clients that are being closed for it

	backlog    bool  // something is due that Expire had no time for
	changes    int64 // of keys, since the server started
	memoryPeak int   // the most that Used was

	watchers      map[int]*registry // of keys, by database; those of which keys are watched
	removals      removals
	misreplied    sync.Map  // *Command: those of which it was told
	sinterWarning sync.Once // that SINTER met a sorted set, which Redis refuses
}
