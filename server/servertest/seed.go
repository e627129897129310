package servertest

import (
	"math/rand/v2"
	"os"
	"strconv"
)

// seedVariable is the environment variable that sets the seed, to repeat a
// test.
const seedVariable = "PARLEY_SEED"

// setSeed chooses a seed if the options have none.
func (s *Server) setSeed(o *Options) {
	s.t.Helper()
	if text := os.Getenv(seedVariable); text != "" && o.Seed == 0 {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil || seed == 0 {
			s.t.Fatalf("servertest: %s=%s: want a number from 1 to %d", seedVariable, text, uint64(1<<64-1))
		}
		o.Seed = seed
	}
	for o.Seed == 0 { // 0 would make the server choose one
		o.Seed = rand.Uint64()
	}
	s.seed = o.Seed
}

// logSeed logs the seed of a failed test.
func (s *Server) logSeed() {
	s.t.Helper()
	if s.t.Failed() {
		s.t.Logf("servertest: the server picked at random from the seed %d: %s=%d sets it", s.seed, seedVariable, s.seed)
	}
}
