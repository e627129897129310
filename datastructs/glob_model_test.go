package datastructs_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/datastructs"
)

// A globModel matches by the meaning of a pattern: each star is tried with any
// number of bytes. It remembers what it has tried, so that it ends.
type globModel struct {
	pattern, s []byte
	nocase     bool
	tried      map[[2]int]bool
}

func (m *globModel) matches(p, i int) bool {
	at := [2]int{p, i}
	if result, known := m.tried[at]; known {
		return result
	}
	m.tried[at] = false
	m.tried[at] = m.try(p, i)
	return m.tried[at]
}

func (m *globModel) try(p, i int) bool {
	switch {
	case p == len(m.pattern):
		return i == len(m.s)
	case m.pattern[p] == '*':
		return m.matches(p+1, i) || i < len(m.s) && m.matches(p, i+1)
	case i == len(m.s):
		return false
	}
	set, next := m.element(p)
	return set[m.s[i]] && m.matches(next, i+1)
}

// element is the set of bytes that the element of the pattern at p stands for,
// and where the next one begins.
func (m *globModel) element(p int) (set [256]bool, next int) {
	add := func(b byte, fold bool) {
		set[b] = true
		if fold && m.nocase {
			for _, c := range []byte{b | 0x20, b &^ 0x20} {
				if c|0x20 >= 'a' && c|0x20 <= 'z' && c|0x20 == b|0x20 {
					set[c] = true
				}
			}
		}
	}
	switch {
	case m.pattern[p] == '?':
		for b := range set {
			set[b] = true
		}
	case m.pattern[p] == '\\' && p+1 < len(m.pattern):
		add(m.pattern[p+1], true)
		p++
	case m.pattern[p] == '[':
		return m.class(p+1, add, &set)
	default:
		add(m.pattern[p], true)
	}
	return set, p + 1
}

func (m *globModel) class(p int, add func(byte, bool), set *[256]bool) ([256]bool, int) {
	not := p < len(m.pattern) && m.pattern[p] == '^'
	if not {
		p++
	}
	for ; p < len(m.pattern) && m.pattern[p] != ']'; p++ {
		rest := m.pattern[p:]
		switch {
		case rest[0] == '\\' && len(rest) > 1:
			add(rest[1], false)
			p++
		case len(rest) > 2 && rest[1] == '-':
			low, high := int8(rest[0]), int8(rest[2])
			if low > high {
				low, high = high, low
			}
			if m.nocase {
				low, high = int8(lowered(byte(low))), int8(lowered(byte(high)))
			}
			for b := range set {
				c := byte(b)
				if m.nocase {
					c = lowered(c)
				}
				set[b] = set[b] || int8(c) >= low && int8(c) <= high
			}
			p += 2
		default:
			add(rest[0], true)
		}
	}
	if not {
		for b := range set {
			set[b] = !set[b]
		}
	}
	return *set, min(p+1, len(m.pattern))
}

func lowered(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		b += 'a' - 'A'
	}
	return b
}

// FuzzMatchAgainstModel: patterns mean the same to both, whatever they are.
func FuzzMatchAgainstModel(f *testing.F) {
	for _, p := range []string{"", "*", "**a", "[", "[^", "[a-", "[\\", "a\\", "*[", "[]a]", "[^]a]", "a*b?[^x-z]*", "[z-a]", "[a-\xff]", "[Z-a]", "[\\a-c]", "*a*a*a*b"} {
		f.Add([]byte(p), []byte("aAb]\xff"), true)
		f.Add([]byte(p), []byte("aaab"), false)
	}
	f.Fuzz(func(t *testing.T, pattern, s []byte, nocase bool) {
		if len(pattern)*len(s) > 1<<14 {
			return
		}
		want := len(pattern) == 0
		if len(s) > 0 { // an empty one matches nothing but the empty pattern, as in Redis
			want = (&globModel{pattern, s, nocase, make(map[[2]int]bool)}).matches(0, 0)
		}
		require.Equal(t, want, datastructs.Match(pattern, s, nocase), "%q %q", pattern, s)
	})
}
