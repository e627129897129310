package commands

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"strconv"
)

// infoMemory tells what the server takes, by its own account; and, in the fields
// about an allocator and what is resident, of the whole process: Go has one heap
// for all in it.
func infoMemory(c *Context, t *infoText) {
	m := c.memory()
	t.bytes("used_memory", m.used)
	t.bytes("used_memory_rss", m.resident)
	t.bytes("used_memory_peak", m.peak)
	t.field("used_memory_peak_perc", percent(m.used, m.peak))
	t.field("used_memory_overhead", m.overhead)
	t.field("used_memory_startup", m.startup)
	t.field("used_memory_dataset", m.dataset())
	t.field("used_memory_dataset_perc", percent(m.dataset(), m.used-m.startup))
	t.field("allocator_allocated", m.heap)
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
	t.bytes("maxmemory", c.Config.MaxMemory)
	t.field("maxmemory_policy", c.Config.Policy)
	t.field("allocator_frag_ratio", twoDigits(ratio(m.active, m.heap)))
	t.field("allocator_frag_bytes", int64(m.active-m.heap))
	t.field("allocator_rss_ratio", twoDigits(ratio(m.held, m.active)))
	t.field("allocator_rss_bytes", int64(m.held-m.active))
	t.field("rss_overhead_ratio", twoDigits(ratio(m.resident, m.held)))
	t.field("rss_overhead_bytes", int64(m.resident-m.held))
	t.field("mem_fragmentation_ratio", twoDigits(ratio(m.resident, m.used)))
	t.field("mem_fragmentation_bytes", int64(m.resident-m.used))
	t.none("mem_not_counted_for_evict", "mem_replication_backlog", "mem_total_replication_buffers", "mem_clients_slaves")
	t.field("mem_clients_normal", m.clients)
	t.none("mem_cluster_links", "mem_aof_buffer")
	t.field("mem_allocator", runtime.Version())
	t.none("active_defrag_running", "lazyfree_pending_objects", "lazyfreed_objects")
}

// Memory is what the server and the process have of it, in bytes.
type memory struct {
	used     uint64 // by the server's account; see State.UsedMemory
	peak     uint64 // the most that used was
	startup  uint64 // of used: what there is without data and clients
	clients  uint64 // likewise: what they hold
	overhead uint64 // likewise: both, the tables of keys and of deadlines, and what is kept beside
	heap     uint64 // objects of the process on the heap, live or not yet collected
	active   uint64 // heap, and what is free between
	held     uint64 // all that the Go runtime has of the system
	resident uint64 // all that the process has; held, where the system does not tell
}

// dataset is what keys and values take.
func (m *memory) dataset() uint64 { return max(m.used, m.overhead) - m.overhead }

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
	m := memory{heap: value(0), active: value(0) + value(1), held: value(2) - value(3)}
	m.resident = m.held
	if s.Host.Resident != nil {
		m.resident = s.Host.Resident()
	}
	used := s.UsedMemory()
	s.memoryPeak = max(s.memoryPeak, used)
	m.used, m.peak = uint64(used), uint64(s.memoryPeak)
	m.startup, m.clients = uint64(s.startup()), uint64(s.ClientBytes.Load())
	m.overhead = uint64(s.overhead())
	return m
}

// overhead is what the server takes that is neither a key nor a value, but for the
// tables of channels and what is remembered for clients.
func (s *State) overhead() int {
	bytes := s.startup() + int(s.ClientBytes.Load()) + s.logBytes()
	for _, db := range s.Databases {
		keys, deadlines := db.Overhead()
		bytes += keys + deadlines
	}
	return bytes
}

func percent(a, b uint64) string { return fmt.Sprintf("%.2f%%", 100*ratio(a, b)) }

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
