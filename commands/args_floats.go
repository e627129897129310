package commands

import (
	"bytes"
	"math/big"

	"github.com/parley-chat/parley/commands/resp"
)

// INCRBYFLOAT and HINCRBYFLOAT add in the 80-bit floats of x87, which C calls
// long double: 64 bits of mantissa, 15 of exponent. Clients see the difference
// from a double (0.1 plus 0.2 is 0.3), so that arithmetic is emulated.

const (
	longMantissa = 64
	longMaxExp   = 16384  // a finite number is below 2 to this power
	longMinExp   = -16446 // what is not above 2 to this power rounds to zero
	longMaxText  = 5119   // bytes

	// Beyond these powers of ten a number overflows, or is zero, in any case.
	longMax10 = 4940
	longMin10 = -4960
)

// errIncrementInf refuses a sum that is not a finite number.
const errIncrementInf = resp.Error("ERR increment would produce NaN or Infinity")

// parseLong reads a long double as Redis does with strtold of C: decimal or
// hexadecimal, "inf" and "infinity", each with a sign or without, no space. A
// number is refused that is too large, or so small that it would become zero.
func parseLong(p []byte) (x *big.Float, ok bool) {
	if len(p) == 0 || len(p) > longMaxText {
		return nil, false
	}
	negative := p[0] == '-'
	if negative || p[0] == '+' {
		p = p[1:]
	}
	switch {
	case bytes.EqualFold(p, []byte("inf")), bytes.EqualFold(p, []byte("infinity")):
		x, ok = new(big.Float).SetInf(false), true
	case len(p) > 2 && p[0] == '0' && p[1]|0x20 == 'x':
		x, ok = parseLongHex(p[2:])
	default:
		x, ok = parseLongDecimal(p)
	}
	if ok && negative {
		x.Neg(x)
	}
	return x, ok
}

// addLong returns the sum of two long doubles as text: 17 places behind the
// point at most, no zeros at the end. ok is false where it is not finite.
func addLong(x, y *big.Float) (sum []byte, ok bool) {
	if x.IsInf() || y.IsInf() {
		return nil, false
	}
	s := new(big.Float).SetPrec(longMantissa).Add(x, y)
	if s.MantExp(nil) > longMaxExp {
		return nil, false
	}
	sum = bytes.TrimRight(s.Append(nil, 'f', 17), "0")
	sum = bytes.TrimSuffix(sum, []byte("."))
	if string(sum) == "-0" {
		sum = sum[1:]
	}
	return sum, true
}

func parseLongHex(p []byte) (*big.Float, bool) {
	digits, places, exponent, ok := longParts(p, 16)
	if !ok {
		return nil, false
	}
	mantissa, _ := new(big.Int).SetString(digits, 16)
	x := new(big.Float).SetInt(mantissa)
	return toLong(x.SetMantExp(x, exponent-4*places))
}

// parseLongDecimal rounds once, from the exact fraction, as C does.
// big.Float.Parse makes no such promise.
func parseLongDecimal(p []byte) (*big.Float, bool) {
	digits, places, exponent, ok := longParts(p, 10)
	if !ok {
		return nil, false
	}
	mantissa, _ := new(big.Int).SetString(digits, 10)
	x := new(big.Float).SetInt(mantissa)
	if exponent -= places; exponent == 0 || mantissa.Sign() == 0 {
		return toLong(x)
	}
	// The leading digit alone decides most numbers that are out of range, so
	// that no power of ten is worked out that is beyond all use.
	if top := len(mantissa.Text(10)) + exponent; top > longMax10 || top < longMin10 {
		return nil, false
	}
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exponent, -exponent))), nil)
	if exponent > 0 {
		return toLong(new(big.Float).SetInt(mantissa.Mul(mantissa, power)))
	}
	return toLong(new(big.Float).SetPrec(longMantissa).Quo(x, new(big.Float).SetInt(power)))
}

// toLong rounds to a long double; ok is false where that is infinite, or zero
// for what is not.
func toLong(x *big.Float) (*big.Float, bool) {
	if x.Sign() == 0 {
		return new(big.Float).SetPrec(longMantissa), true
	}
	least := new(big.Float).SetMantExp(big.NewFloat(1), longMinExp)
	if x.Cmp(least) <= 0 {
		return nil, false
	}
	x.SetPrec(longMantissa)
	return x, x.MantExp(nil) <= longMaxExp
}

// longParts takes a number apart: its digits without the point, how many of
// them are behind it, and the exponent.
func longParts(p []byte, base int) (digits string, places, exponent int, ok bool) {
	whole, rest := cutDigits(p, base)
	var fraction []byte
	if len(rest) > 0 && rest[0] == '.' {
		fraction, rest = cutDigits(rest[1:], base)
	}
	if len(whole)+len(fraction) == 0 {
		return "", 0, 0, false
	}
	mark := byte('e')
	if base == 16 {
		mark = 'p'
	}
	if len(rest) > 0 {
		if rest[0]|0x20 != mark {
			return "", 0, 0, false
		}
		exponent, ok = longExponent(rest[1:])
		if !ok {
			return "", 0, 0, false
		}
	}
	return string(whole) + string(fraction), len(fraction), exponent, true
}

// longExponent reads the digits of an exponent. It stops counting where no
// mantissa could bring the number back into range.
func longExponent(p []byte) (int, bool) {
	negative := len(p) > 0 && p[0] == '-'
	if negative || len(p) > 0 && p[0] == '+' {
		p = p[1:]
	}
	digits, rest := cutDigits(p, 10)
	if len(digits) == 0 || len(rest) > 0 {
		return 0, false
	}
	n := 0
	for _, d := range digits {
		n = min(n*10+int(d-'0'), 1_000_000)
	}
	if negative {
		n = -n
	}
	return n, true
}

func cutDigits(p []byte, base int) (digits, rest []byte) {
	for i, b := range p {
		letter := b | 0x20
		if (b < '0' || b > '9') && (base == 10 || letter < 'a' || letter > 'f') {
			return p[:i], p[i:]
		}
	}
	return p, nil
}
