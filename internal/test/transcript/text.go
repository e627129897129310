package transcript

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/parley-chat/parley/commands/resp"
)

// encode formats a rendered reply so that Parse reads it as one.
func encode(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if !plain(line) {
			lines[i] = `\` + resp.Quote(line)
		}
	}
	return strings.Join(lines, "\n")
}

// plain reports whether a line of a reply can be written unquoted.
func plain(line string) bool {
	if isMark(line) || line[0] == '\\' || strings.HasSuffix(line, " ") || !utf8.ValidString(line) {
		return false
	}
	if line == noReply || line == closed || strings.HasPrefix(line, "(some ") {
		return false
	}
	return strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// render formats a reply as files contain it.
func render(v resp.Value, o order) string {
	switch o {
	case ofType:
		return "(some " + typeName(v) + ")"
	case inAny, inPairs:
		v = sorted(v, o == inPairs)
	}
	return encode(v.String())
}

func typeName(v resp.Value) string {
	switch v.Type {
	case resp.TypeStatus:
		return "status"
	case resp.TypeError:
		return "error"
	case resp.TypeInt:
		return "integer"
	case resp.TypeBulk:
		return "string"
	case resp.TypeNull:
		return "null"
	case resp.TypeBool:
		return "boolean"
	case resp.TypeDouble:
		return "double"
	case resp.TypeBigNumber:
		return "big number"
	case resp.TypeVerbatim:
		return "verbatim string"
	case resp.TypeMap:
		return "map"
	case resp.TypeSet:
		return "set"
	case resp.TypePush:
		return "push"
	}
	return "array"
}

// sorted sorts the elements of a reply by their rendering. Keys and values of a
// map stay together, as do flat pairs if pairs is set.
func sorted(v resp.Value, pairs bool) resp.Value {
	if isScan(v) {
		v.Elems = []resp.Value{v.Elems[0], sorted(v.Elems[1], pairs)}
		return v
	}
	step := 1
	if v.Type == resp.TypeMap || pairs && len(v.Elems)%2 == 0 && !ofPairs(v) {
		step = 2
	}
	chunks := slices.SortedFunc(slices.Chunk(v.Elems, step), func(a, b []resp.Value) int {
		for i := range a {
			if c := strings.Compare(a[i].String(), b[i].String()); c != 0 {
				return c
			}
		}
		return 0
	})
	v.Elems = slices.Concat(chunks...)
	return v
}

// isScan reports whether a reply is one of SCAN: a cursor, and a list.
func isScan(v resp.Value) bool {
	if v.Type != resp.TypeArray || len(v.Elems) != 2 || v.Elems[0].Type != resp.TypeBulk {
		return false
	}
	_, err := strconv.ParseUint(v.Elems[0].Str, 10, 64)
	return err == nil && v.Elems[1].Type == resp.TypeArray
}

// ofPairs reports whether each element is a pair itself.
func ofPairs(v resp.Value) bool {
	return !slices.ContainsFunc(v.Elems, func(e resp.Value) bool {
		return e.Type != resp.TypeArray || len(e.Elems) != 2
	})
}

// pairedIn3 reports whether a flat RESP2 reply has the pairs of the RESP3
// reply.
func pairedIn3(v2, v3 resp.Value) bool {
	return v2.Type == resp.TypeArray && len(v2.Elems) > 0 && !isScan(v2) &&
		(v3.Type == resp.TypeMap || len(v2.Elems) == 2*len(v3.Elems) && ofPairs(v3))
}

var errQuotes = errors.New("unbalanced quotes")

// splitWords splits a line as redis-cli does.
func splitWords(line string) (words []string, err error) {
	for {
		line = strings.TrimLeft(line, " \t")
		if line == "" {
			return words, nil
		}
		var word strings.Builder
		for line != "" && line[0] != ' ' && line[0] != '\t' {
			switch line[0] {
			case '"':
				line, err = unquote(&word, line[1:])
			case '\'':
				line, err = unquoteSingle(&word, line[1:])
			default:
				word.WriteByte(line[0])
				line = line[1:]
				continue
			}
			if err != nil {
				return nil, err
			}
			if line != "" && line[0] != ' ' && line[0] != '\t' {
				return nil, errQuotes
			}
		}
		words = append(words, word.String())
	}
}

// unquote reads a string up to its closing quote and returns the rest.
func unquote(word *strings.Builder, s string) (rest string, err error) {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return s[i+1:], nil
		case s[i] != '\\' || i+1 == len(s):
			word.WriteByte(s[i])
			continue
		}
		i++
		if s[i] == 'x' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				word.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		if at := strings.IndexByte("nrtab", s[i]); at >= 0 {
			word.WriteByte("\n\r\t\a\b"[at])
		} else {
			word.WriteByte(s[i])
		}
	}
	return "", errQuotes
}

// unquoteSingle is unquote for single quotes, whose only escape is \'.
func unquoteSingle(word *strings.Builder, s string) (rest string, err error) {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\'':
			return s[i+1:], nil
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '\'':
			i++
		}
		word.WriteByte(s[i])
	}
	return "", errQuotes
}
