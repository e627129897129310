package server_test

import (
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server"
)

// SORT_RO reads, and yet changes how a sorted set is kept: no other read may see
// that happen. The race detector would.
func TestSortRunsBesideNoOtherRead(t *testing.T) {
	s := newServer(t, server.Options{})
	const sets = 200
	for i := range sets {
		do(t, s, "ZADD", "z"+strconv.Itoa(i), 1, "b", 2, "a")
	}
	var readers sync.WaitGroup
	for _, words := range [][]any{{"SORT_RO", "", "ALPHA"}, {"ZRANGE", "", 0, -1}, {"DUMP", ""}, {"SORT_RO", "", "BY", "nosort"}} {
		readers.Go(func() {
			for i := range sets {
				call := append([]any(nil), words...)
				call[1] = "z" + strconv.Itoa(i)
				_, err := s.Do(t.Context(), call...)
				require.NoError(t, err)
			}
		})
	}
	readers.Wait()
	require.Equal(t, `"skiplist"`, do(t, s, "OBJECT", "ENCODING", "z0"))
}
