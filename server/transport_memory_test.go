package server

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
)

// A connection that is killed while it is being dialled is not kept.
func TestKilledWhileDialledIsForgotten(t *testing.T) {
	s, err := New(Options{})
	require.NoError(t, err)
	harness.CloseAtEnd(t, s)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = s.Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal")
			}
		}
	}()
	for range 10_000 {
		_, err := s.Dial()
		require.NoError(t, err)
	}
	close(stop)
	<-stopped
	_, err = s.Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal")
	require.NoError(t, err)
	harness.Until(t, "the connection is forgotten", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.conns) == 0
	})
}
