package oracle

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-chat/parley/commands/resp"
)

// A reply is one as it came over the wire, so that nothing is lost in which two
// could differ: the nulls of RESP2, the type of a number, the digits of a float.
type reply []byte

// readReply reads one whole reply.
func readReply(r *bufio.Reader) (reply, error) { return appendReply(nil, r) }

func appendReply(raw []byte, r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return raw, fmt.Errorf("after %q: %w", raw, err)
	}
	raw = append(raw, line...)
	kind, rest := line[0], string(bytes.TrimSpace(line[1:]))
	if !strings.ContainsRune("$=!*~>%", rune(kind)) {
		return raw, nil
	}
	n, err := strconv.Atoi(rest)
	if err != nil {
		return raw, fmt.Errorf("length %q", line)
	}
	switch kind {
	case '$', '=', '!':
		if n < 0 {
			return raw, nil
		}
		at := len(raw)
		raw = append(raw, make([]byte, n+2)...)
		_, err = io.ReadFull(r, raw[at:])
		return raw, err
	case '%':
		n *= 2
	}
	for range n {
		if raw, err = appendReply(raw, r); err != nil {
			return raw, err
		}
	}
	return raw, nil
}

// String renders the reply as redis-cli does.
func (r reply) String() string {
	v, err := resp.Parse(r)
	if err != nil {
		return fmt.Sprintf("%q", []byte(r))
	}
	text := v.String()
	if string(r) == "*-1\r\n" {
		text += " array"
	}
	return text
}

func (r reply) is(text string) bool { return string(r) == text }

// node gives the reply as a tree.
func (r reply) node() node {
	n, _ := nodeOf(r)
	return n
}

// A node is an element of a reply.
type node struct {
	kind  byte
	raw   string // the whole element as it came
	text  string // of a leaf: its digits or bytes
	elems []node
}

func nodeOf(p []byte) (n node, rest []byte) {
	line, rest, _ := bytes.Cut(p, []byte("\r\n"))
	n = node{kind: line[0], text: string(line[1:])}
	length, _ := strconv.Atoi(n.text)
	switch n.kind {
	case '$', '=', '!':
		if length >= 0 {
			n.text, rest = string(rest[:length]), rest[length+2:]
		}
	case '%':
		length *= 2
		fallthrough
	case '*', '~', '>':
		for range length {
			var e node
			e, rest = nodeOf(rest)
			n.elems = append(n.elems, e)
		}
	}
	n.raw = string(p[:len(p)-len(rest)])
	return n, rest
}

// aggregate reports whether the node has elements, or could have.
func (n node) aggregate() bool {
	return strings.IndexByte("*~>%", n.kind) >= 0 && !n.null()
}

func (n node) null() bool { return n.raw == "$-1\r\n" || n.raw == "*-1\r\n" || n.kind == '_' }

// units gives the elements by their raw bytes, step of them together.
func (n node) units(step int) []string {
	var list []string
	for group := range slices.Chunk(n.elems, step) {
		unit := ""
		for _, e := range group {
			unit += e.raw
		}
		list = append(list, unit)
	}
	return list
}

// leaves gives the texts of all that is in the node and no aggregate.
func (n node) leaves() []string {
	if !n.aggregate() {
		return []string{n.text}
	}
	var list []string
	for _, e := range n.elems {
		list = append(list, e.leaves()...)
	}
	return list
}
