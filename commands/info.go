package commands

import (
	"fmt"
	"maps"
	"runtime"
	"runtime/metrics"
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
		ACL:  CatDangerous,
		Tips: []string{"nondeterministic_output", "request_policy:all_shards", "response_policy:special"},
		Run:  info,
	},
}

// RedisVersion is the version of redis-server whose behaviour is followed and verified.
const RedisVersion = "7.0.15"

// infoSections are in the order in which INFO gives them. A field that could
// only be made up is left out.
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
	{"Latencystats", true, func(*Context, *infoText) {}},
	{"Cluster", false, infoCluster},
	{"Keyspace", false, infoKeyspace},
}

func info(c *Context) error {
	wanted := make(map[string]bool)
	for _, section := range c.Args[1:] {
		wanted[strings.ToLower(string(section))] = true
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
	t.field("run_id", c.Host.RunID)
	t.field("tcp_port", c.Host.Port)
	t.field("server_time_usec", c.Micros)
	t.field("uptime_in_seconds", up)
	t.field("uptime_in_days", up/(24*60*60))
	t.field("executable", c.Host.Executable)
	t.field("config_file", "")
}

func infoClients(c *Context, t *infoText) {
	blocked := 0
	for _, l := range c.Clients.All() {
		if l.Blocked {
			blocked++
		}
	}
	t.field("connected_clients", c.Clients.Len())
	t.field("cluster_connections", 0)
	t.field("maxclients", c.Config.MaxClients)
	t.field("blocked_clients", blocked)
	t.field("tracking_clients", c.Tracking.Clients())
}

// infoMemory tells of the whole process, since Go has one heap for all in it.
func infoMemory(_ *Context, t *infoText) {
	used, held := memory()
	t.field("used_memory", used)
	t.field("used_memory_human", human(used))
	t.field("used_memory_runtime", held)
	t.field("used_memory_runtime_human", human(held))
	t.field("maxmemory", 0)
	t.field("maxmemory_human", human(0))
	t.field("maxmemory_policy", "noeviction")
	t.field("mem_allocator", runtime.Version())
}

// memory returns the bytes of the heap in use, live or not yet collected, and
// all that the Go runtime holds of the system's memory.
func memory() (used, held uint64) {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	return samples[0].Value.Uint64(), samples[1].Value.Uint64() - samples[2].Value.Uint64()
}

// human writes a number of bytes as Redis does: 1023B, 1.50K, 2.00G.
func human(bytes uint64) string {
	if bytes < 1024 {
		return strconv.FormatUint(bytes, 10) + "B"
	}
	size, units := float64(bytes)/1024, "KMGTP"
	for size >= 1024 && len(units) > 1 {
		size, units = size/1024, units[1:]
	}
	return fmt.Sprintf("%.2f%c", size, units[0])
}

func infoPersistence(_ *Context, t *infoText) {
	for _, name := range []string{
		"loading", "async_loading", "rdb_bgsave_in_progress", "rdb_saves",
		"aof_enabled", "aof_rewrite_in_progress", "aof_rewrite_scheduled",
	} {
		t.field(name, 0)
	}
}

func infoStats(c *Context, t *infoText) {
	s := &c.Stats
	t.field("total_connections_received", s.Connections.Load())
	t.field("total_commands_processed", s.Commands.Load())
	t.field("total_net_input_bytes", s.InBytes.Load())
	t.field("total_net_output_bytes", s.OutBytes.Load())
	t.field("rejected_connections", s.Rejected.Load())
	t.field("expired_keys", s.Expired.Load())
	t.field("expired_subkeys", s.ExpiredFields.Load())
	t.field("evicted_keys", 0)
	t.field("evicted_clients", 0)
	t.field("keyspace_hits", s.Hits.Load())
	t.field("keyspace_misses", s.Misses.Load())
	t.field("pubsub_channels", c.Channels.Len(ToChannel))
	t.field("pubsub_patterns", c.Channels.Len(ToPattern))
	t.field("pubsubshard_channels", c.Channels.Len(ToShard))
	t.field("latest_fork_usec", 0)
	t.field("total_forks", 0)
	t.field("tracking_total_keys", c.Tracking.Keys())
	t.field("tracking_total_items", c.Tracking.Items())
	t.field("tracking_total_prefixes", c.Tracking.Prefixes())
	t.field("total_error_replies", s.Errors.Load())
	t.field("client_output_buffer_limit_disconnections", s.Overflowed.Load())
}

func infoReplication(_ *Context, t *infoText) {
	t.field("role", "master")
	t.field("connected_slaves", 0)
	t.field("master_failover_state", "no-failover")
	t.field("master_repl_offset", 0)
}

func infoCPU(c *Context, t *infoText) {
	if c.Host.CPU == nil {
		return
	}
	sys, user := c.Host.CPU()
	t.field("used_cpu_sys", fmt.Sprintf("%.6f", sys))
	t.field("used_cpu_user", fmt.Sprintf("%.6f", user))
}

func infoCommandStats(c *Context, t *infoText) {
	for _, m := range c.Table.Rows() {
		infoCommandStat(c, t, m)
		for _, sub := range m.Children() {
			infoCommandStat(c, t, sub)
		}
	}
}

func infoCommandStat(c *Context, t *infoText, m *Command) {
	s := c.Stats.Of(m)
	calls, micros := s.Calls.Load(), s.Micros.Load()
	rejected, failed := s.Rejected.Load(), s.Failed.Load()
	if calls+rejected+failed == 0 {
		return
	}
	t.field("cmdstat_"+m.FullName(), fmt.Sprintf("calls=%d,usec=%d,usec_per_call=%.2f,rejected_calls=%d,failed_calls=%d",
		calls, micros, float64(micros)/float64(max(1, calls)), rejected, failed))
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
