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

// A row is a metric with one value. Metrics that begin with redis_ have the
// names and meanings of redis_exporter, so that its dashboards and alerts work.
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

	{"redis_cpu_sys_seconds_total", "CPU time of the process in the kernel.", counter,
		func(m *server.Metrics) float64 { return m.CPUSystem }},
	{"redis_cpu_user_seconds_total", "CPU time of the process in user code.", counter,
		func(m *server.Metrics) float64 { return m.CPUUser }},

	{"redis_connected_clients", "Connected clients.", gauge,
		func(m *server.Metrics) float64 { return float64(m.Clients) }},
	{"redis_blocked_clients", "Blocked clients: on a key, a time, or the end of CLIENT PAUSE.", gauge,
		func(m *server.Metrics) float64 { return float64(m.Blocked) }},
	{"redis_tracking_clients", "Clients with CLIENT TRACKING.", gauge,
		func(m *server.Metrics) float64 { return float64(m.TrackingClients) }},
	{"redis_config_maxclients", "The parameter maxclients.", gauge,
		func(m *server.Metrics) float64 { return float64(m.MaxClients) }},
	{"parley_subscribed_clients", "Clients that are subscribed to a channel or pattern.", gauge,
		func(m *server.Metrics) float64 { return float64(m.Subscribers) }},
	{"parley_monitoring_clients", "Clients in MONITOR.", gauge,
		func(m *server.Metrics) float64 { return float64(m.Monitors) }},
	{"parley_client_input_bytes", "Bytes received that have not run yet.", gauge,
		func(m *server.Metrics) float64 { return float64(m.Input) }},
	{"parley_client_output_bytes", "Bytes of replies and messages that clients have not read yet.", gauge,
		func(m *server.Metrics) float64 { return float64(m.Output) }},
	{"redis_client_recent_max_output_buffer_bytes", "The largest number of bytes that one client has not read yet.", gauge,
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
	{"parley_reads_total", "Reads from connections.", counter,
		func(m *server.Metrics) float64 { return float64(m.Reads) }},

	{"redis_memory_used_bytes", "Memory used by data and clients, computed by the server: what maxmemory limits.", gauge,
		func(m *server.Metrics) float64 { return float64(m.UsedMemory) }},
	{"redis_memory_used_peak_bytes", "The peak of used memory.", gauge,
		func(m *server.Metrics) float64 { return float64(m.PeakMemory) }},
	{"redis_memory_used_startup_bytes", "Memory used without data and clients.", gauge,
		func(m *server.Metrics) float64 { return float64(m.StartupMemory) }},
	{"redis_memory_used_overhead_bytes", "Used memory that is neither keys nor values: memory used at the start, clients, and tables of keys and deadlines.", gauge,
		func(m *server.Metrics) float64 { return float64(m.Overhead) }},
	{"redis_memory_used_dataset_bytes", "Used memory without overhead: keys and values.", gauge,
		func(m *server.Metrics) float64 { return float64(max(0, m.UsedMemory-m.Overhead)) }},
	{"redis_mem_clients_normal", "Memory used by clients.", gauge,
		func(m *server.Metrics) float64 { return float64(m.ClientMemory) }},
	{"redis_memory_max_bytes", "The parameter maxmemory; 0: no limit.", gauge,
		func(m *server.Metrics) float64 { return float64(m.MaxMemory) }},
	{"redis_evicted_keys_total", "Keys evicted because of maxmemory.", counter,
		func(m *server.Metrics) float64 { return float64(m.Evicted) }},
	{"redis_evicted_clients_total", "Clients closed because of maxmemory-clients.", counter,
		func(m *server.Metrics) float64 { return float64(m.ClientsCut) }},
	{"parley_memory_full_seconds_total", "Time during which used memory exceeded maxmemory.", counter,
		func(m *server.Metrics) float64 { return (m.WasFull + m.Full).Seconds() }},

	{"parley_keys", "Keys in all databases.", gauge,
		func(m *server.Metrics) float64 { return float64(m.Keys) }},
	{"parley_key_changes_total", "Changes of keys since the server started.", counter,
		func(m *server.Metrics) float64 { return float64(m.Changes) }},
	{"redis_keyspace_hits_total", "Lookups that found a key.", counter,
		func(m *server.Metrics) float64 { return float64(m.Hits) }},
	{"redis_keyspace_misses_total", "Lookups that found none.", counter,
		func(m *server.Metrics) float64 { return float64(m.Misses) }},
	{"redis_expired_keys_total", "Keys expired.", counter,
		func(m *server.Metrics) float64 { return float64(m.Expired) }},
	{"parley_expired_fields_total", "Hash fields expired.", counter,
		func(m *server.Metrics) float64 { return float64(m.ExpiredFields) }},
	{"parley_expiry_seconds_total", "Time spent on expiry.", counter,
		func(m *server.Metrics) float64 { return m.ExpiryTook.Seconds() }},
	{"redis_expired_time_cap_reached_total", "Expiry cycles that ended at their time limit with expired keys left.", counter,
		func(m *server.Metrics) float64 { return float64(m.ExpiryCut) }},

	{"redis_pubsub_channels", "Channels with subscribers.", gauge,
		func(m *server.Metrics) float64 { return float64(m.Channels) }},
	{"redis_pubsub_patterns", "Patterns with subscribers.", gauge,
		func(m *server.Metrics) float64 { return float64(m.Patterns) }},
	{"redis_pubsubshard_channels", "Sharded channels with subscribers.", gauge,
		func(m *server.Metrics) float64 { return float64(m.ShardChannels) }},
	{"parley_tracked_keys", "Keys in the tracking table of CLIENT TRACKING.", gauge,
		func(m *server.Metrics) float64 { return float64(m.TrackedKeys) }},
	{"parley_tracked_reads", "Entries of the tracking table: one for each key and client.", gauge,
		func(m *server.Metrics) float64 { return float64(m.TrackedReads) }},
	{"parley_tracked_prefixes", "Prefixes that clients track by.", gauge,
		func(m *server.Metrics) float64 { return float64(m.TrackedPrefixes) }},

	{"redis_slowlog_length", "Calls in the slow log.", gauge,
		func(m *server.Metrics) float64 { return float64(m.SlowLog) }},
	{"parley_slow_calls_total", "Calls added to the slow log.", counter,
		func(m *server.Metrics) float64 { return float64(m.SlowCalls) }},
}

// A sample is one value of a family, with its label values.
type sample struct {
	value  float64
	labels []string
}

// A family is a metric with labels: one value for each set of their values.
type family struct {
	name, help string
	labels     []string
	kind       prometheus.ValueType
	samples    func(*server.Metrics) []sample
}

var families = []family{
	{"redis_instance_info", "1, with properties of the server as labels.",
		[]string{"role", "redis_version", "redis_mode", "maxmemory_policy", "parley_version", "run_id"}, gauge,
		func(m *server.Metrics) []sample {
			return []sample{{1, []string{"master", m.RedisVersion, "standalone", m.Policy, m.Version, m.RunID}}}
		}},

	{"redis_db_keys", "Keys of a database.", []string{"db"}, gauge,
		eachDatabase(func(d *commands.DatabaseMetrics) float64 { return float64(d.Keys) })},
	{"redis_db_keys_expiring", "Keys of a database that have a deadline.", []string{"db"}, gauge,
		eachDatabase(func(d *commands.DatabaseMetrics) float64 { return float64(d.Volatile) })},
	{"redis_db_avg_ttl_seconds", "Estimated average time to live of the keys with a deadline.", []string{"db"}, gauge,
		eachDatabase(func(d *commands.DatabaseMetrics) float64 { return d.AverageTTL.Seconds() })},

	{"redis_commands_total", "Calls of a command.", []string{"cmd"}, counter,
		eachCommand(func(c *commands.CommandMetrics) float64 { return float64(c.Calls) })},
	{"redis_commands_duration_seconds_total", "Time that the calls of a command took.", []string{"cmd"}, counter,
		eachCommand(func(c *commands.CommandMetrics) float64 { return c.Took.Seconds() })},
	{"redis_commands_rejected_calls_total", "Calls of a command that were rejected before they ran.", []string{"cmd"}, counter,
		eachCommand(func(c *commands.CommandMetrics) float64 { return float64(c.Rejected) })},
	{"redis_commands_failed_calls_total", "Calls of a command that ran and got an error reply.", []string{"cmd"}, counter,
		eachCommand(func(c *commands.CommandMetrics) float64 { return float64(c.Failed) })},

	{"redis_errors_total", "Error replies, by their first word.", []string{"err"}, counter,
		func(m *server.Metrics) []sample { return eachName(m.Errors) }},
	{"parley_events_total", "Log events, those of rate-limited lines included; docs/OPERATIONS.md lists them.",
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

// A histogramFamily is a metric that is a histogram.
type histogramFamily struct {
	name, help string
	labels     []string
	read       func(*server.Metrics) []histogram
}

// A histogram is the values for one set of labels.
type histogram struct {
	labels  []string
	count   uint64
	total   time.Duration
	buckets map[float64]uint64 // cumulative counts by upper bound in seconds
}

var histogramFamilies = []histogramFamily{
	{"parley_command_duration_seconds", "Duration of a command's calls while latency-tracking was on.", []string{"cmd"},
		func(m *server.Metrics) (list []histogram) {
			for i := range m.Commands {
				if c := &m.Commands[i]; c.Timed > 0 {
					list = append(list, commandTimes(c))
				}
			}
			return list
		}},
	{"parley_lock_held_seconds", "How long callers held the data lock, each for at most 64 calls.", nil,
		func(m *server.Metrics) []histogram { return []histogram{timings(m.LockHeld)} }},
	{"parley_lock_wait_seconds", "How long callers waited for the data lock, without those that found it free.", nil,
		func(m *server.Metrics) []histogram { return []histogram{timings(m.LockWait)} }},
}

func commandTimes(c *commands.CommandMetrics) histogram {
	d := histogram{[]string{c.Name}, c.Timed, c.TimedTook, make(map[float64]uint64)}
	for i, bound := range commands.TimeBounds {
		d.buckets[bound.Seconds()] = c.Times[i]
	}
	return d
}

func timings(t server.Histogram) histogram {
	d := histogram{nil, uint64(t.Count), t.Total, make(map[float64]uint64)}
	for _, s := range t.Steps {
		d.buckets[s.UpTo.Seconds()] = uint64(s.Count)
	}
	return d
}
