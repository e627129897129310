package commands

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/parley-chat/parley/datastructs"
)

var slowlogRow = Command{
	Name: "slowlog", Syntax: "",
	Summary: "Holds the commands about the calls that took long.",
	Since:   "2.2.12", Group: "server", Complexity: "That of the subcommand",
	Arity: -2,
	Subs: []Command{
		{
			Name: "get", Syntax: "[count]",
			Summary: "Lists slow calls, the latest first: 10, or count, or with -1 all.",
			Since:   "2.2.12", Group: "server", Complexity: "O(N), N being the number of calls listed",
			Arity: -2, Flags: Admin | Loading | Stale,
			Tips: []string{"request_policy:all_nodes", "nondeterministic_output"},
			Run:  slowlogGet,
		},
		{
			Name: "help", Syntax: "",
			Summary: "Lists these subcommands.",
			Since:   "6.2.0", Group: "server", Complexity: "O(1)",
			Arity: 2, Flags: Loading | Stale,
			Run: Help,
		},
		{
			Name: "len", Syntax: "",
			Summary: "Counts the calls in the slow log.",
			Since:   "2.2.12", Group: "server", Complexity: "O(1)",
			Arity: 2, Flags: Admin | Loading | Stale,
			Tips: []string{"request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"},
			Run:  slowlogLen,
		},
		{
			Name: "reset", Syntax: "",
			Summary: "Empties the slow log.",
			Since:   "2.2.12", Group: "server", Complexity: "O(N), N being the number of calls in the log",
			Arity: 2, Flags: Admin | Loading | Stale,
			Tips: []string{"request_policy:all_nodes", "response_policy:all_succeeded"},
			Run:  slowlogReset,
		},
	},
}

// A SlowLog keeps the last of the calls that took long. The zero value is ready.
type SlowLog struct {
	mu      sync.Mutex           // guards all below: reads, which run side by side, add to it
	next    int64                // id; never starts again
	entries []slowCall           // the oldest first
	names   map[string]*slowName // of clients
	bytes   atomic.Int64
}

type slowCall struct {
	id     int64
	time   int64 // Unix s
	micros int64 // that it took
	words  []string
	client string // its address
	name   string
}

// Of a long call the log keeps the first words and of a long word the first bytes.
const (
	maxSlowWords = 32
	maxSlowWord  = 128
)

// add enters a call. Which are too many is found when one is added, as in Redis.
func (s *SlowLog) add(c *Context, words [][]byte, micros int64) {
	call := slowCall{time: c.Micros / 1e6, micros: micros, words: shortened(words)}
	if c.Client != nil {
		call.client, call.name = c.Client.Addr, c.Client.Name
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	call.id = s.next
	s.next++
	call.name = s.addName(call.name)
	s.entries = append(s.entries, call)
	s.bytes.Add(call.bytes())
	if over := int64(len(s.entries)) - c.Config.SlowlogMaxLen; over > 0 {
		for _, gone := range s.entries[:over] {
			s.bytes.Add(-gone.bytes())
			s.dropName(gone.name)
		}
		clear(s.entries[:over])
		s.entries = s.entries[over:]
	}
}

// A slowName is a client's name as entries keep it: a copy, since the client may take
// another, for all of them.
type slowName struct {
	text    string
	entries int
}

func (s *SlowLog) addName(name string) string {
	if name == "" {
		return ""
	}
	kept := s.names[name]
	if kept == nil {
		kept = &slowName{text: strings.Clone(name)}
		if s.names == nil {
			s.names = make(map[string]*slowName)
		}
		s.names[kept.text] = kept
		s.bytes.Add(nameBytes(name))
	}
	kept.entries++
	return kept.text
}

func (s *SlowLog) dropName(name string) {
	kept := s.names[name]
	if kept == nil {
		return
	}
	if kept.entries--; kept.entries == 0 {
		delete(s.names, name)
		s.bytes.Add(-nameBytes(name))
	}
}

func nameBytes(name string) int64 { return int64(entryBytes + 24 + datastructs.TextBytes(len(name))) }

// bytes is what an entry takes without its name; its room in the list counts with
// what a growing list has free.
func (e *slowCall) bytes() int64 {
	size := int(unsafe.Sizeof(slowCall{}))*5/4 + datastructs.TextBytes(cap(e.words)*textBytes) + datastructs.TextBytes(len(e.client))
	for _, w := range e.words {
		size += datastructs.TextBytes(len(w))
	}
	return int64(size)
}

func shortened(words [][]byte) []string {
	more := 0
	if len(words) > maxSlowWords {
		more = len(words) - (maxSlowWords - 1)
		words = words[:maxSlowWords-1]
	}
	kept := make([]string, 0, len(words)+1)
	for _, w := range words {
		if len(w) > maxSlowWord {
			kept = append(kept, fmt.Sprintf("%s... (%d more bytes)", w[:maxSlowWord], len(w)-maxSlowWord))
		} else {
			kept = append(kept, string(w))
		}
	}
	if more > 0 {
		kept = append(kept, fmt.Sprintf("... (%d more arguments)", more))
	}
	return kept
}

// last returns up to n entries, the latest first.
func (s *SlowLog) last(n int) []slowCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Clone(s.entries[max(0, len(s.entries)-n):])
	slices.Reverse(list)
	return list
}

func (s *SlowLog) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries)
}

// size tells how many entries are kept, and how many there have been.
func (s *SlowLog) size() (kept int, ever int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries), s.next
}

func (s *SlowLog) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries, s.names = nil, nil
	s.bytes.Store(0)
}

func slowlogGet(c *Context) error {
	count := int64(10)
	switch len(c.Args) {
	case 2:
	case 3:
		n, ok := ParseInt(c.Args[2])
		if !ok || n < -1 {
			return Errorf("ERR count should be greater than or equal to -1")
		}
		if count = n; n == -1 {
			count = math.MaxInt32
		}
	default:
		return c.subcommandError()
	}
	list := c.SlowLog.last(int(min(count, math.MaxInt32)))
	c.Array(len(list))
	for _, call := range list {
		c.Array(6)
		c.Int64(call.id)
		c.Int64(call.time)
		c.Int64(call.micros)
		c.Array(len(call.words))
		for _, w := range call.words {
			c.BulkString(w)
		}
		c.BulkString(call.client)
		c.BulkString(call.name)
	}
	return nil
}

func slowlogLen(c *Context) error {
	c.Int(c.SlowLog.len())
	return nil
}

func slowlogReset(c *Context) error {
	c.SlowLog.reset()
	c.OK()
	return nil
}
