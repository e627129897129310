package commands

import (
	"cmp"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

var infoRows = []Command{
	{
		Name: "info", Syntax: "[section [section ...]]",
		Summary: "Tells the state of the server and what it has done, for people and monitoring tools.",
		Since:   "1.0.0", Group: "server", Complexity: "O(1)",
		Arity: -1, Flags: Loading | Stale,
		ACL:  catDangerous,
		Tips: []string{"nondeterministic_output", "request_policy:all_shards", "response_policy:special"},
		Run:  info,
	},
}

// infoSections are in the order in which INFO gives them, and so are their
// fields. One that could only be made up is left out; docs/COMPATIBILITY.md
// lists those, with the reasons.
var infoSections = []struct {
	title string
	extra bool // not among the default sections
	write func(*Context, *infoText)
}{
	{"Server", false, infoServer},
	{"Clients", false, infoClients},
	{"Memory", false, infoMemory},
	{"Persistence", false, infoPersistence},
	{"Stats", false, infoStats},
	{"Replication", false, infoReplication},
	{"CPU", false, infoCPU},
	{"Modules", false, func(*Context, *infoText) {}},
	{"Commandstats", true, infoCommandStats},
	{"Errorstats", false, infoErrorStats},
	{"Latencystats", true, infoLatencyStats},
	{"Cluster", false, infoCluster},
	{"Keyspace", false, infoKeyspace},
}

func info(c *Context) error {
	wanted := make(map[string]bool)
	for _, section := range c.Args[1:] {
		wanted[lowered(string(section))] = true
	}
	all := wanted["all"] || wanted["everything"]
	usual := all || wanted["default"] || len(wanted) == 0
	var t infoText
	for _, s := range infoSections {
		if wanted[strings.ToLower(s.title)] || usual && !s.extra || all {
			t.section(s.title)
			s.write(c, &t)
		}
	}
	c.Verbatim("txt", t.String())
	return nil
}

// infoText is the text of INFO: sections of name:value lines.
type infoText struct{ strings.Builder }

func (t *infoText) section(title string) {
	if t.Len() > 0 {
		t.WriteString("\r\n")
	}
	t.WriteString("# " + title + "\r\n")
}

func (t *infoText) field(name string, value any) {
	fmt.Fprintf(t, "%s:%v\r\n", name, value)
}

// none writes fields about what this server does not have: there are 0 of it.
func (t *infoText) none(names ...string) {
	for _, name := range names {
		t.field(name, 0)
	}
}

func infoServer(c *Context, t *infoText) {
	up := max(0, c.Now-c.Host.Started) / 1000
	t.field("redis_version", RedisVersion)
	t.field("server_name", "parley")
	t.field("parley_version", c.Host.Version)
	t.field("redis_mode", "standalone")
	t.field("os", c.Host.OS)
	t.field("arch_bits", strconv.IntSize)
	t.field("go_version", runtime.Version())
	t.field("process_id", c.Host.Pid)
	t.field("process_supervised", "no")
	t.field("run_id", c.Host.RunID)
	t.field("tcp_port", cmp.Or(c.Host.Port, c.Host.TLSPort))
	t.field("server_time_usec", c.Micros)
	t.field("uptime_in_seconds", up)
	t.field("uptime_in_days", up/(24*60*60))
	t.field("lru_clock", c.Now/1000&(1<<24-1)) // what idle times are measured by, as Redis counts it
	t.field("executable", c.Host.Executable)
	t.field("config_file", "")
	t.field("io_threads_active", 0)
}

// infoClients tells of buffers as they are now: Redis of the last seconds.
func infoClients(c *Context, t *infoText) {
	blocked, input, output := 0, 0, 0
	for _, l := range c.Clients.All() {
		if l.Blocked {
			blocked++
		}
		use := l.peer().Usage()
		input, output = max(input, use.Query+use.QueryFree), max(output, use.Output)
	}
	t.field("connected_clients", c.Clients.Len())
	t.field("cluster_connections", 0)
	t.field("maxclients", c.Config.MaxClients)
	t.field("client_recent_max_input_buffer", input)
	t.field("client_recent_max_output_buffer", output)
	t.field("blocked_clients", blocked)
	t.field("tracking_clients", c.Tracking.numClients())
}

func infoPersistence(c *Context, t *infoText) {
	t.none("loading", "async_loading", "current_cow_peak", "current_cow_size", "current_cow_size_age")
	t.field("current_fork_perc", "0.00")
	t.none("current_save_keys_processed", "current_save_keys_total")
	t.field("rdb_changes_since_last_save", c.changes)
	t.none("rdb_bgsave_in_progress")
	t.field("rdb_last_save_time", c.Host.Started/1000) // as in a Redis that has not saved
	t.field("rdb_last_bgsave_status", "ok")
	t.field("rdb_last_bgsave_time_sec", -1)
	t.field("rdb_current_bgsave_time_sec", -1)
	t.none("rdb_saves", "rdb_last_cow_size", "rdb_last_load_keys_expired", "rdb_last_load_keys_loaded",
		"aof_enabled", "aof_rewrite_in_progress", "aof_rewrite_scheduled")
	t.field("aof_last_rewrite_time_sec", -1)
	t.field("aof_current_rewrite_time_sec", -1)
	t.field("aof_last_bgrewrite_status", "ok")
	t.none("aof_rewrites", "aof_rewrites_consecutive_failures")
	t.field("aof_last_write_status", "ok")
	t.none("aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size")
}

func infoStats(c *Context, t *infoText) {
	s := &c.Stats
	commands, inBytes, outBytes := s.perSecond(c.Micros)
	t.field("total_connections_received", s.Connections.Load())
	t.field("total_commands_processed", s.Commands.Load())
	t.field("instantaneous_ops_per_sec", int64(commands))
	t.field("total_net_input_bytes", s.InBytes.Load())
	t.field("total_net_output_bytes", s.OutBytes.Load())
	t.none("total_net_repl_input_bytes", "total_net_repl_output_bytes")
	t.field("instantaneous_input_kbps", twoDigits(inBytes/1024))
	t.field("instantaneous_output_kbps", twoDigits(outBytes/1024))
	t.field("instantaneous_input_repl_kbps", "0.00")
	t.field("instantaneous_output_repl_kbps", "0.00")
	t.field("rejected_connections", s.Rejected.Load())
	t.none("sync_full", "sync_partial_ok", "sync_partial_err")
	t.field("expired_keys", s.Expired.Load())
	t.field("expired_subkeys", s.ExpiredFields.Load())
	t.field("expired_time_cap_reached_count", s.ExpiryCut.Load())
	t.field("expire_cycle_cpu_milliseconds", s.ExpiryNanos.Load()/1e6)
	full, wasFull := c.Eviction.exceededFor(c.Micros)
	t.field("evicted_keys", s.Evicted.Load())
	t.field("evicted_clients", s.EvictedClients.Load())
	t.field("total_eviction_exceeded_time", wasFull.Milliseconds())
	t.field("current_eviction_exceeded_time", full.Milliseconds())
	t.field("keyspace_hits", s.Hits.Load())
	t.field("keyspace_misses", s.Misses.Load())
	t.field("pubsub_channels", c.Channels.count(ToChannel))
	t.field("pubsub_patterns", c.Channels.count(ToPattern))
	t.field("pubsubshard_channels", c.Channels.count(ToShard))
	t.none("latest_fork_usec", "total_forks", "migrate_cached_sockets", "slave_expires_tracked_keys",
		"active_defrag_hits", "active_defrag_misses", "active_defrag_key_hits", "active_defrag_key_misses",
		"total_active_defrag_time", "current_active_defrag_time")
	t.field("tracking_total_keys", c.Tracking.numKeys())
	t.field("tracking_total_items", c.Tracking.numReads())
	t.field("tracking_total_prefixes", c.Tracking.numPrefixes())
	t.none("unexpected_error_replies")
	t.field("total_error_replies", s.Errors.Load())
	t.none("dump_payload_sanitizations")
	t.field("total_reads_processed", s.Reads.Load())
	t.none("io_threaded_reads_processed", "io_threaded_writes_processed")
	t.field("client_output_buffer_limit_disconnections", s.Overflowed.Load())
	t.field("client_output_timeout_disconnections", s.LateToRead.Load())
	t.field("client_query_timeout_disconnections", s.LateToSend.Load())
	t.field("client_idle_timeout_disconnections", s.Idle.Load())
}

func infoReplication(_ *Context, t *infoText) {
	t.field("role", "master")
	t.none("connected_slaves")
	t.field("master_failover_state", "no-failover")
	t.none("master_repl_offset", "repl_backlog_active", "repl_backlog_first_byte_offset", "repl_backlog_histlen")
}

func infoCPU(c *Context, t *infoText) {
	if c.Host.CPU == nil {
		return
	}
	sys, user := c.Host.CPU()
	t.field("used_cpu_sys", fmt.Sprintf("%.6f", sys))
	t.field("used_cpu_user", fmt.Sprintf("%.6f", user))
	t.field("used_cpu_sys_children", "0.000000")
	t.field("used_cpu_user_children", "0.000000")
}

func infoCommandStats(c *Context, t *infoText) {
	c.Table.eachRow(func(m *Command) {
		s := c.Stats.Of(m)
		calls, nanos := s.Calls.Load(), s.Nanos.Load()
		rejected, failed := s.Rejected.Load(), s.Failed.Load()
		if calls+rejected+failed == 0 {
			return
		}
		t.field("cmdstat_"+m.FullName(), fmt.Sprintf("calls=%d,usec=%d,usec_per_call=%.2f,rejected_calls=%d,failed_calls=%d",
			calls, nanos/1000, float64(nanos)/1000/float64(max(1, calls)), rejected, failed))
	})
}

func infoLatencyStats(c *Context, t *infoText) {
	if !c.Config.LatencyTracking {
		return
	}
	c.Table.eachRow(func(m *Command) {
		h := c.Stats.Of(m).times.Load()
		if h == nil {
			return
		}
		parts := h.parts()
		var texts []string
		for _, p := range c.Config.LatencyPercentiles {
			texts = append(texts, fmt.Sprintf("p%s=%.3f", percentText(p), float64(percentile(parts, p))/1000))
		}
		t.field("latency_percentiles_usec_"+m.FullName(), strings.Join(texts, ","))
	})
}

func infoErrorStats(c *Context, t *infoText) {
	counts := c.Stats.ErrorsByCode()
	for _, code := range slices.Sorted(maps.Keys(counts)) {
		t.field("errorstat_"+code, fmt.Sprintf("count=%d", counts[code]))
	}
}

func infoCluster(_ *Context, t *infoText) { t.field("cluster_enabled", 0) }

func infoKeyspace(c *Context, t *infoText) {
	for i, db := range c.Databases {
		if db.Len() > 0 {
			t.field("db"+strconv.Itoa(i), fmt.Sprintf("keys=%d,expires=%d,avg_ttl=%d",
				db.Len(), db.Volatile(), db.AverageTTL(c.Now)))
		}
	}
}
