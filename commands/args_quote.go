package commands

import "fmt"

// SplitWords splits a line into words, as people type them, and appends them to
// dst; ok is false when a quote is not closed or text follows a closing quote. A
// word may have a "part with \n \r \t \b \a \xHH escapes" or a 'part with only
// \' escaped' at its end. It is what Redis's sdssplitargs does.
//
// The words replace the line in place (a word is never longer than its source),
// so that none needs memory of its own. The line must hold no NUL, which ends
// it for Redis.
func SplitWords(dst [][]byte, line []byte) (words [][]byte, ok bool) {
	for i := 0; ; {
		for i < len(line) && isSpace(line[i]) {
			i++
		}
		if i == len(line) {
			return dst, true
		}
		start := i
		var end int
		if end, i, ok = unquoteWord(line, start); !ok {
			return nil, false
		}
		dst = append(dst, line[start:end:end])
	}
}

// unquoteWord rewrites the word that starts at start: it then ends at end, and
// the line goes on at next.
func unquoteWord(line []byte, start int) (end, next int, ok bool) {
	end = start
	for i := start; i < len(line); i++ {
		switch c := line[i]; c {
		case ' ', '\n', '\r', '\t': // not \v and \f, which isSpace takes for spaces: as in Redis
			return end, i, true
		case '"':
			return unquoteDouble(line, end, i+1)
		case '\'':
			return unquoteSingle(line, end, i+1)
		default:
			line[end] = c
			end++
		}
	}
	return end, len(line), true
}

// unquoteDouble goes on with a word that ends at end so far, after the double
// quote before i. The closing quote ends the word.
func unquoteDouble(line []byte, end, i int) (newEnd, next int, ok bool) {
	for ; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '"':
			return end, i + 1, endsWord(line, i+1)
		case c == '\\' && i+3 < len(line) && line[i+1] == 'x' && isHexDigit(line[i+2]) && isHexDigit(line[i+3]):
			c = unhex(line[i+2])<<4 | unhex(line[i+3])
			i += 3
		case c == '\\' && i+1 < len(line):
			i++
			c = unescape(line[i])
		}
		line[end] = c
		end++
	}
	return 0, 0, false
}

// unquoteSingle is unquoteDouble for a single quote.
func unquoteSingle(line []byte, end, i int) (newEnd, next int, ok bool) {
	for ; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\'':
			return end, i + 1, endsWord(line, i+1)
		case c == '\\' && i+1 < len(line) && line[i+1] == '\'':
			i++
			c = '\''
		}
		line[end] = c
		end++
	}
	return 0, 0, false
}

// endsWord reports whether a closing quote may stand before i.
func endsWord(line []byte, i int) bool { return i == len(line) || isSpace(line[i]) }

// isSpace is C's isspace.
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func isHexDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// unhex is the value of a hexadecimal digit.
func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}

// unescape is what a backslash and c stand for: c itself, but for five letters.
func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'a':
		return '\a'
	}
	return c
}

// AppendQuoted appends a word as Redis shows it to people: in quotes, and all
// that is not printable ASCII escaped.
func AppendQuoted(line, word []byte) []byte {
	line = append(line, '"')
	for _, b := range word {
		switch b {
		case '\\', '"':
			line = append(line, '\\', b)
		case '\n':
			line = append(line, `\n`...)
		case '\r':
			line = append(line, `\r`...)
		case '\t':
			line = append(line, `\t`...)
		case '\a':
			line = append(line, `\a`...)
		case '\b':
			line = append(line, `\b`...)
		default:
			if ' ' <= b && b <= '~' {
				line = append(line, b)
			} else {
				line = fmt.Appendf(line, `\x%02x`, b)
			}
		}
	}
	return append(line, '"')
}
