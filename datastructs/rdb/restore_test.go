package rdb_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/datastructs"
	"github.com/parley-chat/parley/datastructs/rdb"
)

// FuzzRestore gives a value's bytes a valid footer, which no fuzzer finds. What
// is taken is sound, and comes back the same from its own dump.
func FuzzRestore(f *testing.F) {
	for _, p := range payloads(f) {
		f.Add(p.dumped[:len(p.dumped)-10])
	}
	for _, body := range oldForms() {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		rdb.Restore(body) // the footer is read from there, too
		v, err := rdb.Restore(rdb.Seal(body))
		if err != nil {
			require.Nil(t, v)
			return
		}
		require.False(t, v.Empty())
		require.NoError(t, v.Check())
		first := rdb.Dump(v)
		again, err := rdb.Restore(first)
		require.NoError(t, err, "%q", first)
		require.NoError(t, again.Check())
		if settled(v, first) {
			require.Equal(t, contents(v), contents(again))
			require.Equal(t, first, rdb.Dump(again))
		}
	})
}

// settled reports whether a value comes back in the form that it is in: a small
// one of a large form does not.
func settled(v datastructs.Value, dumped []byte) bool {
	again, err := rdb.Restore(dumped)
	return err == nil && v.Encoding() == again.Encoding()
}

// oldForms are values as servers before 7.0 have written them; and some of other
// kinds.
func oldForms() [][]byte {
	short := func(kind byte, p []byte) []byte { return append([]byte{kind, byte(len(p))}, p...) }
	return [][]byte{
		[]byte("\x03\x03\x01a\x031.5\x01b\xfe\x01c\xff"),
		[]byte("\x05\x02\x01b\x00\x00\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x00\x00\x00\x00\xf0\x3f"),
		[]byte("\x04\x02\x01a\x01x\x01b\xc0\x07"),
		short(13, ziplist("\x01a", "\xf2", "\x01b", "\xfe\x80", "\x01c", "\xc0\x00\x10", "\x01d", "\xf0\x00\x00\x10", "\x01e", "\xd0\x00\x00\x00\x10")),
		short(12, ziplist("\x01a", "\xf2", "\x01b", "\x032.5")),
		short(9, []byte("\x02\x01a\x01\x02x??\x02bb\x00\x00\xff")),
		[]byte("\x01\x01\x01a"),
		[]byte("\x12\x01\x02\x09\x09\x00\x00\x00\x01\x00\x01\x01\xff"),
		[]byte("\x07\x01a"),
	}
}

// ziplist makes one of entries that begin with their form.
func ziplist(entries ...string) []byte {
	p := make([]byte, 10)
	tail, before := 10, 0
	for _, e := range entries {
		tail = len(p)
		p = append(append(p, byte(before)), e...)
		before = len(p) - tail
	}
	p = append(p, 0xff)
	binary.LittleEndian.PutUint32(p, uint32(len(p)))
	binary.LittleEndian.PutUint32(p[4:], uint32(tail))
	binary.LittleEndian.PutUint16(p[8:], uint16(len(entries)))
	return p
}

func TestOldForms(t *testing.T) {
	want := []string{
		`zset listpack "c"=-Inf "a"=1.5 "b"=+Inf`,
		`zset listpack "b"=0 "a"=1`,
		`hash listpack "a"="x" "b"="7"`,
		`hash listpack "a"="1" "b"="-128" "c"="4096" "d"="1048576" "e"="268435456"`,
		`zset listpack "a"=1 "b"=2.5`,
		`hash listpack "a"="x" "bb"=""`,
	}
	for i, body := range oldForms() {
		v, err := rdb.Restore(rdb.Seal(body))
		if i >= len(want) {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err, "%q", body)
		require.Equal(t, want[i], contents(v))
	}
}

// A payload that is cut off anywhere is refused, and so is one in which any bit
// is another: that is what the checksum is for. Sealed anew it may be a value,
// but must not break anything.
func TestDamagedPayloads(t *testing.T) {
	for _, p := range payloads(t) {
		step := 1 + len(p.dumped)/200
		for i := 0; i < len(p.dumped); i += step {
			_, err := rdb.Restore(p.dumped[:i])
			require.ErrorIs(t, err, rdb.ErrFooter)
			for bit := range 8 {
				damaged := bytes.Clone(p.dumped)
				damaged[i] ^= 1 << bit
				_, err = rdb.Restore(damaged)
				require.ErrorIs(t, err, rdb.ErrFooter)
				if i < len(p.dumped)-10 {
					if v, err := rdb.Restore(rdb.Seal(damaged[:len(damaged)-10])); err == nil {
						require.NoError(t, v.Check())
						require.False(t, v.Empty())
					}
				}
			}
		}
	}
}

// Lengths that are announced cost nothing until the bytes are there.
func TestRestoreTakesMemoryForWhatIsThere(t *testing.T) {
	most := "\x81\x00\x00\x00\x7f\xff\xff\xff\xff" // as a length
	few := "\x01a\x01b"
	// 264 bytes for each three, as many as LZF can stand for: the second such
	// member is there twice, and none after it is unpacked.
	packed := "\x00\x00" + strings.Repeat("\xe0\xff\x00", 1000)
	for _, body := range []string{
		"\x00" + most + "abc",
		"\x00\xc3" + most + most + "abc",
		"\x00\xc3\x05" + most + "\x00a\xe0\xff\x00",
		"\x00\xc3\x05\x80\x20\x00\x00\x00" + "\x00a\xe0\xff\x00",
		"\x02" + most + few, "\x04" + most + few, "\x03" + most + few, "\x05" + most + few,
		"\x0b\x0a\x02\x00\x00\x00\xff\xff\xff\xff\x01\x00",
		"\x0b" + most, "\x0c" + most, "\x0d" + most, "\x09" + most, "\x10" + most, "\x11" + most,
		"\x10\x0f\x0f\x00\x00\x00\xff\xff\xf0\xff\xff\xff\x7fabc\xff",
		"\x0d\x13\x13\x00\x00\x00\x0a\x00\x00\x00\xff\xff\x00\x80\x7f\xff\xff\xffab\xff",
		"\x09\x0a\xfe\xfe\xff\xff\xff\x7fabc\xff",
		"\x02\x80\x00\x03\x00\x00" + strings.Repeat("\xc3\x4b\xba\x80\x00\x04\x07\x41"+packed, 3),
	} {
		payload := rdb.Seal([]byte(body))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := rdb.Restore(payload)
		runtime.ReadMemStats(&after)
		require.Error(t, err, "%.50q", body)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20), "%.50q", body)
	}
}

// A string of any content is what it was when it comes back, whether or not it
// became shorter.
func FuzzString(f *testing.F) {
	for _, text := range []string{"", "12", "-2147483649", "abcabcabcabcabcabcabcabcabc", strings.Repeat("x", 300), strings.Repeat("0123456789", 1000)} {
		f.Add([]byte(text), uint16(1))
		f.Add([]byte(text), uint16(300))
	}
	f.Fuzz(func(t *testing.T, text []byte, times uint16) {
		text = bytes.Repeat(text, 1+int(times%512))
		v, err := rdb.Restore(rdb.Dump(datastructs.NewString(text)))
		require.NoError(t, err)
		require.Equal(t, len(text), v.(*datastructs.String).Len())
		require.True(t, bytes.Equal(text, v.(*datastructs.String).Bytes()))
	})
}

// What is restored does not keep the rest of a payload in memory.
func TestRestoredTextsKeepNothingElse(t *testing.T) {
	large := func(seed uint64) []byte { // that cannot be compressed
		p := make([]byte, datastructs.LargeText)
		rand.NewChaCha8([32]byte{byte(seed)}).Read(p)
		return p
	}
	h := new(datastructs.Hash)
	h.Set([]byte("f"), large(1))
	h.Set([]byte("g"), large(2))
	payload := rdb.Dump(h)
	v, err := rdb.Restore(payload)
	require.NoError(t, err)
	clear(payload)
	got, _ := v.(*datastructs.Hash).Get([]byte("g"))
	require.Equal(t, string(large(2)), string(got))
	got, _ = v.(*datastructs.Hash).Get([]byte("f"))
	require.Equal(t, string(large(1)), string(got))
}
