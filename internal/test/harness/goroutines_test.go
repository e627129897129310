package harness

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLeftGoroutinesAreFound(t *testing.T) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		<-end
	}()
	left := goroutines()
	require.Len(t, left, 1)
	require.Contains(t, left[0], "TestLeftGoroutinesAreFound")
	close(end)
	<-ended
	require.Empty(t, leftGoroutines(GiveUp))
}
