package wire

import (
	"bytes"
	"strconv"
)

// Count counts the whole replies and pushes that p holds, one after the other, and
// reports whether that is all there is: nothing is malformed, and nothing lacks its
// end. It makes no copy, and looks at an element only as far as it takes to find the
// next.
func Count(p []byte) (n int, whole bool) {
	for ; len(p) > 0; n++ {
		var ok bool
		if p, ok = skip(p); !ok {
			return n, false
		}
	}
	return n, true
}

// skip returns what is behind the first reply.
func skip(p []byte) (rest []byte, ok bool) {
	for missing := 1; missing > 0; missing-- {
		end := bytes.IndexByte(p, '\r')
		if end < 1 || end+1 == len(p) || p[end+1] != '\n' {
			return nil, false
		}
		kind, line := p[0], p[1:end]
		p = p[end+2:]
		switch kind {
		case '+', '-', ',', '(':
			if bytes.IndexByte(line, '\n') >= 0 {
				return nil, false
			}
		case ':':
			if _, err := strconv.ParseInt(string(line), 10, 64); err != nil {
				return nil, false
			}
		case '#':
			if string(line) != "t" && string(line) != "f" {
				return nil, false
			}
		case '_':
			if len(line) > 0 {
				return nil, false
			}
		case '$', '=', '!':
			length, err := strconv.Atoi(string(line))
			switch {
			case err == nil && length == -1 && kind == '$':
			case err != nil || length < 0 || length > len(p)-2 || p[length] != '\r' || p[length+1] != '\n':
				return nil, false
			default:
				p = p[length+2:]
			}
		case '*', '~', '>', '%':
			length, err := strconv.Atoi(string(line))
			switch {
			case err == nil && length == -1 && kind == '*':
			case err != nil || length < 0 || length > len(p): // an element takes some bytes
				return nil, false
			case kind == '%':
				missing += 2 * length
			default:
				missing += length
			}
		default:
			return nil, false
		}
	}
	return p, true
}
