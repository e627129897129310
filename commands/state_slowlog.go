package commands

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/parley-chat/parley/datastructs"
)

// A slowLog keeps the last of the calls that took long. The zero value is ready.
type slowLog struct {
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
func (s *slowLog) add(c *Context, words [][]byte, micros int64) {
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

func (s *slowLog) addName(name string) string {
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

func (s *slowLog) dropName(name string) {
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
func (s *slowLog) last(n int) []slowCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Clone(s.entries[max(0, len(s.entries)-n):])
	slices.Reverse(list)
	return list
}

func (s *slowLog) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries)
}

// size tells how many entries are kept, and how many there have been.
func (s *slowLog) size() (kept int, ever int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries), s.next
}

func (s *slowLog) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries, s.names = nil, nil
	s.bytes.Store(0)
}
