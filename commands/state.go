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

	// UsedMemory is the sum of these, and a little more.
	Account     datastructs.Account // bytes of the databases
	ClientBytes atomic.Int64        // bytes of clients; also changed without the lock
	TableBytes  atomic.Int64        // bytes of the server's own tables about clients

	KeepExpired bool // expired keys are kept, and read as absent

	// Run runs a row within the call under way: EXEC's queued calls go the way of all calls.
	Run func(c *Context, m *Command, args [][]byte)

	// KeyReady is called for each key that is created, for blocked calls. As in Redis, a key
	// that gets another value does not count, even if that value would serve a call.
	KeyReady func(db int, key []byte)

	// AwaitedKeys lists the keys of a database that blocked calls wait for.
	AwaitedKeys func(db int) [][]byte

	// WaitingCalls lists the blocked calls, those of callers without a connection included,
	// in the order in which their clients connected. nil: none ever blocks.
	WaitingCalls func() []WaitingCall

	// Unblock ends a client's blocked call: with its reply at a timeout, or with an error.
	// It reports whether there was one.
	Unblock func(l *Client, failure error) bool

	// AllowAuth reports whether a password may be checked now. AuthFailed is called when it
	// was wrong. nil: there is no limit.
	AllowAuth  func(l *Client, user, password []byte) bool
	AuthFailed func(l *Client, user, password []byte)

	// MessageCopies returns how many times a client gets a message published to a channel.
	// nil: once.
	MessageCopies func(to *Client, channel []byte) int

	// Published is called with each message after it was sent to its receivers. May be nil.
	Published func(Publication)

	// ExtensionUsed is called with each call that Redis would have refused for the type of
	// its keys. May be nil.
	ExtensionUsed func(l *Client, m *Command, args [][]byte)

	// Effects receives the effects of calls, one unit for each call from outside; an EXEC is
	// one unit. A unit is all or nothing. It is valid until Effects returns. May be nil.
	Effects func(unit []Effect)

	failedExpiry dueKey       // whose expiry has panicked
	nameBytes    atomic.Int64 // bytes of names that clients are registered for, counted for each client
	closingBytes atomic.Int64 // of ClientBytes and nameBytes, of clients being closed by eviction

	backlog    bool  // expired keys or fields remain after Expire
	changes    int64 // of keys, since the server started
	memoryPeak int   // the peak of UsedMemory

	watchers      map[int]*registry // watched keys, by database
	removals      removals
	misreplied    sync.Map  // *Command: logged for a wrong reply
	sinterWarning sync.Once // for SINTER on a sorted set, which Redis refuses
}
