package testkit

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/parley-chat/parley/commands"
)

// parseDuration parses "30s", "1h30m", or a number of milliseconds.
func parseDuration(word string) (time.Duration, error) {
	d, err := time.ParseDuration(word)
	if ms, whole := commands.ParseInt([]byte(word)); whole && ms <= int64(maxDuration/time.Millisecond) {
		d, err = time.Duration(ms)*time.Millisecond, nil
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is not a duration: want milliseconds, or a number with a unit, as 30s", word)
	case d < 0:
		return 0, fmt.Errorf("%q is a negative duration", word)
	}
	return d, nil
}

const maxDuration = time.Duration(1<<63 - 1)

// withTimeout adds a timeout to a context. It is in real time, which passes
// even while the server's clock stands still.
func withTimeout(ctx context.Context, word string) (context.Context, context.CancelFunc, error) {
	d, err := parseDuration(word)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	return ctx, cancel, nil
}

func parseCount(word string) (int, error) {
	n, err := strconv.Atoi(word)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is not an integer of 0 or more", word)
	}
	return n, nil
}

func textReply(s string) replyFunc { return func(w *wire.Writer) { w.BulkString(s) } }

func intReply(n int) replyFunc { return func(w *wire.Writer) { w.Int(n) } }

// handles are values that clients refer to by number.
type handles[T any] struct {
	kind string // "snapshot", for errors

	mu    sync.Mutex // guards all below
	last  int
	items map[int]T
}

// put adds a value and returns its number: 1, 2, ...
func (s *handles[T]) put(v T) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.items == nil {
		s.items = make(map[int]T)
	}
	s.last++
	s.items[s.last] = v
	return s.last
}

func (s *handles[T]) get(word string) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(word)
}

// take is get, and removes the value.
func (s *handles[T]) take(word string) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.find(word)
	if err == nil {
		n, _ := strconv.Atoi(word)
		delete(s.items, n)
	}
	return v, err
}

func (s *handles[T]) find(word string) (T, error) {
	n, err := strconv.Atoi(word)
	v, there := s.items[n]
	if err != nil || !there {
		return v, fmt.Errorf("no %s %q", s.kind, word)
	}
	return v, nil
}

// clear removes and returns all values. Numbers are not reused.
func (s *handles[T]) clear() (all []T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.items {
		all = append(all, v)
	}
	s.items = nil
	return all
}
