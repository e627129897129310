package commands

import "time"

// Metrics are what the commands know in numbers, for who watches a server from
// outside. Those that count what has happened start again with CONFIG RESETSTAT.
type Metrics struct {
	Databases []DatabaseMetrics // those that hold keys, the first of them
	Keys      int               // in all databases
	Changes   int64             // of keys, since the server started

	UsedMemory    int // bytes; see State.Used
	PeakMemory    int // the most that it was
	StartupMemory int // of it: what there is without data and clients
	ClientMemory  int // of it: what clients hold
	Overhead      int // of it: both, and the tables of keys and deadlines
	MaxMemory     uint64
	Policy        string        // maxmemory-policy
	Full          time.Duration // for how long memory has been too full now
	WasFull       time.Duration // and in all before

	Clients         int
	MaxClients      int
	TrackingClients int
	Monitors        int

	Channels        int // with subscribers
	Patterns        int
	ShardChannels   int
	TrackedKeys     int
	TrackedReads    int // of those, one for each client
	TrackedPrefixes int
	SlowLog         int   // entries that are kept
	SlowCalls       int64 // that there have been

	Commands []CommandMetrics // those that clients have sent
	Errors   map[string]int64 // error replies, by their first word

	Connections   int64 // accepted
	Rejected      int64 // connections refused by maxclients
	Calls         int64
	Expired       int64 // keys
	ExpiredFields int64
	ExpiryTook    time.Duration
	ExpiryCut     int64 // how often that took too long to be finished at once
	Hits          int64
	Misses        int64
	Evicted       int64 // keys that went because memory was full
	ClientsCut    int64 // closed because clients took too much memory
	InBytes       int64
	OutBytes      int64
	Reads         int64 // pieces of input taken in

	stats []CommandStats // of the table's rows; Reset makes new ones
}

// DatabaseMetrics are about one numbered database.
type DatabaseMetrics struct {
	Index      int
	Keys       int
	Volatile   int           // keys with a deadline
	AverageTTL time.Duration // of those, estimated
}

// CommandMetrics are about the calls of one row.
type CommandMetrics struct {
	Name     string // "get", "client|list"
	Calls    int64
	Took     time.Duration // all of them
	Rejected int64         // refused before they ran
	Failed   int64         // answered with an error

	// Times is how many calls took up to each of TimeBounds, as far as
	// latency-tracking was on. Timed is how many it was on for, and TimedTook
	// what they took, to within one percent.
	Times     [len(TimeBounds)]uint64
	Timed     uint64
	TimedTook time.Duration
}

// TimeBounds are the steps of CommandMetrics.Times.
var TimeBounds = [...]time.Duration{
	time.Microsecond, 5 * time.Microsecond,
	10 * time.Microsecond, 50 * time.Microsecond,
	100 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 5 * time.Millisecond,
	10 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 500 * time.Millisecond,
}

const (
	maxDatabaseMetrics = 256                        // databases that are told of one by one
	maxAverageTTL      = 100 * 365 * 24 * time.Hour // a time.Duration holds no more than three times that
)

// Metrics returns the metrics that need the engine's lock, shared or exclusive. AddCounters
// adds the rest.
func (s *State) Metrics(now time.Time) *Metrics {
	m := &Metrics{
		Changes:         s.changes,
		UsedMemory:      s.UsedMemory(),
		PeakMemory:      max(s.memoryPeak, s.UsedMemory()),
		StartupMemory:   s.startup(),
		ClientMemory:    int(s.ClientBytes.Load()),
		MaxMemory:       s.Config.MaxMemory,
		Policy:          s.Config.Policy.name(),
		Clients:         s.Clients.Len(),
		MaxClients:      s.Config.MaxClients,
		TrackingClients: s.Tracking.numClients(),
		Monitors:        s.Monitors.Len(),
		Channels:        s.Channels.count(ToChannel),
		Patterns:        s.Channels.count(ToPattern),
		ShardChannels:   s.Channels.count(ToShard),
		TrackedKeys:     s.Tracking.numKeys(),
		TrackedReads:    s.Tracking.numReads(),
		TrackedPrefixes: s.Tracking.numPrefixes(),
		stats:           s.Stats.rows,
	}
	m.Overhead = s.overhead()
	m.Full, m.WasFull = s.Eviction.exceededFor(now.UnixMicro())
	for i, db := range s.Databases {
		if db.Len() == 0 {
			continue
		}
		m.Keys += db.Len()
		if len(m.Databases) < maxDatabaseMetrics {
			ttl := min(db.AverageTTL(now.UnixMilli()), maxAverageTTL.Milliseconds())
			m.Databases = append(m.Databases, DatabaseMetrics{i, db.Len(), db.Volatile(), time.Duration(ttl) * time.Millisecond})
		}
	}
	return m
}

// AddCounters adds the metrics that need no lock and take longer.
func (s *State) AddCounters(m *Metrics) {
	stats := &s.Stats
	m.SlowLog, m.SlowCalls = s.slowLog.size()
	m.Errors = stats.ErrorsByCode()
	m.Connections = stats.Connections.Load()
	m.Rejected = stats.Rejected.Load()
	m.Calls = stats.Commands.Load()
	m.Expired = stats.Expired.Load()
	m.ExpiredFields = stats.ExpiredFields.Load()
	m.ExpiryTook = time.Duration(stats.ExpiryNanos.Load())
	m.ExpiryCut = stats.ExpiryCut.Load()
	m.Evicted, m.ClientsCut = stats.Evicted.Load(), stats.EvictedClients.Load()
	m.Hits, m.Misses = stats.Hits.Load(), stats.Misses.Load()
	m.InBytes, m.OutBytes = stats.InBytes.Load(), stats.OutBytes.Load()
	m.Reads = stats.Reads.Load()
	s.Table.eachRow(func(row *Command) {
		if c := m.stats[row.id].metrics(); c.Calls+c.Rejected+c.Failed > 0 {
			c.Name = row.FullName()
			m.Commands = append(m.Commands, c)
		}
	})
}

// metrics reads the counters of a row, but not its name.
func (s *CommandStats) metrics() CommandMetrics {
	m := CommandMetrics{
		Calls:    s.Calls.Load(),
		Took:     time.Duration(s.Nanos.Load()),
		Rejected: s.Rejected.Load(),
		Failed:   s.Failed.Load(),
	}
	if h := s.times.Load(); h != nil {
		m.addTimes(h.parts())
	}
	return m
}

// addTimes tells a distribution in the steps of TimeBounds. A part that a bound
// falls into counts as below it: a part is narrower than one percent.
func (m *CommandMetrics) addTimes(parts []part) {
	sum := 0.0
	for step, bound := range TimeBounds {
		for len(parts) > 0 && parts[0].low <= int64(bound) {
			m.Timed += parts[0].count
			sum += float64(parts[0].count) * float64(parts[0].low+parts[0].high) / 2
			parts = parts[1:]
		}
		m.Times[step] = m.Timed
	}
	for _, p := range parts {
		m.Timed += p.count
		sum += float64(p.count) * float64(p.low+p.high) / 2
	}
	m.TimedTook = time.Duration(sum)
}
