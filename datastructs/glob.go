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
// A mismatch goes back to the last star only, which is enough: an earlier star
// that took more would only leave less to what follows the last one. So the
// work is at most len(pattern) times len(s), and there is no recursion. Redis
// recurses once a star and gives up, without a match, past a thousand of them;
// that guard is not needed here.
func Match(pattern, s []byte, nocase bool) bool {
	if len(s) == 0 {
		return len(pattern) == 0
	}
	p, i := 0, 0
	star, from := -1, 0 // the pattern behind the last star, and where in s that is tried
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			p = skipStars(pattern, p)
			if p == len(pattern) {
				return true
			}
			star, from = p, i
		}
		if p < len(pattern) {
			if next, ok := matchByte(pattern, p, s[i], nocase); ok {
				p = next
				i++
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
