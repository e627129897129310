package commands

import (
	"bytes"
	"math"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/parley-chat/parley/datastructs"
)

// ParseInt reads an integer as Redis does.
func ParseInt(p []byte) (int64, bool) { return datastructs.ParseInt(p) }

// parseFloat reads a double as Redis does: what strtod of C reads, but no
// leading space, neither NaN nor a number that is too large for a double, or so
// small that it would become zero.
func parseFloat(p []byte) (float64, bool) {
	f, inRange, ok := strtod(p)
	return f, ok && inRange
}

// strtod reads a double as C does: decimal or hexadecimal, "inf" and
// "infinity" with a sign or without; nothing may be behind it, and NaN is
// refused. inRange is false where f is infinite or zero in place of a number
// that no double comes near.
func strtod(p []byte) (f float64, inRange, ok bool) {
	if len(p) == 0 || bytes.ContainsRune(p, '_') {
		return 0, false, false
	}
	text := string(p)
	if isHex(p) && !bytes.ContainsAny(p, "pP") {
		text += "p0" // C does without the exponent
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) {
		return f, false, math.IsInf(f, 0)
	}
	return f, f != 0 || isZero(p), true
}

// What C takes for space before a number.
const spaces = " \t\n\v\f\r"

// numberAtFront reads as much of a word as is a number, as C does; 0 if none is.
func numberAtFront(p []byte) float64 {
	p = bytes.TrimLeft(p, spaces)
	for end := min(len(p), 64); end > 0; end-- {
		if x, _, ok := strtod(p[:end]); ok {
			return x
		}
	}
	return 0
}

// atoi reads the integer that a word begins with, as C does; 0 if there is none.
// int has 32 bits there: of more the low ones count.
func atoi(p []byte) int {
	p = bytes.TrimLeft(p, spaces)
	end := 0
	if len(p) > 0 && (p[0] == '-' || p[0] == '+') {
		end++
	}
	for end < len(p) && '0' <= p[end] && p[end] <= '9' {
		end++
	}
	n, _ := strconv.ParseInt(string(p[:end]), 10, 64) // the nearest there is, if out of range
	return int(int32(n))
}

// isZero reports whether a number that C reads as zero is one.
func isZero(p []byte) bool {
	digits, exponent := "123456789", "eE"
	if isHex(p) {
		digits, exponent = "123456789abcdefABCDEF", "pP"
	}
	if i := bytes.IndexAny(p, exponent); i >= 0 {
		p = p[:i]
	}
	return !bytes.ContainsAny(p, digits)
}

func isHex(p []byte) bool {
	if p[0] == '-' || p[0] == '+' {
		p = p[1:]
	}
	return len(p) > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X')
}

// Is reports whether an argument is the given option, in any case. option is
// in upper case.
func Is(arg []byte, option string) bool {
	if len(arg) != len(option) {
		return false
	}
	for i, b := range arg {
		if 'a' <= b && b <= 'z' {
			b -= 'a' - 'A'
		}
		if b != option[i] {
			return false
		}
	}
	return true
}

// sameWord reports whether two texts are the same but for the case of letters.
// Only those of ASCII have one here, as in Redis: by Unicode's rules the Kelvin
// sign is a k, and all bytes that are no UTF-8 are alike.
func sameWord(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lowerByte(a[i]) != lowerByte(b[i]) {
			return false
		}
	}
	return true
}

// lowered is a text with its letters in lower case, in the sense of sameWord.
func lowered(text string) string {
	low := []byte(text)
	for i, b := range low {
		low[i] = lowerByte(b)
	}
	return string(low)
}

func lowerByte(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		b += 'a' - 'A'
	}
	return b
}

// IntArg reads argument i; the error is the one most commands give.
func (c *Context) IntArg(i int) (int64, error) {
	n, ok := ParseInt(c.Args[i])
	if !ok {
		return 0, errNotInteger
	}
	return n, nil
}

// dbArg reads argument i as the number of a database.
func (c *Context) dbArg(i int) (int, error) {
	n, err := c.IntArg(i)
	switch {
	case err != nil:
		return 0, err
	case n != int64(int32(n)):
		return 0, Errorf("ERR value is out of range, value must between %d and %d", math.MinInt32, math.MaxInt32)
	case n < 0 || n >= int64(len(c.Databases)):
		return 0, errDBIndex
	}
	return int(n), nil
}

// blockTimeout reads argument i as the timeout of a blocking command: seconds
// as a long double of C, 0 for ever. The result is in milliseconds, rounded up
// as Redis does, which takes what 64 bits do not hold for negative. What is
// longer than a time.Duration, some 292 years, is for ever too.
func (c *Context) blockTimeout(i int) (ms int64, err error) {
	seconds, ok := parseLong(c.Args[i])
	if !ok {
		return 0, errTimeoutFloat
	}
	exact := new(big.Float).SetPrec(longMantissa).Mul(seconds, big.NewFloat(1000))
	ms, side := exact.Int64()
	if side == big.Below && ms < math.MaxInt64 {
		ms, side = ms+1, big.Exact
	}
	switch {
	case ms < 0 || side == big.Below:
		return 0, errTimeoutSign
	case ms > math.MaxInt64/int64(time.Millisecond):
		return 0, nil
	}
	return ms, nil
}

// LargeWord is the size in bytes from which a word of a call has memory of its own,
// which nobody writes to: whoever wants to keep the word keeps that.
const LargeWord = datastructs.LargeText

var _ = [1]int{}[LargeWord-wire.LargeString] // replies keep such words, too

// CloneArgs copies a call out of the client's input, in two allocations. Large words
// are kept as they are.
func CloneArgs(args [][]byte) [][]byte {
	size := 0
	for _, a := range args {
		if len(a) < LargeWord {
			size += len(a)
		}
	}
	block, words := make([]byte, 0, size), make([][]byte, len(args))
	for i, a := range args {
		if len(a) >= LargeWord {
			words[i] = a
			continue
		}
		start := len(block)
		block = append(block, a...)
		words[i] = slices.Clip(block[start:])
	}
	return words
}

// SizeOf sums up the bytes of words.
func SizeOf(words [][]byte) int {
	size := 0
	for _, w := range words {
		size += len(w)
	}
	return size
}

// millisArg reads argument i as a timeout in ms.
func (c *Context) millisArg(i int) (int64, error) {
	ms, ok := ParseInt(c.Args[i])
	switch {
	case !ok:
		return 0, errTimeoutInteger
	case ms < 0:
		return 0, errTimeoutSign
	}
	return ms, nil
}
