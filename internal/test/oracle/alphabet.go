package oracle

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// What words are made of: few enough that calls meet, odd enough that they hurt.
var (
	sharedKeys  = []string{"k1", "k2", "k3"}
	awaitedKeys = []string{"w1", "w2"} // what most blocked calls wait for
	oddKeys     = []string{"", "k\x00\r\n", "a key", strings.Repeat("K", 70), "1", "*"}

	// strange words are options, numbers and keys to no command, and not a
	// time that would pass.
	strange = []string{"", "nosuch", "GETT", "WITHSCORE", "\xff\x00", "--", "x y", "1.5x", "9223372036854775808", strings.Repeat("w", 200)}

	smallIntegers = []string{"0", "1", "2", "3", "5", "10", "-1", "-2"}
	ranks         = []string{"0", "1", "2", "3", "10", "100", "-1", "-2", "-3", "-10", "-200"}
	edgeIntegers  = []string{
		"9223372036854775807", "-9223372036854775808", "9223372036854775806", "4294967296", "2147483648",
	}
	// badIntegers are none to Redis, however they look.
	badIntegers = []string{
		"", "abc", " 1", "1 ", "+1", "01", "-0", "1.0", "1e3", "0x10", "--1", "-", "9223372036854775808",
		"-9223372036854775809", "18446744073709551616", "1\x00", "\u0661",
	}

	doubles = []string{
		"0", "1", "2", "3", "-1", "10", "1.5", "-2.5", "0.1", "0.2", "3e5", "1e-5", "3.0", ".5", "5.", "+5", "007",
		"123456789", "12345678901234567", "3.141592653589793238462643", "1e17", "1e21", "-0", "1e100",
	}
	edgeDoubles = []string{
		"inf", "-inf", "+inf", "Inf", "infinity", "-INFINITY", "0x1p3", "0xA", "-0x1.8p1", "1.7976931348623157e308",
		"-1.7e308", "5e-324", "1e4000", "1e4932", "-1e4932", "1e-4940", "2.2250738585072014e-308", "9007199254740993", "9223372036854775807", "1e-310",
	}
	badDoubles = []string{"", "abc", "nan", "-nan", "NaN(1)", " 1", "1 ", "1_0", "1e", "e5", "0x", "1e309", "-1e309", "1e-400", "1.5.2", "1,5", "--1", "1\x00"}

	patterns = []string{
		"*", "**", "", "?", "s:*", "?:1", "h*", "[a-f]*", "[^s]*", "*[0-9]", "[z-a]*", "[", "[a", "[a-", "[]*", "[^", "\\", "\\*", "m1*", "*:[12]",
		"k\\1", "[\\k]1", "?????", "*1*", "abc", "none", "nosuch*", "k[1-2]", "*\x00*", "[[]", "*?*", "-*", "[0-9]*", "K*",
	}

	// channels, some of which patterns match, and some are of events.
	channels = []string{"abc", "abc", "h", "hello", "s:1", "m1", "m12:2", "", "*", "k1", "\x00", "__keyspace@0__:y", "__keyevent@0__:zadd", "__keyevent@1__:del"}

	lexLow     = []string{"-", "-", "[a", "(a", "[b", "(", "[", "[m1", "(m10", "[0"}
	lexHigh    = []string{"+", "+", "[h", "(h", "[zz", "(m5", "[m500", "(", "[", "[9"}
	scoreLow   = []string{"-inf", "-inf", "0", "(0", "1", "(1", "-10", "(-inf", "1.5", "-0"}
	scoreHigh  = []string{"+inf", "inf", "10", "(10", "3", "(3", "1e9", "(+inf", "2.5", "0"}
	wrongBound = []string{"", "a", "(", "((1", "[", "nan", "(nan", "+", "-", "(1 ", " 1", "m", "1x", "0x1"}

	texts = []string{
		"", "a", "abc", "hello world", "0", "1", "10", "-5", "100000", "9223372036854775807", "-9223372036854775808",
		"9223372036854775808", "01", " 1", "+1", "1.5", "3.0e3", "-0", "-1.25", "inf", "nan", "1e400", "0.1", "ABCABD", "abcdabcd", "\x00\xff\r\n", "\r\n", "héllo",
		strings.Repeat("x", 44), strings.Repeat("x", 45), strings.Repeat("v", 63), strings.Repeat("v", 64), strings.Repeat("v", 65),
		strings.Repeat("7", 20), strings.Repeat("7", 21), strings.Repeat("ab", 128), strings.Repeat("xyz", 300),
	}

	oddMembers = []string{"", "\x00", "\xff\xfe", "a b", "-1", "+1", "01", "1.5", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "2147483648", "65536", "-32769"}
)

// byName makes values for arguments whose name says more than their type.
var byName map[string]func(*draft) string

func init() {
	// Set here, since the functions lead back to the draft that reads it.
	byName = map[string]func(*draft) string{
		"member":       (*draft).member,
		"field":        (*draft).member,
		"min":          (*draft).lower,
		"start":        (*draft).lower,
		"max":          (*draft).upper,
		"stop":         (*draft).upper,
		"end":          (*draft).upper,
		"index":        (*draft).database,
		"index1":       (*draft).database,
		"index2":       (*draft).database,
		"db":           (*draft).database,
		"count":        (*draft).count,
		"limit":        func(d *draft) string { return d.integer([]string{"0", "1", "2", "5", "100", "-1"}) },
		"increment":    (*draft).step,
		"decrement":    (*draft).step,
		"cursor":       (*draft).cursor,
		"seconds":      func(d *draft) string { return d.relative(1) },
		"milliseconds": func(d *draft) string { return d.relative(1000) },
		"timeout":      (*draft).timeout,
		"offset":       (*draft).offset,
		"channel":      func(d *draft) string { return d.pick(channels) },
		"shardchannel": func(d *draft) string { return d.pick(channels) },
		"type": func(d *draft) string {
			return d.pick([]string{"string", "hash", "set", "zset", "list", "ZSET", "none", "stream", ""})
		},
		"protover":     func(d *draft) string { return d.integer([]string{"2", "2", "3", "3", "3", "1", "4"}) },
		"client-id":    func(d *draft) string { return d.integer([]string{"99999999", "0", "-1"}) },
		"command-name": (*draft).commandName,
		"pattern":      (*draft).pattern,
		"ttl":          (*draft).ttl,

		"serialized-value": (*draft).payload,
		"password":         func(d *draft) string { return d.pick([]string{"secret", "", "x"}) },
		"username":         func(d *draft) string { return d.pick([]string{"default", "default", "bob", ""}) },
		"slot":             func(d *draft) string { return d.integer([]string{"0", "1", "16383", "16384", "-1"}) },
	}
	byName["destination-db"] = (*draft).database
}

// integer picks one of the usual numbers, rarely an edge or none at all.
func (d *draft) integer(usual []string) string {
	if d.odd() {
		return d.wholeNumeral()
	}
	switch x := d.rand.Float64(); {
	case x < 0.95:
		return d.pick(usual)
	case x < 0.975:
		return d.pick(edgeIntegers)
	}
	return d.pick(badIntegers)
}

func (d *draft) double(name string) string {
	switch {
	case name == "timeout":
		return d.timeout()
	case name == "min":
		return d.lower()
	case name == "max":
		return d.upper()
	case d.evens():
		return "0"
	case d.bulk:
		return strconv.Itoa(d.rand.IntN(300))
	case d.odd():
		return d.numeral()
	}
	switch x := d.rand.Float64(); {
	case x < 0.65:
		return d.pick(doubles)
	case x < 0.92:
		return d.decimal()
	case x < 0.97:
		return d.pick(edgeDoubles)
	}
	return d.pick(badDoubles)
}

// step makes a number to add.
func (d *draft) step() string {
	if d.evens() {
		return "0"
	}
	return d.integer([]string{"1", "-1", "5", "0", "-100", "1000000"})
}

// evens reports whether the scores of a sorted set have to stay equal.
func (d *draft) evens() bool { return d.flavour == level && d.chance(0.998) }

// decimal makes a number of any size and of any number of digits.
func (d *draft) decimal() string {
	f := d.rand.NormFloat64()
	switch d.rand.IntN(4) {
	case 0:
		f *= math.Pow(10, float64(d.rand.IntN(40)-20))
	case 1:
		f = float64(d.rand.Int64N(1<<60) >> d.rand.IntN(60))
	}
	return strconv.FormatFloat(f, "gfe"[d.rand.IntN(3)], d.rand.IntN(21)-1, 64)
}

// odd reports whether the next number is to be one that hurts.
func (d *draft) odd() bool { return d.Oddity > 0 && d.chance(d.Oddity) }

// lower makes the lower bound of a range, by rank, score or member.
func (d *draft) lower() string {
	return d.bound(lexLow, scoreLow, []string{"0", "0", "1", "2", "-3", "-100"})
}

func (d *draft) upper() string {
	return d.bound(lexHigh, scoreHigh, []string{"-1", "-1", "5", "10", "-2", "100", "0"})
}

func (d *draft) bound(byMember, byScore, byRank []string) string {
	if d.chance(0.03) {
		return d.pick(wrongBound)
	}
	byLex := strings.Contains(d.row.Name, "lex") || d.tokens["BYLEX"]
	scored := strings.Contains(d.row.Name, "score") || d.row.Name == "zcount" || d.tokens["BYSCORE"]
	if d.tokens["REV"] && d.chance(0.8) {
		d.tokens["REV"] = false
		defer func() { d.tokens["REV"] = true }()
		switch {
		case byLex:
			return d.pick(other(byMember, lexLow, lexHigh))
		case scored:
			return d.pick(other(byScore, scoreLow, scoreHigh))
		}
	}
	switch {
	case byLex:
		return d.pick(byMember)
	case scored && d.odd():
		return d.pick([]string{"", "", "("}) + d.numeral()
	case scored:
		return d.pick(byScore)
	}
	if d.odd() || d.chance(0.2) {
		return d.integer(ranks)
	}
	return d.pick(byRank)
}

// other is the one of a and b that one is not.
func other(one, a, b []string) []string {
	if &one[0] == &a[0] {
		return b
	}
	return a
}

// member makes a member of the call's flavour; those of one bulk all differ.
func (d *draft) member() string {
	if d.bulk {
		switch d.flavour {
		case ints:
			return strconv.Itoa(d.item)
		case long:
			return fmt.Sprintf("%s%d", strings.Repeat("L", d.item%70), d.item)
		}
		return "m" + strconv.Itoa(d.item)
	}
	if d.chance(0.01) {
		return d.pick(oddMembers)
	}
	switch d.flavour {
	case ints:
		return strconv.Itoa(d.rand.IntN(20))
	case long:
		if d.chance(0.1) {
			return strings.Repeat("M", 60+d.rand.IntN(8))
		}
	}
	if d.chance(0.5) {
		return string(rune('a' + d.rand.IntN(8)))
	}
	return "m" + strconv.Itoa(d.rand.IntN(12))
}

// text makes a string without a meaning. That of a number may be needed as one.
func (d *draft) text() string {
	switch {
	case d.flavour == ints && d.chance(0.05):
		return d.pick(edgeIntegers)
	case d.bulk || d.flavour == ints:
		return strconv.Itoa(d.rand.IntN(1000))
	case d.flavour == long || d.chance(0.1):
		return d.pick(texts)
	case d.chance(0.2):
		return d.pick(doubles)
	case d.chance(0.15):
		return d.decimal()
	}
	const letters = "abcdefgh"
	b := make([]byte, d.rand.IntN(12))
	for i := range b {
		b[i] = letters[d.rand.IntN(len(letters))]
	}
	return string(b)
}

// count has no large negative numbers: for those who pick with repetition, that
// is how much they reply.
func (d *draft) count() string {
	if n := d.wholeNumeral(); d.odd() && !repeats(n) {
		return n
	}
	switch x := d.rand.Float64(); {
	case x < 0.93:
		return d.pick([]string{"1", "1", "2", "3", "5", "10", "100", "1000", "0", "-1", "-3", "-7"})
	case x < 0.95:
		return d.pick([]string{"9223372036854775807", "-9223372036854775808", "4294967297", "4611686018427387904"})
	}
	return d.pick(badIntegers)
}

// repeats reports whether a count asks for a long reply that repeats itself.
func repeats(count string) bool {
	n, err := strconv.ParseInt(count, 10, 64)
	return err == nil && n < -1000
}

// offset is small, or so large that nothing of that size is made.
func (d *draft) offset() string {
	if n := d.wholeNumeral(); d.odd() && !large(n) {
		return n
	}
	return d.integer([]string{"0", "0", "1", "2", "5", "20", "100", "-1"})
}

// large reports whether an offset makes a value of many megabytes.
func large(offset string) bool {
	n, err := strconv.ParseInt(offset, 10, 64)
	return err == nil && n > 10_000 && n < 1<<30
}

func (d *draft) database() string {
	return d.integer([]string{"0", "0", "0", "0", "0", "0", "1", "2", "15", "16", "-1"})
}

func (d *draft) cursor() string {
	switch {
	case d.odd():
		return d.wholeNumeral()
	case d.chance(0.9):
		return "0"
	}
	return d.pick(append([]string{"1", "5", "100", "18446744073709551615", "18446744073709551616", "-1", "-5"}, badIntegers...))
}

// relative makes a time to live that is over at once, or in days: neither side
// may reach it sooner than the other. Two are hardly ever close to each other,
// since GT and LT compare what a few ms may have moved.
func (d *draft) relative(unit int64) string {
	// What is a deadline is made below.
	if n := d.wholeNumeral(); d.odd() && !passes(n, 0, (math.MaxInt64-1<<42)/1000*unit) {
		return n
	}
	switch x := d.rand.Float64(); {
	case x < 0.8:
		return strconv.FormatInt((100+d.rand.Int64N(900_000))*1000*unit, 10)
	case x < 0.9:
		return d.pick([]string{"0", "-1", "-5", "-100000"})
	case x < 0.95:
		return d.pick([]string{"9223372036854775807", "-9223372036854775808", "9223372036854775", "9223372036854776", "-9223372036854776"})
	}
	return d.pick(badIntegers)
}

// passes reports whether a time may come before a run is over: it is later than
// now, but not much. The unit is that of all three.
func passes(time string, now, soon int64) bool {
	n, err := strconv.ParseInt(time, 10, 64)
	return err == nil && n > now-soon && n <= now+soon && n != 0
}

// firstAbsolute is later, in seconds, than anything that relative makes.
const firstAbsolute = 4_000_000_000

func (d *draft) deadline(ms bool) string {
	unit := int64(1)
	if ms {
		unit = 1000
	}
	if n := d.wholeNumeral(); d.odd() && !passes(n, time.Now().Unix()*unit, 100_000*unit) {
		return n
	}
	switch x := d.rand.Float64(); {
	case x < 0.8:
		return strconv.FormatInt((firstAbsolute+d.rand.Int64N(5))*unit+d.rand.Int64N(unit), 10)
	case x < 0.9:
		return d.pick([]string{"0", "1", "1000", "-1", "-100000"})
	case x < 0.95:
		return d.pick([]string{"9223372036854775807", "-9223372036854775808", "9223372036854775", "9223372036854776", "-9223372036854776"})
	}
	return d.pick(badIntegers)
}

// timeout is over soon if it is one; 0 would wait for ever.
func (d *draft) timeout() string {
	if d.patient {
		return "0"
	}
	if d.chance(0.9) {
		return d.pick([]string{"0.001", "0.002", "1e-3", "0x1p-10", ".001"})
	}
	return d.pick([]string{"-1", "-0.1", "", "abc", " 1", "1 ", "nan", "inf", "-inf", "1e400", "1e30", "9223372036854775807", "--1"})
}

// millis is timeout for WAIT, which takes milliseconds.
func (d *draft) millis() string {
	if d.chance(0.9) {
		return d.pick([]string{"1", "2", "3"})
	}
	return d.pick([]string{"-1", "0.1", "", "abc", " 1", "1 ", "01", "9223372036854775808", "--1"})
}

func (d *draft) commandName() string {
	if d.chance(0.1) {
		return d.pick(strange)
	}
	return d.rows[d.rand.IntN(len(d.rows))].FullName()
}
