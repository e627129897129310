// Package schematest contains the chat schema as calls and their replies, for
// all tests that run it with any client over any transport.
package schematest

import (
	_ "embed"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed schema.txt
var text string

// A Step is one call of the schema.
type Step struct {
	Line      int // in schema.txt; 0: not in it
	Words     []string
	Replies   [2]string // in RESP2 and RESP3, as redis-cli prints them on a terminal
	Unordered bool      // the elements may come in any order
	Extension bool      // Redis answers WRONGTYPE; so does a strict parley
}

// online is the line of the schema that asks for the online members of a room
// with SINTER. Redis rejects it; the line after it is the form for Redis.
var online = Step{
	Words:     []string{"SINTER", "room:2:users", "user:online"},
	Replies:   [2]string{"1) \"1\"\n2) \"2\"", "1~ \"1\"\n2~ \"2\""},
	Unordered: true,
	Extension: true,
}

// Steps returns the schema in order. It runs on an empty server.
func Steps() []Step {
	steps, err := parse(text)
	if err != nil {
		panic(err) // the text is part of the program
	}
	i := slices.IndexFunc(steps, func(s Step) bool { return s.Words[0] == "ZINTER" })
	return slices.Insert(steps, i, online)
}

// Reply returns the reply that redis-cli prints in that version of the
// protocol.
func (s Step) Reply(protocol int) string { return s.Replies[protocol-2] }

// Args returns the words as clients take them.
func (s Step) Args() []any {
	args := make([]any, len(s.Words))
	for i, w := range s.Words {
		args[i] = w
	}
	return args
}

// String returns the step's position and words.
func (s Step) String() string { return fmt.Sprintf("schema.txt:%d: %q", s.Line, s.Words) }

// isCall reports whether a line starts with the mark of a call.
func isCall(mark string) bool { return mark == ">" || mark == "~>" }

func parse(text string) ([]Step, error) {
	var steps []Step
	reply, both := 0, true
	for i, line := range strings.Split(text, "\n") {
		mark, rest, _ := strings.Cut(line, " ")
		switch {
		case isCall(mark):
			words, err := split(rest)
			if err != nil {
				return nil, fmt.Errorf("schema.txt:%d: %w", i+1, err)
			}
			steps = append(steps, Step{Line: i + 1, Words: words, Unordered: mark == "~>"})
			reply, both = 0, true
		case line == "" || mark == "#":
		case len(steps) == 0:
			return nil, fmt.Errorf("schema.txt:%d: a reply to nothing", i+1)
		case line == "resp3:":
			steps[len(steps)-1].Replies[1] = ""
			reply, both = 1, false
		default:
			replies := &steps[len(steps)-1].Replies
			replies[reply] = join(replies[reply], line)
			if both {
				replies[1] = replies[0]
			}
		}
	}
	return steps, nil
}

func join(text, line string) string {
	if text == "" {
		return line
	}
	return text + "\n" + line
}

// split splits a line into words. A word in double quotes is read as in Go,
// which for the schema is the same as in redis-cli.
func split(line string) ([]string, error) {
	var words []string
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		if line[0] != '"' {
			word, rest, _ := strings.Cut(line, " ")
			words, line = append(words, word), rest
			continue
		}
		quoted, err := strconv.QuotedPrefix(line)
		if err != nil {
			return nil, err
		}
		word, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, err
		}
		words, line = append(words, word), line[len(quoted):]
	}
	return words, nil
}

// Matches reports whether a reply, printed as by redis-cli, is the step's.
func (s Step) Matches(protocol int, printed string) bool {
	if s.Unordered {
		return slices.Equal(bare(s.Reply(protocol)), bare(printed))
	}
	return printed == s.Reply(protocol)
}

// bare returns the elements of a flat reply without their numbers, sorted.
func bare(printed string) []string {
	lines := strings.Split(printed, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimLeft(line, " 0123456789")
	}
	slices.Sort(lines)
	return lines
}

// Equal reports whether a reply, as a client library returns it, is the step's.
// Libraries distinguish strings, numbers and statuses differently, so only
// texts and nesting are compared.
func (s Step) Equal(protocol int, reply any) bool {
	return fmt.Sprintf("%q", s.Tree(protocol)) == fmt.Sprintf("%q", s.sorted(Plain(reply)))
}

// Tree returns the expected reply as a string, nil, or a slice of them. Pairs
// of a map, and the elements of an Unordered reply, are sorted.
func (s Step) Tree(protocol int) any { return s.sorted(Tree(s.Reply(protocol))) }

func (s Step) sorted(tree any) any {
	if elems, ok := tree.([]any); ok && s.Unordered {
		slices.SortFunc(elems, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	return tree
}

// element matches the start of an element as redis-cli prints it.
var element = regexp.MustCompile(`^ *\d+[)#~>] `)

// Tree parses the output of redis-cli.
func Tree(printed string) any {
	start := element.FindString(printed)
	if start == "" {
		return leaf(printed)
	}
	width := len(start)
	var elems []string
	for _, line := range strings.Split(printed, "\n") {
		if len(line) >= width && element.MatchString(line[:width]) {
			elems = append(elems, line[width:])
		} else {
			elems[len(elems)-1] += "\n" + line[min(width, len(line)):]
		}
	}
	if start[width-2] == '#' {
		return pairs(elems)
	}
	tree := make([]any, len(elems))
	for i, e := range elems {
		tree[i] = Tree(e)
	}
	return tree
}

func pairs(elems []string) any {
	slices.Sort(elems)
	var tree []any
	for _, e := range elems {
		key, value, _ := strings.Cut(e, " => ")
		tree = append(tree, Tree(key), Tree(value))
	}
	return tree
}

func leaf(printed string) any {
	if rest, ok := strings.CutPrefix(printed, "(integer) "); ok {
		return rest
	}
	if rest, ok := strings.CutPrefix(printed, "(double) "); ok {
		return rest
	}
	if s, err := strconv.Unquote(printed); err == nil {
		return s
	}
	switch printed {
	case "(nil)":
		return nil
	case "(empty array)", "(empty hash)", "(empty set)":
		return []any{}
	}
	return printed
}

// Plain converts what client libraries return into the form of Tree.
func Plain(reply any) any {
	switch r := reply.(type) {
	case nil:
		return nil
	case []byte:
		return string(r)
	case float64:
		return strconv.FormatFloat(r, 'f', -1, 64)
	case error:
		return "(error) " + r.Error()
	case []any:
		tree := make([]any, len(r))
		for i, e := range r {
			tree[i] = Plain(e)
		}
		return tree
	case map[any]any:
		texts := make(map[string]any, len(r))
		for k, v := range r {
			texts[fmt.Sprint(Plain(k))] = v
		}
		return Plain(texts)
	case map[string]any:
		tree := []any{}
		for _, k := range slices.Sorted(maps.Keys(r)) {
			tree = append(tree, k, Plain(r[k]))
		}
		return tree
	default:
		return fmt.Sprint(r)
	}
}
