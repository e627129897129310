package commands

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"strconv"
)

// infoMemory tells of the whole process, since Go has one heap for all in it.
func infoMemory(c *Context, t *infoText) {
	m := c.memory()
	t.bytes("used_memory", m.used)
	t.bytes("used_memory_rss", m.resident)
	t.bytes("used_memory_peak", m.peak)
	t.field("used_memory_peak_perc", fmt.Sprintf("%.2f%%", 100*ratio(m.used, m.peak)))
	t.field("allocator_allocated", m.used)
	t.field("allocator_active", m.active)
	t.field("allocator_resident", m.held)
	t.bytes("total_system_memory", c.Host.TotalMemory)
	t.none("used_memory_lua", "used_memory_vm_eval")
	t.field("used_memory_lua_human", human(0))
	t.none("used_memory_scripts_eval", "number_of_cached_scripts", "number_of_functions", "number_of_libraries",
		"used_memory_vm_functions", "used_memory_vm_total")
	t.field("used_memory_vm_total_human", human(0))
	t.none("used_memory_functions", "used_memory_scripts")
	t.field("used_memory_scripts_human", human(0))
	t.bytes("maxmemory", 0)
	t.field("maxmemory_policy", "noeviction")
	t.field("allocator_frag_ratio", twoDigits(ratio(m.active, m.used)))
	t.field("allocator_frag_bytes", int64(m.active-m.used))
	t.field("allocator_rss_ratio", twoDigits(ratio(m.held, m.active)))
	t.field("allocator_rss_bytes", int64(m.held-m.active))
	t.field("rss_overhead_ratio", twoDigits(ratio(m.resident, m.held)))
	t.field("rss_overhead_bytes", int64(m.resident-m.held))
	t.field("mem_fragmentation_ratio", twoDigits(ratio(m.resident, m.used)))
	t.field("mem_fragmentation_bytes", int64(m.resident-m.used))
	t.none("mem_not_counted_for_evict", "mem_replication_backlog", "mem_total_replication_buffers", "mem_clients_slaves")
	t.field("mem_clients_normal", clientsMemory(c))
	t.none("mem_cluster_links", "mem_aof_buffer")
	t.field("mem_allocator", runtime.Version())
	t.none("active_defrag_running", "lazyfree_pending_objects", "lazyfreed_objects")
}

// Memory is what the process has of it, in bytes.
type memory struct {
	used     uint64 // objects on the heap, live or not yet collected
	peak     uint64 // the most that used was when somebody asked
	active   uint64 // used, and what is free between
	held     uint64 // all that the Go runtime has of the system
	resident uint64 // all that the process has; held, where the system does not tell
}

// memory asks the Go runtime and the system.
func (s *State) memory() memory {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	value := func(i int) uint64 { return samples[i].Value.Uint64() }
	m := memory{used: value(0), active: value(0) + value(1), held: value(2) - value(3)}
	m.resident = m.held
	if s.Host.Resident != nil {
		m.resident = s.Host.Resident()
	}
	s.memoryPeak = max(s.memoryPeak, m.used)
	m.peak = s.memoryPeak
	return m
}

func ratio(a, b uint64) float64 { return float64(a) / float64(max(1, b)) }

func twoDigits(f float64) string { return strconv.FormatFloat(f, 'f', 2, 64) }

// bytes writes a size twice, for programs and for people.
func (t *infoText) bytes(name string, n uint64) {
	t.field(name, n)
	t.field(name+"_human", human(n))
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
