package servertest

import (
	"math/rand/v2"
	"os"
	"strconv"
)

// seedVariable is the environment variable that repeats a test.
const seedVariable = "PARLEY_SEED"

// setSeed chooses the seed of a server that was given none.
func (s *Server) setSeed(o *Options) {
	s.t.Helper()
	if text := os.Getenv(seedVariable); text != "" && o.Seed == 0 {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil || seed == 0 {
			s.t.Fatalf("servertest: %s=%s: want a number from 1 to %d", seedVariable, text, uint64(1<<64-1))
		}
		o.Seed = seed
	}
	for o.Seed == 0 { // which would have the server choose one
		o.Seed = rand.Uint64()
	}
	s.seed = o.Seed
}

// tellSeed says how to repeat a test that has failed.
func (s *Server) logSeed() {
	s.t.Helper()
	if s.t.Failed() {
		s.t.Logf("servertest: the server picked at random from the seed %d: %s=%d sets it", s.seed, seedVariable, s.seed)
	}
}
