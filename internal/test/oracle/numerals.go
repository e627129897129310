package oracle

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// Numbers as a hostile client writes them: of any size and form, on the edges
// of what a type holds, halfway between two that it holds, and spoilt.

// glyphs are the bytes that numbers are spoilt with.
const glyphs = "0123456789+-.eExXpPnNaAiIfF()[ \t\n\v\x00_,'\xff"

// spoilt changes a byte or two of a word.
func (g *Generator) spoilt(word string) string {
	for ok := true; ok; ok = g.chance(0.3) {
		at, glyph := g.rand.IntN(len(word)+1), string(glyphs[g.rand.IntN(len(glyphs))])
		switch rest := word[at:]; {
		case rest == "" || g.chance(0.5):
			word = word[:at] + glyph + rest
		case g.chance(0.5):
			word = word[:at] + rest[1:]
		default:
			word = word[:at] + glyph + rest[1:]
		}
	}
	return word
}

// wholeNumeral makes an integer, or what looks like one.
func (g *Generator) wholeNumeral() string {
	switch g.rand.IntN(8) {
	case 0:
		return g.pick(smallIntegers)
	case 1:
		return g.pick(edgeIntegers)
	case 2:
		return g.pick(badIntegers)
	case 3, 4:
		return g.nearPower()
	case 5:
		return strconv.FormatInt(int64(g.rand.Uint64())>>g.rand.IntN(64), 10)
	case 6:
		return g.sign() + g.digits(1+g.rand.IntN(24))
	}
	return g.spoilt(g.wholeNumeral())
}

// nearPower makes an integer beside a power of 2 or of 10.
func (g *Generator) nearPower() string {
	n := new(big.Int)
	if g.chance(0.7) {
		n.Lsh(big.NewInt(1), uint(g.pickInt(7, 8, 15, 16, 31, 32, 52, 53, 54, 61, 62, 63, 64, 65, g.rand.IntN(128))))
	} else {
		n.Exp(big.NewInt(10), big.NewInt(g.rand.Int64N(24)), nil)
	}
	if g.chance(0.2) { // where seconds and milliseconds meet the limit
		n.Quo(n, big.NewInt(1000))
	}
	if g.chance(0.05) {
		hour := time.Hour.Milliseconds() // the two sides have different clocks
		n.Sub(n, big.NewInt(time.Now().UnixMilli()+hour-g.rand.Int64N(2)*2*hour))
	}
	n.Add(n, big.NewInt(g.rand.Int64N(5)-2))
	if g.chance(0.5) {
		n.Neg(n)
	}
	return n.String()
}

func (g *Generator) pickInt(of ...int) int { return of[g.rand.IntN(len(of))] }

func (g *Generator) sign() string { return g.pick([]string{"", "", "-", "-", "+"}) }

func (g *Generator) digits(n int) string {
	b := make([]byte, n)
	same := g.pickInt(0, 9, -1, -1, -1)
	for i := range b {
		b[i] = '0' + byte(g.rand.IntN(10))
		if same >= 0 && !g.chance(0.1) {
			b[i] = '0' + byte(same)
		}
	}
	return string(b)
}

// numeral makes a decimal, a hexadecimal, an infinity, or what looks like one.
func (g *Generator) numeral() string {
	switch g.rand.IntN(16) {
	case 0:
		return g.pick(doubles)
	case 1:
		return g.pick(edgeDoubles)
	case 2:
		return g.pick(badDoubles)
	case 3, 4: // any double at all
		return g.written(math.Float64frombits(g.rand.Uint64()))
	case 5: // the smallest
		return g.written(math.Float64frombits(g.rand.Uint64() & (1<<(1+g.rand.IntN(54)) - 1)))
	case 6:
		return g.nearPower()
	case 7:
		return g.wholeNumeral()
	case 8: // with few places, as prices and percentages are
		return strconv.FormatFloat(float64(g.rand.IntN(200_000)-100_000)/math.Pow10(g.rand.IntN(6)), 'f', -1, 64)
	case 9:
		return g.written(g.rand.Float64())
	case 10:
		return g.halfway()
	case 11:
		return g.hexadecimal()
	case 12:
		return g.sign() + g.anyCase(g.pick([]string{"INF", "INFINITY", "NAN", "NAN(1)", "INFI", "NAN()", "IN"}))
	case 13, 14:
		return g.scientific()
	}
	return g.spoilt(g.numeral())
}

func (g *Generator) written(f float64) string {
	return strconv.FormatFloat(f, "gfeG"[g.rand.IntN(4)], g.pickInt(-1, -1, 15, 16, 17, 18, g.rand.IntN(30)), 64)
}

// scientific makes digits with a point somewhere and an exponent, around the
// limits of what a double and a long double hold.
func (g *Generator) scientific() string {
	text := g.digits(1 + g.rand.IntN(40))
	if at := g.rand.IntN(len(text) + 1); g.chance(0.7) {
		text = text[:at] + "." + text[at:]
	}
	if g.chance(0.8) {
		around := g.pickInt(0, 0, 17, -5, 21, 308, -308, -324, 4932, -4932, -4951)
		text += g.pick([]string{"e", "E"}) + g.pick([]string{"", "+", "0"}) + strconv.Itoa(around+g.rand.IntN(41)-20)
	}
	if g.chance(0.01) { // longer than Redis has room for
		text = strings.Repeat("0", g.pickInt(30, 127, 128, 255, 256, 5100, 5117, 5118, 5119, 5120)) + text
	}
	return g.sign() + text
}

// halfway makes a number exactly between two neighbouring doubles, or long
// doubles, or a little off: rounding shows there.
func (g *Generator) halfway() string {
	bits := uint(g.pickInt(53, 64))
	mantissa := new(big.Int).SetUint64(g.rand.Uint64()>>(64-bits) | 1<<(bits-1))
	mantissa.Add(mantissa.Lsh(mantissa, 1), big.NewInt(1))
	x := new(big.Float).SetInt(mantissa)
	x.SetMantExp(x, g.pickInt(0, -1, -10, -int(bits), 10, 70, -100)-g.rand.IntN(20))
	text := x.Text('f', 200)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(text, "0")
		switch g.rand.IntN(3) {
		case 0:
			text += "1"
		case 1:
			text += strings.Repeat("0", 20) + "1"
		}
	}
	return g.pick([]string{"", "-"}) + text
}

func (g *Generator) hexadecimal() string {
	text := g.sign() + g.pick([]string{"0x", "0X"}) + strconv.FormatUint(g.rand.Uint64()>>g.rand.IntN(64), 16)
	if g.chance(0.5) {
		text += "." + strconv.FormatUint(g.rand.Uint64()>>g.rand.IntN(64), 16)
	}
	if g.chance(0.6) {
		around := g.pickInt(0, 0, 63, -63, 1023, -1023, -1074, 16383, -16382, -16445)
		text += g.pick([]string{"p", "P"}) + g.pick([]string{"", "+"}) + strconv.Itoa(around+g.rand.IntN(81)-40)
	}
	return text
}
