package testkit

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
)

// duration reads "30s", "1h30m", or a number of milliseconds.
func duration(word string) (time.Duration, error) {
	d, err := time.ParseDuration(word)
	if ms, whole := commands.ParseInt([]byte(word)); whole && ms <= int64(maxDuration/time.Millisecond) {
		d, err = time.Duration(ms)*time.Millisecond, nil
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is no time: want milliseconds, or a number with a unit, as 30s", word)
	case d < 0:
		return 0, fmt.Errorf("%q is a time below zero", word)
	}
	return d, nil
}

const maxDuration = time.Duration(1<<63 - 1)

// within gives a context so much time. It is that of the world, which passes while the
// server's stands still, too.
func within(ctx context.Context, word string) (context.Context, context.CancelFunc, error) {
	d, err := duration(word)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	return ctx, cancel, nil
}

func natural(word string) (int, error) {
	n, err := strconv.Atoi(word)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is no number of 0 or more", word)
	}
	return n, nil
}

func textAnswer(s string) answer { return func(w *resp.Writer) { w.BulkString(s) } }

func numberAnswer(n int) answer { return func(w *resp.Writer) { w.Int(n) } }

// A shelf holds what clients name by the number that they were given for it.
type shelf[T any] struct {
	what string // "snapshot"

	mu   sync.Mutex // guards all below
	last int
	kept map[int]T
}

// put gives a thing its number: 1, 2, ...
func (s *shelf[T]) put(v T) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		s.kept = make(map[int]T)
	}
	s.last++
	s.kept[s.last] = v
	return s.last
}

func (s *shelf[T]) get(word string) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(word)
}

// take is get for the last time.
func (s *shelf[T]) take(word string) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.find(word)
	if err == nil {
		n, _ := strconv.Atoi(word)
		delete(s.kept, n)
	}
	return v, err
}

func (s *shelf[T]) find(word string) (T, error) {
	n, err := strconv.Atoi(word)
	v, there := s.kept[n]
	if err != nil || !there {
		return v, fmt.Errorf("no %s %q", s.what, word)
	}
	return v, nil
}

// clear takes all down. Numbers are not given again.
func (s *shelf[T]) clear() (all []T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.kept {
		all = append(all, v)
	}
	s.kept = nil
	return all
}
