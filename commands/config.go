package commands

// Config is what CONFIG reads and sets, and the limits that sessions obey. The
// engine's lock guards it.
type Config struct {
	Bind                   string
	MaxClients             int
	Password               string // what requirepass says: the default user may have others
	KeepAlive              int64  // s of silence after which a connection is probed; 0: never
	AuthLimit              AuthLimit
	UnauthenticatedPercent int64  // of 100 connections, those that may be there without having authenticated
	ProtectedMode          bool   // who comes over a network is not let in without a password
	LogLevel               string // as redis-server names them
	Events                 Event  // keyspace notifications that are sent
	ProtoMaxBulk           int64  // bytes of one argument
	QueryBufferLimit       int64  // bytes a client may have sent ahead of what has run
	OutputLimits           [OutputClasses]OutputLimit
	TrackingMaxKeys        int64              // keys that are remembered for clients that track; 0: without limit
	LimitClients           func(n int) int    // how many of n clients the system can handle; nil: all
	SetLogLevel            func(level string) // nil where nothing logs

	Timeouts Timeouts // with clients that take their time

	MaxMemory        uint64 // bytes that Used may come to before keys go, or calls are refused; 0: any
	Policy           Policy
	EvictionSamples  int64 // keys drawn before one goes
	EvictionTenacity int64 // 0 to 100: how long a call may be held up by keys that go
	LFUFactor        int64 // see datastructs.Counting
	LFUDecay         int64
	MaxClientMemory  int64 // bytes that all clients may take; negative: percent of MaxMemory; 0: any

	SlowlogSlowerThan int64 // µs from which a call is slow; negative: none is
	SlowlogMaxLen     int64

	LatencyThreshold int64 // ms from which an event is kept; 0: none is
	ACLAllChannels   bool  // new users may use all channels, unless they are told not to
	ACLLogMaxLen     int64 // entries

	LatencyTracking    bool // keep what the calls of each command took
	LatencyPercentiles []float64
}

// An OutputClass is a kind of client that has limits of its own for what it
// leaves unread.
type OutputClass int

// The classes of client-output-buffer-limit.
const (
	OutputNormal OutputClass = iota
	OutputReplica
	OutputPubSub
	OutputClasses = iota
)

// An OutputLimit bounds what a client may leave unread: it is closed at once
// past Hard bytes, and when it has been past Soft bytes for Seconds. 0: no limit.
type OutputLimit struct {
	Hard, Soft int64
	Seconds    int64
}

// Timeouts are the limits, in seconds, after which a client is closed; 0: no limit. Where
// there is a rate too, in bytes per second, a client that keeps to it gets as long again.
type Timeouts struct {
	Idle int64 // between calls
	Auth int64 // to say who it is, where it must

	Query, QueryRate   int64 // to send a call that it has begun
	Output, OutputRate int64 // to read what it is being sent
}

// MaxUnauthenticated is the limit of connections that have not authenticated and must: a
// share of maxclients, but at least 10.
func (c *Config) MaxUnauthenticated() int64 {
	const least = 10
	return max(int64(c.MaxClients)*c.UnauthenticatedPercent/100, least)
}

// AuthLimit limits failed authentication: how many passwords can be tried, and how fast.
type AuthLimit struct {
	Delay       int64 // ms for which the reply to a wrong one is held back
	MaxFailures int64 // on one connection, one after the other; 0: any number
	Rate        int64 // a second from one address; 0: any number
	Burst       int64 // at once from there, after a time without

	Loopback bool // Delay, Rate and Burst hold for loopback addresses and unix sockets, too
}

// DefaultConfig is Redis's, where Redis has one.
func DefaultConfig() Config {
	return Config{
		Bind:                   "127.0.0.1",
		MaxClients:             10000,
		KeepAlive:              300,
		UnauthenticatedPercent: 10,
		AuthLimit:              AuthLimit{Delay: 100, MaxFailures: 5, Rate: 5, Burst: 5},
		ProtectedMode:          true,
		LogLevel:               "notice",
		ProtoMaxBulk:           512 << 20,
		QueryBufferLimit:       1 << 30,
		TrackingMaxKeys:        1000000,
		OutputLimits: [...]OutputLimit{
			OutputReplica: {256 << 20, 64 << 20, 60},
			OutputPubSub:  {32 << 20, 8 << 20, 60},
		},
		Timeouts:          Timeouts{Auth: 30, Query: 10, QueryRate: 1 << 10, Output: 60, OutputRate: 1 << 10},
		EvictionSamples:   5,
		EvictionTenacity:  10,
		LFUFactor:         10,
		LFUDecay:          1,
		SlowlogSlowerThan: 10000,
		SlowlogMaxLen:     128,
		ACLLogMaxLen:      128,

		LatencyTracking:    true,
		LatencyPercentiles: []float64{50, 99, 99.9},
	}
}

// outputClass returns the class of the client's output limits. Monitors are normal clients.
func (l *Client) outputClass() OutputClass {
	if l.Subscribed() > 0 {
		return OutputPubSub
	}
	return OutputNormal
}

// CanIdle reports whether the idle timeout applies to the client: it waits for no key, no
// async call and no messages.
func (l *Client) CanIdle() bool {
	return !l.Blocked && !l.AsyncPending && !l.isMonitor() && l.Subscribed() == 0
}

// LimitClass returns the class whose output limits apply to a client. Monitors get those of
// a replica: Redis has no limit for normal clients, so a monitor that does not read could
// take all memory.
func (l *Client) LimitClass() OutputClass {
	if l.isMonitor() {
		return OutputReplica
	}
	return l.outputClass()
}
