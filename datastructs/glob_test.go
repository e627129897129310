package datastructs_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/redistest"
)

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		pattern string
		yes, no []string
	}{
		{"", []string{""}, []string{"a"}},
		{"*", []string{"a", "abc"}, []string{""}},
		{"**", []string{"a", "abc"}, []string{""}},
		{"a***", []string{"a", "abc"}, []string{"", "b"}},
		{"?", []string{"a", "\xff"}, []string{"", "ab"}},
		{"h?llo", []string{"hello", "h*llo"}, []string{"hllo"}},
		{"h*llo", []string{"hllo", "heeeello"}, []string{"hell"}},
		{"*a*b", []string{"ab", "xaxab", "aab"}, []string{"ba", "abc"}},
		{"[", nil, []string{"[", "a", ""}},
		{"[^", []string{"a", "[", "^"}, []string{"", "ab"}},
		{"[a", []string{"a"}, []string{"[", "[a"}},
		{"[^a", []string{"b"}, []string{"a"}},
		{"[a-", []string{"a", "-"}, []string{"b"}},
		{"[a-z", []string{"a", "m", "z"}, []string{"-", "A"}},
		{"[\\", []string{"\\"}, []string{"["}},
		{"a\\", []string{"a\\"}, []string{"a"}},
		{"\\", []string{"\\"}, []string{""}},
		{"*[", nil, []string{"[", "a["}},
		{"[]a]", nil, []string{"]", "a", "]a]", "a]"}},
		{"[^]a]", []string{"xa]", "]a]"}, []string{"x", "b"}},
		{"[\\]a]", []string{"]", "a"}, []string{"\\"}},
		{"[a-]", []string{"a", "]", "^"}, []string{"-", "b"}},
		{"[z-a]", []string{"a", "m", "z"}, []string{"-"}},
		{"[a\\-z]", []string{"a", "-", "z"}, []string{"m", "\\"}},
		{"\\*", []string{"*"}, []string{"a", "\\*"}},
		{"[*]", []string{"*"}, []string{"a"}},
		{"[a-\xff]", []string{"a", "0", "\xff"}, []string{"b", "\xfe"}},
		{"a[", nil, []string{"a", "a["}},
		{"a[]", nil, []string{"a", "a]"}},
		{"a*[^", []string{"ab", "abc"}, []string{"a"}},
	} {
		for _, s := range test.yes {
			require.True(t, datastructs.Match([]byte(test.pattern), []byte(s), false), "%q %q", test.pattern, s)
		}
		for _, s := range test.no {
			require.False(t, datastructs.Match([]byte(test.pattern), []byte(s), false), "%q %q", test.pattern, s)
		}
	}
}

func TestMatchWithoutCase(t *testing.T) {
	for _, test := range []struct {
		pattern, s string
		want       bool
	}{
		{"ABC", "abc", true}, {"a[BC]", "Ac", true}, {"[A-C]", "b", true}, {"\\A", "a", true}, {"\xc4", "\xe4", false},
		{"[\\A]", "a", false}, // an escape within a class is exact
		{"[Z-a]", "z", false}, // ordered before it is folded
	} {
		require.Equal(t, test.want, datastructs.Match([]byte(test.pattern), []byte(test.s), true), "%q %q", test.pattern, test.s)
	}
	require.False(t, datastructs.Match([]byte("A"), []byte("a"), false))
}

// A minute, byte by byte, and half a second as it is.
func TestMatchOfAPartThatNearlyFitsEverywhere(t *testing.T) {
	s := bytes.Repeat([]byte("a"), 100_000)
	long := strings.Repeat("a", 50_000)
	harness.RequireCPU(t, 5*time.Second, "the work on a part that nearly fits", func() {
		for _, p := range []string{"*" + long + "b*", "*" + long + "b", "*a" + strings.Repeat("[a-z]", 10_000) + "b*", "*" + strings.Repeat("?", 50_000) + "b*"} {
			require.False(t, datastructs.Match([]byte(p), s, false))
			require.True(t, datastructs.Match([]byte(p), append(s[:len(s):len(s)], 'b'), true))
		}
	})
}

func TestMatchIsNeverExponential(t *testing.T) {
	s := bytes.Repeat([]byte("a"), 20000)
	harness.RequireCPU(t, 10*time.Second, "the work on many stars", func() {
		require.False(t, datastructs.Match([]byte(strings.Repeat("a*", 2000)+"b"), s, false))
		require.False(t, datastructs.Match([]byte(strings.Repeat("*a?[a-z]", 1000)+"b"), s, false))
	})
}

const globAlphabet = "**??[[]]^\\\\--aabcAZz09\x00\x7f\x80\xff"

func randomGlob(rng *rand.Rand, longest int) []byte {
	b := make([]byte, rng.IntN(longest+1))
	for i := range b {
		b[i] = globAlphabet[rng.IntN(len(globAlphabet))]
	}
	return b
}

// FuzzMatch holds what is true of any pattern and any bytes.
func FuzzMatch(f *testing.F) {
	for _, p := range []string{"", "*", "[", "[^", "[a-", "[\\", "a\\", "*[", "[]a]", "[^]a]", "a*b?[^x-z]*"} {
		f.Add([]byte(p), []byte("aab]"), true)
	}
	f.Fuzz(func(t *testing.T, p, s []byte, nocase bool) {
		matches := datastructs.Match(p, s, nocase)
		if matches && !bytes.ContainsAny(p, `[\`) {
			require.LessOrEqual(t, len(p)-bytes.Count(p, []byte("*")), len(s), "each byte of a pattern stands for one")
		}
		if len(s) == 0 {
			return
		}
		// With all bytes escaped a pattern is the string itself.
		exact := escape(s)
		require.True(t, datastructs.Match(exact, s, nocase))
		require.True(t, datastructs.Match(bytes.ToUpper(exact), bytes.ToLower(s), true) || !isASCII(s))
		require.False(t, datastructs.Match(exact, append(s[:len(s):len(s)], 'x'), nocase))
		// A star may stand for what is there or for nothing.
		require.True(t, datastructs.Match(append([]byte("*"), exact...), s, nocase))
		require.True(t, datastructs.Match(append(exact, '*'), append(s[:len(s):len(s)], 'x'), nocase))
		if matches && len(p) > 0 {
			require.True(t, datastructs.Match(append([]byte("*"), p...), s, nocase))
		}
	})
}

func escape(s []byte) []byte {
	var p []byte
	for _, b := range s {
		p = append(p, '\\', b)
	}
	return p
}

func isASCII(s []byte) bool {
	return !slices.ContainsFunc(s, func(b byte) bool { return b >= 0x80 })
}

// TestMatchAgreesWithRedis asks a real server: KEYS where case counts, COMMAND LIST FILTERBY
// PATTERN where it does not.
func TestMatchAgreesWithRedis(t *testing.T) {
	redis := harness.Connect(t, redistest.Start(t).Dial)
	rng := rand.New(rand.NewPCG(7, 7))
	keys := map[string]bool{"": true}
	for i := range len(globAlphabet) {
		keys[globAlphabet[i:i+1]] = true
	}
	for range 400 {
		keys[string(randomGlob(rng, 5))] = true
	}
	for k := range keys {
		elements(t, redis, "SET", k, "")
	}
	names := elements(t, redis, "COMMAND", "LIST")
	patterns := []string{"", "**", "[", "[^", "[a-", "[\\", "a\\", "*[", "[]a]", "[^]a]", "[a-\xff]", "[\x80-\x7f]", "*\\", "[^\\"}
	for range 3000 {
		patterns = append(patterns, string(randomGlob(rng, 7)))
	}
	for _, p := range patterns {
		if p == "*" {
			continue // KEYS does not match at all then
		}
		want := map[string]bool{}
		for k := range keys {
			if datastructs.Match([]byte(p), []byte(k), false) {
				want[k] = true
			}
		}
		got := map[string]bool{}
		for _, k := range elements(t, redis, "KEYS", p) {
			got[k] = true
		}
		require.Equal(t, want, got, "KEYS %q", p)
	}
	for range 1500 {
		p := append(randomGlob(rng, 4), names[rng.IntN(len(names))]...)
		for i := range p {
			switch rng.IntN(8) {
			case 0:
				p[i] &^= 0x20 // the other case, or something odd
			case 1:
				p[i] = globAlphabet[rng.IntN(len(globAlphabet))]
			}
		}
		p = append(p, "*"...)
		var want []string
		for _, n := range names {
			if datastructs.Match(p, []byte(n), true) {
				want = append(want, n)
			}
		}
		require.ElementsMatch(t, want, elements(t, redis, "COMMAND", "LIST", "FILTERBY", "PATTERN", string(p)), "%q", p)
	}
}

// elements makes a call and returns the elements of its reply.
func elements(t *testing.T, c *harness.Client, words ...string) []string {
	t.Helper()
	c.SendWords(words...)
	v, err := resp.NewReader(c.R).Read()
	require.NoError(t, err)
	require.NoError(t, v.Err())
	return v.Strings()
}
