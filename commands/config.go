package commands

// Config is what CONFIG reads and sets, and the limits that sessions obey. The
// engine's lock guards it.
type Config struct {
	Bind          string
	MaxClients    int
	Password      string // what requirepass says: the default user may have others
	KeepAlive     int64  // s of silence after which a connection is probed; 0: never
	ProtectedMode bool   // who comes over a network is not let in without a password
	LogLevel      string // as redis-server names them
	Events        Event  // keyspace notifications that are sent
	ProtoMaxBulk  int64  // bytes of one argument
	QueryBuffer   int64  // bytes a client may have sent ahead of what has run
	OutputLimits  [OutputClasses]OutputLimit
	TrackedKeys   int64              // keys that are remembered for clients that track; 0: without limit
	SetLogLevel   func(level string) // nil where nothing logs

	SlowlogLeast  int64 // µs from which a call is slow; negative: none is
	SlowlogMaxLen int64

	LatencyLeast   int64 // ms from which an event is kept; 0: none is
	ACLAllChannels bool  // new users may use all channels, unless they are told not to
	ACLLogMaxLen   int64 // entries

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

// DefaultConfig is Redis's, where Redis has one.
func DefaultConfig() Config {
	return Config{
		Bind:          "127.0.0.1",
		MaxClients:    10000,
		KeepAlive:     300,
		ProtectedMode: true,
		LogLevel:      "notice",
		ProtoMaxBulk:  512 << 20,
		QueryBuffer:   1 << 30,
		TrackedKeys:   1000000,
		OutputLimits: [...]OutputLimit{
			OutputReplica: {256 << 20, 64 << 20, 60},
			OutputPubSub:  {32 << 20, 8 << 20, 60},
		},
		SlowlogLeast:  10000,
		SlowlogMaxLen: 128,
		ACLLogMaxLen:  128,

		LatencyTracking:    true,
		LatencyPercentiles: []float64{50, 99, 99.9},
	}
}

// OutputClass tells what kind of client it is. Monitors are normal ones.
func (l *Client) OutputClass() OutputClass {
	if l.Subscribed() > 0 {
		return OutputPubSub
	}
	return OutputNormal
}

// LimitClass tells which limits a client's output is under. A monitor is under
// those of a replica: under Redis's for normal clients, which are none, one that
// does not read would take all memory.
func (l *Client) LimitClass() OutputClass {
	if l.monitor {
		return OutputReplica
	}
	return l.OutputClass()
}
