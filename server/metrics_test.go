package server

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkMetrics times what a scrape costs at 10,000 connections and a million
// keys: all of it, and the part under the lock, which others wait for.
func BenchmarkMetrics(b *testing.B) {
	s, err := New(Options{Config: map[string]string{"maxclients": "20000"}})
	require.NoError(b, err)
	defer s.Close()
	for i := range 10_000 {
		conn, err := s.Dial()
		require.NoError(b, err)
		defer conn.Close()
		for j := range 100 {
			_, err = fmt.Fprintf(conn, "SET key:%d:%d v EX 1000\r\n", i, j)
			require.NoError(b, err)
		}
	}
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			s.Metrics()
		}
	})
	b.Run("locked", func(b *testing.B) {
		s.engine.mu.RLock()
		defer s.engine.mu.RUnlock()
		for b.Loop() {
			s.engine.state.Metrics(s.engine.clock.Now())
		}
	})
}
