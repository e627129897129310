package ops

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/server"
)

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

// A row is a metric of one value. Those that begin with redis_ have the names, and
// the meaning, that redis_exporter gives them, so that its dashboards and alerts
// work.
type row struct {
	name, help string
	kind       prometheus.ValueType
	value      func(*server.Metrics) float64
}

var rows = []row{
	{"redis_up", "1 while the server runs, 0 when it is closed.", gauge,
		func(m *server.Metrics) float64 {
			if m.Closed {
				return 0
			}
			return 1
		}},
	{"redis_uptime_in_seconds", "Time since the server started.", gauge,
		func(m *server.Metrics) float64 { return m.Now.Sub(m.Started).Seconds() }},
	{"redis_start_time_seconds", "When the server started, in Unix time.", gauge,
		func(m *server.Metrics) float64 { return float64(m.Started.UnixMilli()) / 1000 }},

	{"redis_cpu_sys_seconds_total", "Time that the process has run in the system.", counter,
		func(m *server.Metrics) float64 { return m.CPUSystem }},
	{"redis_cpu_user_seconds_total", "Time that the process has run itself.", counter,
		func(m *server.Metrics) float64 { return m.CPUUser }},

	{"redis_connected_clients", "Connections of clients.", gauge,
		func(m *server.Metrics) float64 { return float64(m.Clients) }},
	{"redis_blocked_clients", "Clients that wait in a call: for a key, a time, or the end of a pause.", gauge,
		func(m *server.Metrics) float64 { return float64(m.Blocked) }},
	{"redis_tracking_clients", "Clients with CLIENT TRACKING.", gauge,
		func(m *server.Metrics) float64 { return float64(m.TrackingClients) }},
	{"redis_config_maxclients", "How many connections there may be.", gauge,
		func(m *server.Metrics) float64 { return float64(m.MaxClients) }},
	{"parley_subscribed_clients", "Clients that are subscribed to a channel or pattern.", gauge,
		func(m *server.Metrics) float64 { return float64(m.Subscribers) }},
	{"parley_monitoring_clients", "Clients in MONITOR.", gauge,
		func(m *server.Metrics) float64 { return float64(m.Monitors) }},
	{"parley_client_input_bytes", "Bytes that clients have sent and that have not run yet.", gauge,
		func(m *server.Metrics) float64 { return float64(m.Input) }},
	{"parley_client_output_bytes", "Bytes that clients have not read yet.", gauge,
		func(m *server.Metrics) float64 { return float64(m.Output) }},
	{"redis_client_recent_max_output_buffer_bytes", "The most that one client has not read yet.", gauge,
		func(m *server.Metrics) float64 { return float64(m.LargestOutput) }},

	{"redis_connections_received_total", "Connections accepted.", counter,
		func(m *server.Metrics) float64 { return float64(m.Connections) }},
	{"redis_rejected_connections_total", "Connections refused because of maxclients.", counter,
		func(m *server.Metrics) float64 { return float64(m.Rejected) }},
	{"redis_commands_processed_total", "Calls that have run.", counter,
		func(m *server.Metrics) float64 { return float64(m.Calls) }},
	{"redis_net_input_bytes_total", "Bytes received from clients.", counter,
		func(m *server.Metrics) float64 { return float64(m.InBytes) }},
	{"redis_net_output_bytes_total", "Bytes of replies to clients.", counter,
		func(m *server.Metrics) float64 { return float64(m.OutBytes) }},
	{"parley_reads_total", "Pieces of input taken in.", counter,
		func(m *server.Metrics) float64 { return float64(m.Reads) }},

	{"redis_memory_used_bytes", "Memory that data and clients take, by the server's own account: what maxmemory limits.", gauge,
		func(m *server.Metrics) float64 { return float64(m.UsedMemory) }},
	{"redis_memory_used_peak_bytes", "The most memory that was in use.", gauge,
		func(m *server.Metrics) float64 { return float64(m.PeakMemory) }},
	{"redis_memory_used_startup_bytes", "Memory in use without data and clients.", gauge,
		func(m *server.Metrics) float64 { return float64(m.StartupMemory) }},
	{"redis_memory_used_overhead_bytes", "Memory in use that is neither keys nor values: that from the start, clients, and the tables that find keys and deadlines.", gauge,
		func(m *server.Metrics) float64 { return float64(m.Overhead) }},
	{"redis_memory_used_dataset_bytes", "Memory in use without its overhead: keys and values.", gauge,
		func(m *server.Metrics) float64 { return float64(max(0, m.UsedMemory-m.Overhead)) }},
	{"redis_mem_clients_normal", "What clients take of the memory in use.", gauge,
		func(m *server.Metrics) float64 { return float64(m.ClientMemory) }},
	{"redis_memory_max_bytes", "What of the memory may be in use: maxmemory; 0 is without a limit.", gauge,
		func(m *server.Metrics) float64 { return float64(m.MaxMemory) }},
	{"redis_evicted_keys_total", "Keys that have gone because memory was full.", counter,
		func(m *server.Metrics) float64 { return float64(m.Evicted) }},
	{"redis_evicted_clients_total", "Clients closed because of maxmemory-clients.", counter,
		func(m *server.Metrics) float64 { return float64(m.ClientsCut) }},
	{"parley_memory_full_seconds_total", "For how long more memory than maxmemory has been in use.", counter,
		func(m *server.Metrics) float64 { return (m.WasFull + m.Full).Seconds() }},

	{"parley_keys", "Keys in all databases.", gauge,
		func(m *server.Metrics) float64 { return float64(m.Keys) }},
	{"parley_key_changes_total", "Changes of keys since the server started.", counter,
		func(m *server.Metrics) float64 { return float64(m.Changes) }},
	{"redis_keyspace_hits_total", "Lookups that found a key.", counter,
		func(m *server.Metrics) float64 { return float64(m.Hits) }},
	{"redis_keyspace_misses_total", "Lookups that found none.", counter,
		func(m *server.Metrics) float64 { return float64(m.Misses) }},
	{"redis_expired_keys_total", "Keys that have gone at their deadline.", counter,
		func(m *server.Metrics) float64 { return float64(m.Expired) }},
	{"parley_expired_fields_total", "Fields of hashes that have gone at their deadline.", counter,
		func(m *server.Metrics) float64 { return float64(m.ExpiredFields) }},
	{"parley_expiry_seconds_total", "Time spent on what has reached its deadline.", counter,
		func(m *server.Metrics) float64 { return m.ExpiryTook.Seconds() }},
	{"redis_expired_time_cap_reached_total", "How often so much was due that some was left for the next time.", counter,
		func(m *server.Metrics) float64 { return float64(m.ExpiryCut) }},

	{"redis_pubsub_channels", "Channels with subscribers.", gauge,
		func(m *server.Metrics) float64 { return float64(m.Channels) }},
	{"redis_pubsub_patterns", "Patterns with subscribers.", gauge,
		func(m *server.Metrics) float64 { return float64(m.Patterns) }},
	{"redis_pubsubshard_channels", "Sharded channels with subscribers.", gauge,
		func(m *server.Metrics) float64 { return float64(m.ShardChannels) }},
	{"parley_tracked_keys", "Keys that are remembered for clients with CLIENT TRACKING.", gauge,
		func(m *server.Metrics) float64 { return float64(m.TrackedKeys) }},
	{"parley_tracked_reads", "Reads that are remembered: one for each key and client.", gauge,
		func(m *server.Metrics) float64 { return float64(m.TrackedReads) }},
	{"parley_tracked_prefixes", "Prefixes that clients track by.", gauge,
		func(m *server.Metrics) float64 { return float64(m.TrackedPrefixes) }},

	{"redis_slowlog_length", "Calls in the slow log.", gauge,
		func(m *server.Metrics) float64 { return float64(m.SlowLog) }},
	{"parley_slow_calls_total", "Calls that have entered the slow log.", counter,
		func(m *server.Metrics) float64 { return float64(m.SlowCalls) }},
}

// A sample is one value of a family: with its labels' values.
type sample struct {
	value  float64
	labels []string
}

// A family is a metric with labels: a value for each of something.
type family struct {
	name, help string
	labels     []string
	kind       prometheus.ValueType
	samples    func(*server.Metrics) []sample
}

var families = []family{
	{"redis_instance_info", "1, with what the server is in the labels.",
		[]string{"role", "redis_version", "redis_mode", "maxmemory_policy", "parley_version", "run_id"}, gauge,
		func(m *server.Metrics) []sample {
			return []sample{{1, []string{"master", m.RedisVersion, "standalone", m.Policy, m.Version, m.RunID}}}
		}},

	{"redis_db_keys", "Keys of a database.", []string{"db"}, gauge,
		eachDatabase(func(d *commands.DatabaseMetrics) float64 { return float64(d.Keys) })},
	{"redis_db_keys_expiring", "Keys of a database that have a deadline.", []string{"db"}, gauge,
		eachDatabase(func(d *commands.DatabaseMetrics) float64 { return float64(d.Volatile) })},
	{"redis_db_avg_ttl_seconds", "What the keys with a deadline have left on average, estimated.", []string{"db"}, gauge,
		eachDatabase(func(d *commands.DatabaseMetrics) float64 { return d.AverageTTL.Seconds() })},

	{"redis_commands_total", "Calls of a command.", []string{"cmd"}, counter,
		eachCommand(func(c *commands.CommandMetrics) float64 { return float64(c.Calls) })},
	{"redis_commands_duration_seconds_total", "Time that the calls of a command took.", []string{"cmd"}, counter,
		eachCommand(func(c *commands.CommandMetrics) float64 { return c.Took.Seconds() })},
	{"redis_commands_rejected_calls_total", "Calls of a command that were refused before they ran.", []string{"cmd"}, counter,
		eachCommand(func(c *commands.CommandMetrics) float64 { return float64(c.Rejected) })},
	{"redis_commands_failed_calls_total", "Calls of a command that ran and were answered with an error.", []string{"cmd"}, counter,
		eachCommand(func(c *commands.CommandMetrics) float64 { return float64(c.Failed) })},

	{"redis_errors_total", "Error replies, by their first word.", []string{"err"}, counter,
		func(m *server.Metrics) []sample { return eachName(m.Errors) }},
	{"parley_events_total", "Occasions for a line in the log: docs/OPERATIONS.md tells them. Lines that were not written are counted too.",
		[]string{"event"}, counter,
		func(m *server.Metrics) []sample { return eachName(m.Events) }},
}

func eachDatabase(value func(*commands.DatabaseMetrics) float64) func(*server.Metrics) []sample {
	return func(m *server.Metrics) (list []sample) {
		for i := range m.Databases {
			d := &m.Databases[i]
			list = append(list, sample{value(d), []string{"db" + strconv.Itoa(d.Index)}})
		}
		return list
	}
}

func eachCommand(value func(*commands.CommandMetrics) float64) func(*server.Metrics) []sample {
	return func(m *server.Metrics) (list []sample) {
		for i := range m.Commands {
			c := &m.Commands[i]
			list = append(list, sample{value(c), []string{c.Name}})
		}
		return list
	}
}

func eachName(counts map[string]int64) (list []sample) {
	for name, n := range counts {
		list = append(list, sample{float64(n), []string{name}})
	}
	return list
}

// A spread is a metric that is a histogram.
type spread struct {
	name, help string
	labels     []string
	read       func(*server.Metrics) []distribution
}

// A distribution is one histogram of a spread.
type distribution struct {
	labels []string
	count  uint64
	total  time.Duration
	upTo   map[float64]uint64 // by seconds
}

var spreads = []spread{
	{"parley_command_duration_seconds", "What the calls of a command took, as far as latency-tracking was on.", []string{"cmd"},
		func(m *server.Metrics) (list []distribution) {
			for i := range m.Commands {
				if c := &m.Commands[i]; c.Timed > 0 {
					list = append(list, commandTimes(c))
				}
			}
			return list
		}},
	{"parley_lock_held_seconds", "How long callers held the lock on the data: each for the calls that it had ready, 64 at most.", nil,
		func(m *server.Metrics) []distribution { return []distribution{timings(m.LockHeld)} }},
	{"parley_lock_wait_seconds", "How long callers waited for the lock on the data, those left out that found it free.", nil,
		func(m *server.Metrics) []distribution { return []distribution{timings(m.LockWait)} }},
}

func commandTimes(c *commands.CommandMetrics) distribution {
	d := distribution{[]string{c.Name}, c.Timed, c.TimedTook, make(map[float64]uint64)}
	for i, bound := range commands.TimeBounds {
		d.upTo[bound.Seconds()] = c.Times[i]
	}
	return d
}

func timings(t server.Histogram) distribution {
	d := distribution{nil, uint64(t.Count), t.Total, make(map[float64]uint64)}
	for _, s := range t.Steps {
		d.upTo[s.UpTo.Seconds()] = uint64(s.Count)
	}
	return d
}
