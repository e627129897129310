package datastructs

// Match reports whether s, all of it, matches a glob pattern, byte by byte, as
// Redis's stringmatchlen does:
//
//   - `*` is any number of bytes and `?` is one byte;
//   - `[abc]`, `[a-z]`, `[^a]` are one byte of a class, or one that is not in
//     it; `[z-a]` is `[a-z]`. A class that is not closed ends with the pattern;
//     one that is closed at once, `[]`, matches nothing, and `[^]` any byte;
//   - a backslash takes the specialness from the byte behind it, in a class
//     too; at the end it is itself.
//
// nocase ignores the case of ASCII letters, but not of one escaped within a
// class.
//
// Two things surprise, and are as in Redis. An empty s matches only the empty
// pattern, not even `*`; the commands that take a pattern skip the match for
// exactly `*`. And the ends of a range are compared as signed bytes, as they
// are where C's char is signed (x86): `[a-\xff]` holds 0xff to 'a', not 'a' to
// 0xff.
//
// There is no recursion, and what stands between two stars is looked for once:
// its first place is enough, as a later one would only leave less to what follows.
// What stands behind the last star can have one place only. The work is at most
// len(pattern) times len(s) over some 64 steps: 50 KB of stars and letters take
// 0.1 s on a key of 100 KB. Redis recurses once a star and gives up, without a
// match, past a thousand of them; that guard is not needed here.
func Match(pattern, s []byte, nocase bool) bool {
	if len(s) == 0 {
		return len(pattern) == 0
	}
	if len(pattern) == 0 {
		return false
	}
	part, n, rest := cutStar(pattern)
	if n > len(s) || !matchPart(part, s, nocase) {
		return false
	}
	for s = s[n:]; len(rest) > 0; {
		rest = rest[skipStars(rest, 0):]
		if len(rest) == 0 {
			return true
		}
		part, n, rest = cutStar(rest)
		if n > len(s) {
			return false
		}
		if len(rest) == 0 {
			return matchPart(part, s[len(s)-n:], nocase)
		}
		at := findPart(part, n, s, nocase)
		if at < 0 {
			return false
		}
		s = s[at+n:]
	}
	return len(s) == 0
}

// cutStar returns what stands before the first star, how many bytes that stands
// for, and the rest, which begins with the star or is empty.
func cutStar(pattern []byte) (part []byte, n int, rest []byte) {
	p := 0
	for p < len(pattern) && pattern[p] != '*' {
		p, _ = matchByte(pattern, p, 0, false)
		n++
	}
	return pattern[:p], n, pattern[p:]
}

// matchPart reports whether s begins with what a part without stars stands for,
// which is not longer than s.
func matchPart(part, s []byte, nocase bool) bool {
	_, ok := tryPart(part, s, nocase)
	return ok
}

// tryPart is matchPart; it also returns how much of the part it has looked at.
func tryPart(part, s []byte, nocase bool) (p int, ok bool) {
	for i := 0; p < len(part); i++ {
		if p, ok = matchByte(part, p, s[i], nocase); !ok {
			return p, false
		}
	}
	return p, true
}

// findPart returns the first place in s of a part that stands for n bytes, -1 if
// there is none. A part that nearly fits at place after place is looked for in
// another way: see findLong.
func findPart(part []byte, n int, s []byte, nocase bool) int {
	const each = 64 // what findLong may do for a byte of s meanwhile
	work := 0
	for at := 0; at+n <= len(s); at++ {
		looked, ok := tryPart(part, s[at:], nocase)
		if ok {
			return at
		}
		if work += looked; work > each*len(s)+len(part) {
			if found := findLong(part, n, s[at+1:], nocase); found >= 0 {
				return at + 1 + found
			}
			return -1
		}
	}
	return -1
}

// findLong is findPart for all places at once: bit i of state says that the last
// bytes of s were what the first i+1 elements of the part stand for. So 64
// comparisons take one step.
func findLong(part []byte, n int, s []byte, nocase bool) int {
	var fits [256][]uint64 // by byte of s: which elements stand for it
	state := make([]uint64, (n+63)/64)
	last, bit := (n-1)/64, uint64(1)<<((n-1)%64)
	for i, c := range s {
		if fits[c] == nil {
			fits[c] = fitting(part, n, c, nocase)
		}
		carry := uint64(1)
		for j, f := range fits[c] {
			word := state[j]
			state[j] = (word<<1 | carry) & f
			carry = word >> 63
		}
		if state[last]&bit != 0 {
			return i + 1 - n
		}
	}
	return -1
}

// fitting returns a bit for each element of a part that stands for c.
func fitting(part []byte, n int, c byte, nocase bool) []uint64 {
	bits := make([]uint64, (n+63)/64)
	for i, p := 0, 0; p < len(part); i++ {
		var ok bool
		if p, ok = matchByte(part, p, c, nocase); ok {
			bits[i/64] |= 1 << (i % 64)
		}
	}
	return bits
}

func skipStars(pattern []byte, p int) int {
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p
}

// matchByte matches c with the one-byte element of the pattern at p, which is
// no star, and returns the place behind that.
func matchByte(pattern []byte, p int, c byte, nocase bool) (next int, ok bool) {
	switch b := pattern[p]; b {
	case '?':
		return p + 1, true
	case '[':
		return matchClass(pattern, p+1, c, nocase)
	case '\\':
		if p+1 < len(pattern) {
			p++
		}
	}
	return p + 1, equalByte(pattern[p], c, nocase)
}

// matchClass matches c with the class whose opening bracket stands before p,
// and returns the place behind the class.
func matchClass(pattern []byte, p int, c byte, nocase bool) (next int, ok bool) {
	not := p < len(pattern) && pattern[p] == '^'
	if not {
		p++
	}
	in := false
	for ; p < len(pattern) && pattern[p] != ']'; p++ {
		switch {
		case pattern[p] == '\\' && p+1 < len(pattern):
			p++
			in = in || pattern[p] == c
		case p+2 < len(pattern) && pattern[p+1] == '-':
			in = in || inRange(pattern[p], pattern[p+2], c, nocase)
			p += 2
		default:
			in = in || equalByte(pattern[p], c, nocase)
		}
	}
	return min(p+1, len(pattern)), in != not
}

// inRange puts the ends in order before it folds case, as Redis does, so that
// `[Z-a]` without case holds nothing.
func inRange(start, end, c byte, nocase bool) bool {
	if int8(start) > int8(end) {
		start, end = end, start
	}
	if nocase {
		start, end, c = lower(start), lower(end), lower(c)
	}
	return int8(c) >= int8(start) && int8(c) <= int8(end)
}

func equalByte(a, b byte, nocase bool) bool {
	return a == b || nocase && lower(a) == lower(b)
}

func lower(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		return b + ('a' - 'A')
	}
	return b
}
