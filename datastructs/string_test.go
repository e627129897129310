package datastructs_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/datastructs"
)

// The expected encodings were read off redis-server 7.0.15.
func TestStringEncodingIsWhatRedisSays(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "embstr",
		"0":                             "int",
		"-0":                            "embstr",
		"+1":                            "embstr",
		"01":                            "embstr",
		" 1":                            "embstr",
		"-":                             "embstr",
		"-7":                            "int",
		"9223372036854775807":           "int",
		"9223372036854775808":           "embstr",
		"-9223372036854775808":          "int",
		"-9223372036854775809":          "embstr",
		"18446744073709551616":          "embstr",
		"99999999999999999999":          "embstr",
		strings.Repeat("x", 44):         "embstr",
		strings.Repeat("x", 45):         "raw",
		"12345678901234567890123456789": "embstr",
	} {
		s := datastructs.NewString([]byte(text))
		require.Equal(t, want, s.Encoding(), "%q", text)
		require.Equal(t, text, string(s.Bytes()))
		require.Equal(t, len(text), s.Len(), "%q", text)
		n, ok := s.Int()
		require.Equal(t, want == "int", ok, "%q", text)
		if ok {
			require.Equal(t, text, strconv.FormatInt(n, 10))
		}
		require.Equal(t, want == "embstr" || want == "int", datastructs.NewText([]byte(text)).Encoding() == "embstr", "%q", text)
	}
}

func TestStringChangedInPlaceIsRawUntilItIsAnInteger(t *testing.T) {
	s := datastructs.NewString([]byte("10"))
	s.Append([]byte("5"))
	require.Equal(t, "raw", s.Encoding())
	require.Equal(t, "raw", s.Clone().Encoding())
	n, ok := s.Int()
	require.True(t, ok)
	require.EqualValues(t, 105, n)
	s.SetInt(n + 1)
	require.Equal(t, "int", s.Encoding())

	s.Append(nil)
	require.Equal(t, "raw", s.Encoding())

	var fresh datastructs.String
	require.Equal(t, "embstr", fresh.Encoding())
	fresh.SetRange(3, nil)
	require.Equal(t, "embstr", fresh.Encoding())
	require.Zero(t, fresh.Len())
	fresh.SetRange(3, []byte("1"))
	require.Equal(t, "raw", fresh.Encoding())
	require.Equal(t, "\x00\x00\x001", string(fresh.Bytes()))
}

func TestNilStringReadsAsEmpty(t *testing.T) {
	var s *datastructs.String
	require.Zero(t, s.Len())
	require.Empty(t, s.Bytes())
	require.Equal(t, "x", string(s.AppendTo([]byte("x"))))
	_, ok := s.Int()
	require.False(t, ok)
	require.False(t, s.Empty())
	require.NoError(t, s.Check())
	require.Equal(t, "embstr", s.Clone().Encoding())
}

func TestStringKeepsNothingOfTheCallersBytes(t *testing.T) {
	b := []byte("hello")
	s := datastructs.NewString(b)
	copyOf := s.Clone().(*datastructs.String)
	b[0] = 'j'
	s.SetRange(1, []byte("a"))
	require.Equal(t, "hallo", string(s.Bytes()))
	require.Equal(t, "hello", string(copyOf.Bytes()))
}

func FuzzStringAgainstBytes(f *testing.F) {
	f.Add(uint64(1), []byte("12"))
	f.Add(uint64(2), []byte("-9223372036854775808"))
	f.Add(uint64(3), []byte(""))
	f.Fuzz(func(t *testing.T, seed uint64, start []byte) {
		r := rand.New(rand.NewPCG(seed, 1))
		s, want := datastructs.NewString(start), bytes.Clone(start)
		for range 50 {
			switch r.IntN(4) {
			case 0:
				b := []byte(strconv.Itoa(r.IntN(1000))[r.IntN(2):])
				s.Append(b)
				want = append(want, b...)
			case 1:
				offset, b := r.IntN(70), []byte("abc")[:r.IntN(4)]
				s.SetRange(offset, b)
				if len(b) > 0 {
					want = append(want, make([]byte, max(0, offset+len(b)-len(want)))...)
					copy(want[offset:], b)
				}
			case 2:
				n := int64(r.Uint64()) >> r.IntN(64)
				if r.IntN(10) == 0 {
					n = math.MinInt64
				}
				s.SetInt(n)
				want = strconv.AppendInt(nil, n, 10)
			case 3:
				s = s.Clone().(*datastructs.String)
			}
			require.NoError(t, s.Check())
			require.Equal(t, string(want), string(s.Bytes()))
			require.Equal(t, string(want), string(s.AppendTo(nil)))
			require.Equal(t, len(want), s.Len())
			n, ok := s.Int()
			parsed, err := strconv.ParseInt(string(want), 10, 64)
			canonical := err == nil && strconv.FormatInt(parsed, 10) == string(want)
			require.Equal(t, canonical, ok, "%q", want)
			if ok {
				require.Equal(t, parsed, n)
			}
		}
	})
}

// A large text that has been given out is not written over, and one that is given to
// be stored is not copied.
func TestLargeTextsAreKeptAndLent(t *testing.T) {
	text := bytes.Repeat([]byte("x"), datastructs.LargeText)
	s := datastructs.NewString(text)
	require.Same(t, &text[0], &s.Bytes()[0])
	lent := s.Bytes()
	part, _ := s.Range(1, 3)
	s.Append([]byte("more"))
	s.SetRange(0, []byte("abcde"))
	s.SetRange(2, []byte("C"))
	require.Equal(t, "abCdex", string(s.Bytes()[:6]))
	require.Len(t, lent, datastructs.LargeText)
	require.Empty(t, bytes.Trim(lent, "x"))
	require.Equal(t, "xxx", string(part))
	require.NoError(t, s.Check())
	require.NoError(t, s.Clone().(*datastructs.String).Check())

	short := []byte("short")
	s = datastructs.NewString(short)
	short[0] = 'S'
	require.Equal(t, "short", string(s.Bytes()))
}

// A client that is slow to read a part of a value does not keep all of it in memory.
func TestALargePartOfAMuchLargerTextIsACopy(t *testing.T) {
	text := make([]byte, 8*datastructs.LargeText)
	s := datastructs.NewText(text)
	part, lent := s.Range(0, datastructs.LargeText-1)
	require.False(t, lent)
	require.NotSame(t, &text[0], &part[0])
	require.Less(t, cap(part), 2*datastructs.LargeText)
	part, lent = s.Range(0, len(text)/2)
	require.True(t, lent)
	require.Same(t, &text[0], &part[0], "most of it is lent")
}
