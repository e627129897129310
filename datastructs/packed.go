package datastructs

import (
	"encoding/binary"
	"slices"
	"unsafe"
)

// A small hash or set is one packed blob: its strings one behind the other,
// each after its length as a uvarint. It has no pointers inside, which keeps it
// out of the garbage collector's way, and is searched from front to back, which
// up to these limits is as quick as hashing.
const (
	packedEntries = 128
	packedBytes   = 4096
)

// unpack returns the first string of a blob, which must not be empty, and the
// rest behind it. The string's capacity ends with it: an append by the caller
// cannot run over the blob.
func unpack(blob []byte) (item, rest []byte) {
	n, head := uint64(blob[0]), 1
	if n >= 0x80 {
		n, head = binary.Uvarint(blob)
	}
	end := head + int(n)
	return blob[head:end:end], blob[end:]
}

// packedLen is how many bytes a string of n bytes takes in a blob.
func packedLen(n int) int {
	size := n + 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

// packedFits reports whether a blob may take in more bytes and stay packed. n
// is the number of entries it would have then. It is safe for any length a
// string can have.
func packedFits(blob []byte, n int, lengths ...int) bool {
	total := len(blob)
	for _, l := range lengths {
		if l > packedBytes {
			return false
		}
		total += packedLen(l)
	}
	return n <= packedEntries && total <= packedBytes
}

// appendPacked appends strings to a blob. Where that must grow it grows to what
// the allocator would give anyway, and not to twice the size: most small values
// are written once, and millions of them are kept.
func appendPacked(blob []byte, items ...[]byte) []byte {
	need := len(blob)
	for _, item := range items {
		need += packedLen(len(item))
	}
	if need > cap(blob) {
		blob = append(slices.Grow([]byte(nil), need), blob...)
	}
	for _, item := range items {
		blob = binary.AppendUvarint(blob, uint64(len(item)))
		blob = append(blob, item...)
	}
	return blob
}

// resizeGap makes the bytes between from and to, in a blob, size bytes long,
// moving what follows. The content of the gap is undefined afterwards. Memory
// is given back once half of it is unused.
func resizeGap(blob []byte, from, to, size int) []byte {
	n := len(blob) - (to - from) + size
	if n > cap(blob) || (cap(blob) > 64 && n < cap(blob)/2) {
		moved := slices.Grow([]byte(nil), n)[:n]
		copy(moved, blob[:from])
		copy(moved[from+size:], blob[to:])
		return moved
	}
	moved := blob[:n]
	copy(moved[from+size:], blob[to:])
	return moved
}

// bytesOf and stringOf lend the same memory under the other type. The bytes,
// which are never nil, are not to be written, and the string is not to be kept.
func bytesOf(s string) []byte {
	if s == "" {
		return []byte{}
	}
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
