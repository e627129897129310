package datastructs

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// Both ways to look for a part find the same place.
func TestPartsOfAGlobAreFoundEitherWay(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	const elements, letters = `aab??[ab][^b][a-b]\ab`, "aaabA"
	for range 20_000 {
		var part []byte
		for range 1 + rng.IntN(200) {
			part = append(part, elements[rng.IntN(len(elements))])
		}
		part, n, rest := cutStar(part)
		require.Empty(t, rest)
		s := make([]byte, rng.IntN(300))
		for i := range s {
			s[i] = letters[rng.IntN(len(letters))]
		}
		if len(part) > 0 && rng.IntN(2) == 0 { // otherwise long ones are never found
			part, n, _ = cutStar(bytes.Repeat([]byte("[ab]"), 1+rng.IntN(150)))
			part = append(part, 'b')
			n++
		}
		nocase := rng.IntN(2) == 0
		require.Equal(t, findPart(part, n, s, nocase), findLong(part, n, s, nocase), "%q %q", part, s)
	}
}

// globByByte is what Match does, in the plainest way: back to the last star.
func globByByte(pattern, s []byte, nocase bool) bool {
	if len(s) == 0 {
		return len(pattern) == 0
	}
	p, i, star, from := 0, 0, -1, 0
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			p = skipStars(pattern, p)
			star, from = p, i
		}
		if p < len(pattern) {
			if next, ok := matchByte(pattern, p, s[i], nocase); ok {
				p, i = next, i+1
				continue
			}
		}
		if star < 0 {
			return false
		}
		from++
		p, i = star, from
	}
	return skipStars(pattern, p) == len(pattern)
}

func TestMatchAgreesWithThePlainestWay(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	const elements, letters = `**??[[]]^\\--aabcAZ`, "aaabbcAZ]-"
	yes := 0
	for range 300_000 {
		p, s := make([]byte, rng.IntN(12)), make([]byte, rng.IntN(12))
		for i := range p {
			p[i] = elements[rng.IntN(len(elements))]
		}
		for i := range s {
			s[i] = letters[rng.IntN(len(letters))]
		}
		nocase := rng.IntN(2) == 0
		want := globByByte(p, s, nocase)
		require.Equal(t, want, Match(p, s, nocase), "%q %q", p, s)
		if want {
			yes++
		}
	}
	require.Greater(t, yes, 5_000)
}
