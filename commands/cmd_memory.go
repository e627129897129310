package commands

import (
	"fmt"
	"runtime/metrics"
	"strings"
)

var memoryRow = Command{
	Name: "memory", Syntax: "",
	Summary: "Holds the commands about what takes memory.",
	Since:   "4.0.0", Group: "server", Complexity: "That of the subcommand",
	Arity: -2,
	Subs: []Command{
		{
			Name: "doctor", Syntax: "",
			Summary: "Says in words what is unusual about the memory.",
			Since:   "4.0.0", Group: "server", Complexity: "O(N), N being the connections",
			Arity: 2,
			Tips:  []string{"nondeterministic_output", "request_policy:all_shards", "response_policy:special"},
			Run:   memoryDoctor,
		},
		{
			Name: "help", Syntax: "",
			Summary: "Lists these subcommands.",
			Since:   "4.0.0", Group: "server", Complexity: "O(1)",
			Arity: 2, Flags: Loading | Stale,
			Run: Help,
		},
		{
			Name: "malloc-stats", Syntax: "",
			Summary: "Tells what the Go runtime says about its memory.",
			Since:   "4.0.0", Group: "server", Complexity: "O(1)",
			Arity: 2,
			Tips:  []string{"nondeterministic_output", "request_policy:all_shards", "response_policy:special"},
			Run:   memoryMallocStats,
		},
		{
			Name: "purge", Syntax: "",
			Summary: "Collects what is not used and gives free memory back to the system.",
			Since:   "4.0.0", Group: "server", Complexity: "O(N), N being the size of the heap",
			Arity: 2,
			Tips:  []string{"request_policy:all_shards", "response_policy:all_succeeded"},
			Run:   memoryPurge,
		},
		{
			Name: "stats", Syntax: "",
			Summary: "Tells in figures what takes memory.",
			Since:   "4.0.0", Group: "server", Complexity: "O(N), N being the connections, and the parts of the tables of keys",
			Arity: 2,
			Tips:  []string{"nondeterministic_output", "request_policy:all_shards", "response_policy:special"},
			Run:   memoryStats,
		},
		{
			Name: "usage", Syntax: "key [SAMPLES count]",
			Summary: "Tells the bytes that a key with its value takes.",
			Since:   "4.0.0", Group: "server", Complexity: "O(1)",
			Arity: -3, Flags: ReadOnly,
			Keys: Keys{{First: 2, Flags: RO}},
			Run:  memoryUsage,
		},
	},
}

// memoryUsage needs no samples, since values know what they take: any number of
// them gives the same answer.
func memoryUsage(c *Context) error {
	for words := c.Args[3:]; len(words) > 0; words = words[2:] {
		if !Is(words[0], "SAMPLES") || len(words) < 2 {
			return ErrSyntax
		}
		n, ok := ParseInt(words[1])
		switch {
		case !ok:
			return errNotInteger
		case n < 0:
			return ErrSyntax
		}
	}
	size, ok := c.DB.Memory(c.Args[2], c.Now)
	if !ok {
		c.Null()
		return nil
	}
	c.Int(size)
	return nil
}

// memoryStats gives the figures of Redis that are known here, by its names.
func memoryStats(c *Context) error {
	m := c.memory()
	mark, n := c.Mark(), 0
	name := func(name string) {
		c.BulkString(name)
		n++
	}
	number := func(key string, value int64) {
		name(key)
		c.Int64(value)
	}
	share := func(key string, value float64) {
		name(key)
		c.Double(value)
	}
	number("peak.allocated", int64(m.peak))
	number("total.allocated", int64(m.used))
	number("startup.allocated", int64(m.startup))
	number("replication.backlog", 0)
	number("clients.slaves", 0)
	number("clients.normal", int64(m.clients))
	number("cluster.links", 0)
	number("aof.buffer", 0)
	number("lua.caches", 0)
	number("functions.caches", 0)
	keys := 0
	for i, db := range c.Databases {
		if db.Len() == 0 {
			continue
		}
		keys += db.Len()
		table, deadlines := db.Overhead()
		name(fmt.Sprintf("db.%d", i))
		c.Map(3)
		c.BulkString("overhead.hashtable.main")
		c.Int(table)
		c.BulkString("overhead.hashtable.expires")
		c.Int(deadlines)
		c.BulkString("overhead.hashtable.slot-to-keys")
		c.Int(0)
	}
	number("overhead.total", int64(m.overhead))
	number("keys.count", int64(keys))
	number("keys.bytes-per-key", int64(m.used-m.startup)/max(1, int64(keys)))
	number("dataset.bytes", int64(m.dataset()))
	share("dataset.percentage", 100*ratio(m.dataset(), m.used-m.startup))
	share("peak.percentage", 100*ratio(m.used, m.peak))
	number("allocator.allocated", int64(m.heap))
	number("allocator.active", int64(m.active))
	number("allocator.resident", int64(m.held))
	share("allocator-fragmentation.ratio", ratio(m.active, m.heap))
	number("allocator-fragmentation.bytes", int64(m.active-m.heap))
	share("allocator-rss.ratio", ratio(m.held, m.active))
	number("allocator-rss.bytes", int64(m.held-m.active))
	share("rss-overhead.ratio", ratio(m.resident, m.held))
	number("rss-overhead.bytes", int64(m.resident-m.held))
	share("fragmentation", ratio(m.resident, m.used))
	number("fragmentation.bytes", int64(m.resident-m.used))
	c.CloseMap(mark, n)
	return nil
}

// Bounds beyond which MEMORY DOCTOR finds something to say.
const (
	smallHeap    = 5 << 20
	muchOfPeak   = 1.5
	muchUnused   = 1.4
	muchOfClient = 200 << 10
)

func memoryDoctor(c *Context) error {
	c.Verbatim("txt", memoryReport(c.memory(), c.Clients.Len()))
	return nil
}

func memoryReport(m memory, connections int) string {
	if m.heap < smallHeap {
		return "Next to nothing is in memory: there is nothing to say about it.\n"
	}
	var b strings.Builder
	if float64(m.peak) > muchOfPeak*float64(m.used) {
		fmt.Fprintf(&b, "Peak: %s were in use at one time, %s are now. MEMORY PURGE gives what is free back to the system.\n", human(m.peak), human(m.used))
	}
	if r := ratio(m.active, m.heap); r > muchUnused {
		fmt.Fprintf(&b, "Fragmentation: the heap takes %.2f times what is in use; values of many sizes have come and gone.\n", r)
	}
	if r := ratio(m.held, m.active); r > muchUnused {
		fmt.Fprintf(&b, "Room: the runtime holds %.2f times what the heap takes, for what comes; MEMORY PURGE gives it back.\n", r)
	}
	if connections > 0 && m.clients/uint64(connections) > muchOfClient {
		fmt.Fprintf(&b, "Clients: %d of them take %s: they send much at once, or do not read. CLIENT LIST tells which (qbuf, omem).\n", connections, human(m.clients))
	}
	if b.Len() == 0 {
		return "Nothing is unusual about the memory.\n"
	}
	return b.String()
}

// memoryMallocStats lists what the Go runtime measures.
func memoryMallocStats(c *Context) error {
	var samples []metrics.Sample
	for _, d := range metrics.All() {
		if d.Kind == metrics.KindUint64 && (strings.HasPrefix(d.Name, "/memory/") || strings.HasPrefix(d.Name, "/gc/")) {
			samples = append(samples, metrics.Sample{Name: d.Name})
		}
	}
	metrics.Read(samples)
	var b strings.Builder
	for _, s := range samples {
		fmt.Fprintf(&b, "%s %d\n", s.Name, s.Value.Uint64())
	}
	c.Verbatim("txt", b.String())
	return nil
}

func memoryPurge(c *Context) error {
	if c.Host.Purge != nil {
		c.Host.Purge()
	}
	c.OK()
	return nil
}
