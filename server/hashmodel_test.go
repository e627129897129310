package server

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/hashmodel"
)

var hashSeed = flag.Uint64("hash.seed", 0, "seed of the random calls on hashes whose fields expire; 0: the usual few")

// Hashes whose fields expire do what a simple model of them does.
func TestExpiringHashesAgainstAModel(t *testing.T) {
	seeds := []uint64{1, 2, 3, 4, 5, 6}
	if *hashSeed != 0 {
		seeds = []uint64{*hashSeed}
	}
	for _, seed := range seeds {
		for _, protocol := range []string{"2", "3"} {
			t.Run(fmt.Sprintf("seed %d in RESP%s", seed, protocol), func(t *testing.T) {
				t.Parallel()
				clock := NewManualClock(time.UnixMilli(1615480369000))
				s := newClosed(t, Options{Clock: clock})
				conn, err := s.Dial()
				require.NoError(t, err)
				t.Cleanup(func() { conn.Close() })
				ask := askThrough(t, conn)
				ask([]string{"HELLO", protocol})
				hashmodel.Run(t, hashmodel.Server{
					Ask:     func(words ...string) resp.Value { return ask(words)[0] },
					Advance: func(ms int64) { clock.Advance(time.Duration(ms) * time.Millisecond) },
					Now:     clock.Now().UnixMilli(),
				}, seed, 4000)
				for _, db := range s.engine.state.Databases {
					require.NoError(t, db.Check())
				}
			})
		}
	}
}
