package commands

import (
	"bytes"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/datastructs"
)

// FuzzNumbers reads one text as every kind of number that commands take, and
// holds each against a plainer way to read it, or against what it means.
func FuzzNumbers(f *testing.F) {
	for _, text := range []string{
		"0", "-0", "+1", " 1", "1 ", "01", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616",
		"-18446744073709551615", "1e400", "-1e400", "1e-400", "nan", "-nan", "inf", "-inf", "+infinity", "INFINITY", "0x1p-1074", "0x1", "0x", "0x.8p1", "1e", "1e+", ".", ".5", "5.", "1_000", "0b1",
		"3.4028234663852886e38", "4.9406564584124654e-324", "2e-324", "1.7976931348623157e308", "1.7976931348623159e308", "1e4932", "1e4933", "1e-4951",
		"1gb", "1k", "1KB", "1mb1", "99999999999gb", "100%", "(1", "((1", "(", "[a", "-", "+", "-\x00a", "(1\x002", "1\x00", "\t1", "1e999999999999999999", "0." + strings.Repeat("0", 400) + "1",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<12 {
			return
		}
		before := bytes.Clone(text)
		n, ok := ParseInt(text)
		want, err := strconv.ParseInt(string(text), 10, 64)
		require.Equal(t, err == nil && strconv.FormatInt(want, 10) == string(text), ok, "%q", text)
		if ok {
			require.Equal(t, want, n)
			require.Equal(t, string(text), string(datastructs.NewString(text).Bytes()))
		}
		checkFloats(t, text)
		if b, ok := scoreBound(text); ok {
			require.False(t, math.IsNaN(b.Score), "%q", text)
			require.Equal(t, len(text) > 0 && text[0] == '(', b.Exclusive)
		}
		if b, ok := lexBound(text); ok && b.Infinite == 0 {
			require.Equal(t, string(text[1:]), string(b.Member))
		}
		if cursor, err := parseCursor(text); err == nil {
			again, err := parseCursor(strconv.AppendUint(nil, cursor, 10))
			require.NoError(t, err)
			require.Equal(t, cursor, again)
		}
		if bytes, ok := parseMemory(string(text)); ok {
			again, ok := parseMemory(strconv.FormatUint(bytes, 10))
			require.True(t, ok, "%q is %d", text, bytes)
			require.Equal(t, bytes, again, "%q", text)
		}
		c := &Context{Args: [][]byte{text}}
		if ms, err := c.blockTimeout(0); err == nil {
			require.True(t, ms >= 0 && ms <= math.MaxInt64/1_000_000, "%q: %d", text, ms)
		}
		require.Equal(t, before, text, "the text is not changed")
	})
}

// checkFloats: a double and a long double of one text are the same number, and
// each comes back from what is written of it.
func checkFloats(t *testing.T, text []byte) {
	d, ok := parseFloat(text)
	long, longOK := parseLong(text)
	if ok {
		require.False(t, math.IsNaN(d))
		require.True(t, longOK, "%q is a double, and no long double", text)
		again, ok := parseFloat(strconv.AppendFloat(nil, d, 'g', 17, 64))
		require.True(t, ok)
		require.Equal(t, d, again)
	}
	if !longOK {
		return
	}
	near, _ := long.Float64()
	if ok && !math.IsInf(d, 0) {
		// Rounded twice it may be the next double, which is Redis's affair.
		require.True(t, near == d || math.Nextafter(near, d) == d, "%q: %v as a double, %v as a long double", text, d, near)
	}
	if sum, ok := addLong(long, new(big.Float)); ok {
		_, ok := parseLong(sum)
		require.True(t, ok || long.MantExp(nil) < -50, "%q is written as %q", text, sum)
	}
}

// FuzzSortPattern: a pattern of SORT names a key, and a field, for a member; held
// against a plain way to say so.
func FuzzSortPattern(f *testing.F) {
	for _, p := range []string{"#", "*", "w_*", "w_*_x", "h_*->f", "*->", "->*", "a*b->c->d", "*\x00->f", "#\x00", "**", "*-", "nostar", ""} {
		f.Add([]byte(p), []byte("m"))
	}
	f.Fuzz(func(t *testing.T, text, member []byte) {
		p := newSortPattern(text)
		seen, _, _ := strings.Cut(string(text), "\x00")
		before, after, star := strings.Cut(seen, "*")
		require.Equal(t, seen == "#", p.itself)
		require.Equal(t, seen != "#" && !star, p.nothing)
		if !star {
			return
		}
		require.Equal(t, before, string(p.prefix))
		if key, field, arrow := strings.Cut(after, "->"); arrow && field != "" {
			require.Equal(t, key, string(p.postfix))
			require.True(t, strings.HasPrefix(string(p.field), field))
		} else {
			require.Nil(t, p.field)
			require.Equal(t, string(text[len(before)+1:]), string(p.postfix))
		}
		var db datastructs.Keyspace
		key := before + string(member) + string(p.postfix)
		if p.field != nil {
			h := new(datastructs.Hash)
			h.Set(p.field, []byte("found"))
			db.Put([]byte(key), h, 0)
		} else {
			db.Put([]byte(key), datastructs.NewString([]byte("found")), 0)
		}
		c := &Context{State: new(State), DB: &db}
		v, ok := p.value(c, member)
		require.True(t, ok)
		require.Equal(t, "found", string(v))
	})
}
