package server

import (
	"strconv"
	"strings"
)

// naive reads a whole stream in the plainest way, by the rules of processMultibulkBuffer and processInlineBuffer
// in Redis 7.0's networking.c.
func naive(stream []byte, l limits) (commands [][]string, failure string) {
	const protocol = "ERR Protocol error: "
	s := string(stream)
	// line takes a line without its end off s. open: its end has not come.
	line := func(end byte, size int) (text string, open, tooBig bool) {
		i := strings.IndexAny(s, string([]byte{end, 0}))
		if i < 0 || i > l.inline || s[i] == 0 {
			return "", true, len(s) > l.inline
		}
		if len(s) < i+size {
			return "", true, false
		}
		text, s = s[:i], s[i+size:]
		return text, false, false
	}
	number := func(text string) (int64, bool) {
		n, err := strconv.ParseInt(text, 10, 64)
		return n, err == nil && strconv.FormatInt(n, 10) == text
	}
	for s != "" {
		if s[0] != '*' {
			text, open, tooBig := line('\n', 1)
			if tooBig {
				return commands, protocol + "too big inline request"
			}
			if open {
				return commands, ""
			}
			words, ok := naiveSplit(strings.TrimSuffix(text, "\r"))
			if !ok {
				return commands, protocol + "unbalanced quotes in request"
			}
			if len(words) > 0 {
				commands = append(commands, words)
			}
			continue
		}
		text, open, tooBig := line('\r', 2)
		if tooBig {
			return commands, protocol + "too big mbulk count string"
		}
		if open {
			return commands, ""
		}
		count, ok := number(text[1:])
		if !ok || count > int64(l.multibulk) {
			return commands, protocol + "invalid multibulk length"
		}
		if count > 10 && l.unauthenticated {
			return commands, protocol + "unauthenticated multibulk length"
		}
		var words []string
		for ; count > 0; count-- {
			first := ""
			if s != "" {
				first = s[:1]
			}
			text, open, tooBig := line('\r', 2)
			if tooBig {
				return commands, protocol + "too big bulk count string"
			}
			if open {
				return commands, ""
			}
			if first != "$" {
				return commands, protocol + "expected '$', got '" + strings.NewReplacer("\r", " ", "\n", " ").Replace(first) + "'"
			}
			size, ok := number(text[1:])
			if !ok || size < 0 || size > l.bulk {
				return commands, protocol + "invalid bulk length"
			}
			if size > 16384 && l.unauthenticated {
				return commands, protocol + "unauthenticated bulk length"
			}
			if int64(len(s)) < size+2 {
				return commands, ""
			}
			words = append(words, s[:size])
			s = s[size+2:]
		}
		if words != nil {
			commands = append(commands, words)
		}
	}
	return commands, ""
}

// naiveSplit is sdssplitargs, line for line.
func naiveSplit(line string) (words []string, ok bool) {
	at := func(i int) byte {
		if i < len(line) {
			return line[i]
		}
		return 0
	}
	space := func(c byte) bool { return c != 0 && strings.IndexByte(" \t\n\v\f\r", c) >= 0 }
	p := 0
	for {
		for space(at(p)) {
			p++
		}
		if at(p) == 0 {
			return words, true
		}
		inq, insq, done, current := false, false, false, ""
		for !done {
			switch c := at(p); {
			case inq:
				hex, err := strconv.ParseUint(line[min(p+2, len(line)):min(p+4, len(line))], 16, 8)
				if c == '\\' && at(p+1) == 'x' && p+4 <= len(line) && err == nil {
					current += string([]byte{byte(hex)})
					p += 3
				} else if c == '\\' && at(p+1) != 0 {
					p++
					if i := strings.IndexByte("nrtba", at(p)); i >= 0 {
						current += "\n\r\t\b\a"[i : i+1]
					} else {
						current += line[p : p+1]
					}
				} else if c == '"' {
					if at(p+1) != 0 && !space(at(p+1)) {
						return nil, false
					}
					done = true
				} else if c == 0 {
					return nil, false
				} else {
					current += line[p : p+1]
				}
			case insq:
				if c == '\\' && at(p+1) == '\'' {
					p++
					current += "'"
				} else if c == '\'' {
					if at(p+1) != 0 && !space(at(p+1)) {
						return nil, false
					}
					done = true
				} else if c == 0 {
					return nil, false
				} else {
					current += line[p : p+1]
				}
			case c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == 0:
				done = true
			case c == '"':
				inq = true
			case c == '\'':
				insq = true
			default:
				current += line[p : p+1]
			}
			if at(p) != 0 {
				p++
			}
		}
		words = append(words, current)
	}
}
