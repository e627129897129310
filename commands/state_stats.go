package commands

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/commands/resp"
)

// Stats counts what a server has done since it started or since CONFIG
// RESETSTAT. Reads run side by side, so the counters are atomic.
type Stats struct {
	Connections   atomic.Int64 // accepted
	Rejected      atomic.Int64 // connections refused by maxclients
	Commands      atomic.Int64 // run
	Expired       atomic.Int64 // keys
	ExpiredFields atomic.Int64 // of hashes
	Evicted       atomic.Int64 // keys that went because memory was full
	Hits          atomic.Int64 // lookups that found a key
	Misses        atomic.Int64
	Errors        atomic.Int64 // error replies; CountError counts them
	InBytes       atomic.Int64
	OutBytes      atomic.Int64
	Reads         atomic.Int64 // pieces of input taken in
	Overflowed    atomic.Int64 // clients closed for what they left unread
	Idle          atomic.Int64 // clients closed because they had not called for long
	LateToSend    atomic.Int64 // clients closed because they had not ended a call that they had begun
	LateToRead    atomic.Int64 // clients closed because they had not read what they were sent
	ExpiryNanos   atomic.Int64 // spent on keys at their deadline
	ExpiryCut     atomic.Int64 // how often that took too long to be finished at once

	EvictedClients atomic.Int64 // closed because clients took too much memory

	rates rates
	rows  []CommandStats // by Command.id
	codes sync.Map       // *atomic.Int64 by the first word of an error
}

// CommandStats counts the calls of one row, as INFO commandstats tells them.
type CommandStats struct {
	Calls    atomic.Int64
	Nanos    atomic.Int64 // spent
	Rejected atomic.Int64 // refused before they ran
	Failed   atomic.Int64 // answered with an error

	times atomic.Pointer[histogram] // of each call; nil before the first
}

// addTime counts what one call took.
func (s *CommandStats) addTime(d time.Duration) {
	h := s.times.Load()
	if h == nil {
		s.times.CompareAndSwap(nil, new(histogram))
		h = s.times.Load()
	}
	h.add(d)
}

// Of returns the counters of one row of the table that Reset was given.
func (s *Stats) Of(m *Command) *CommandStats { return &s.rows[m.id] }

// Reset sets all counters to zero.
func (s *Stats) Reset(t *Table) {
	for _, n := range []*atomic.Int64{
		&s.Connections, &s.Rejected, &s.Commands, &s.Expired, &s.ExpiredFields, &s.Evicted, &s.EvictedClients,
		&s.Hits, &s.Misses,
		&s.Errors, &s.InBytes, &s.OutBytes, &s.Reads, &s.Overflowed,
		&s.Idle, &s.LateToSend, &s.LateToRead, &s.ExpiryNanos, &s.ExpiryCut,
	} {
		n.Store(0)
	}
	s.rows = make([]CommandStats, t.size)
	s.codes.Clear()
	s.rates.reset()
}

// count counts a call that has run.
func (s *Stats) count(m *Command, err error, took time.Duration) {
	s.Commands.Add(1)
	row := s.Of(m)
	row.Calls.Add(1)
	row.Nanos.Add(int64(took))
	if err != nil {
		row.Failed.Add(1)
		s.CountError(err)
	}
}

// CountError counts an error that was a reply.
func (s *Stats) CountError(err error) {
	s.Errors.Add(1)
	code := "ERR"
	if e := resp.Error(""); errors.As(err, &e) {
		code, _, _ = strings.Cut(string(e), " ")
	}
	n, known := s.codes.Load(code)
	if !known {
		n, _ = s.codes.LoadOrStore(code, new(atomic.Int64))
	}
	n.(*atomic.Int64).Add(1)
}

// ErrorsByCode tells how often each code ("ERR", "WRONGTYPE") was replied.
func (s *Stats) ErrorsByCode() map[string]int64 {
	counts := make(map[string]int64)
	s.codes.Range(func(code, n any) bool {
		counts[code.(string)] = n.(*atomic.Int64).Load()
		return true
	})
	return counts
}

func (s *Stats) lookup(found bool) {
	if found {
		s.Hits.Add(1)
	} else {
		s.Misses.Add(1)
	}
}
