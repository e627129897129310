package datastructs

import "math"

// maxIntLen is the length of the longest integer, -9223372036854775808.
const maxIntLen = 20

// ParseInt reads an integer that is written in the one way in which Redis
// writes it: digits with an optional minus sign, no plus, no space, no leading
// zero, no "-0", within 64 bits.
func ParseInt(text []byte) (n int64, ok bool) {
	digits := text
	negative := len(text) > 0 && text[0] == '-'
	if negative {
		digits = text[1:]
	}
	const most = 19 // digits, of which a uint64 holds any
	if len(digits) == 0 || len(digits) > most || digits[0] == '0' && len(text) > 1 {
		return 0, false
	}
	var u uint64
	for _, d := range digits {
		if d -= '0'; d > 9 {
			return 0, false
		}
		u = u*10 + uint64(d)
	}
	if negative {
		return int64(-u), u <= 1<<63
	}
	return int64(u), u <= math.MaxInt64
}

// intLen is the length of n's text.
func intLen(n int64) int {
	u, length := uint64(n), 1
	if n < 0 {
		u, length = -u, 2
	}
	for ; u >= 10; u /= 10 {
		length++
	}
	return length
}
