// Package transcript plays conversations with a Redis server that are written
// down as text, and writes down what a server says.
//
// A file is read from top to bottom and starts with an empty server:
//
//	# A comment.
//	> SET k "a b" PX 50
//	OK
//	! advance 60ms
//	> GET k
//	(nil)
//	a> SUBSCRIBE news
//	1) "subscribe"
//	2) "news"
//	3) (integer) 1
//	resp3:
//	1> "subscribe"
//	2> "news"
//	3> (integer) 1
//	> PUBLISH news hello
//	(integer) 1
//	< a
//	1) "message"
//	...
//
// A line "> words" is a call on the main connection, "a> words" one on another,
// named by a letter. Connections are made when they are first used. Words are
// quoted as in redis-cli. "< a" reads what comes next on a connection without a
// call ("<" alone: on the main one).
//
// Below stands the reply as redis-cli shows it on a terminal; where RESP3 shows
// another, it follows a line "resp3:". A blank line or the next step ends a
// reply. Three replies are none of the server's: "(no reply)" says that nothing
// came (the call waits, or replies are off), "(closed)" that the server closed
// the connection, and "(some integer)" stands for any reply of that type.
//
// A mark between the connection and ">" says how replies are compared: "~>" in
// any order of the elements, "~2>" in any order of pairs of elements (a map has
// pairs in any case), "?>" by the type only. Of a reply that is a cursor and a
// list (SCAN) the list is meant.
//
// The word <id:a> stands for the number that the server knows connection a by,
// <id:> for that of the main one. In replies to a call marked "@>", and where
// one is read by "<@ a", the same words stand for these numbers.
//
// A line of a reply that would be taken for something else, or that an editor
// might spoil, is written as a backslash and a string in quotes.
//
// "! advance 60ms" lets time pass. "! since 7.2" says that what follows exists
// from that version of Redis on: servers of an older one are not asked it.
package transcript

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A File is one conversation.
type File struct {
	Name  string // for messages; Parse leaves it empty
	steps []step
}

// A step is a line of the file that is not part of a reply.
type step struct {
	kind  kind
	line  int    // in the file; 0: not read from one
	text  string // the line; of a call, its words as they are written
	conn  string // of a call and a read: "" is the main connection
	order order
	words []string // of a call
	pause time.Duration
	since string

	// Replies in RESP2 and RESP3 as they stand in the file: encoded.
	recorded bool
	replies  [2]string
}

type kind int

const (
	note kind = iota // a comment or a blank line
	call
	read
	advance
	since
)

// An order says how a reply is compared. Its text is the mark in the file.
type order string

const (
	asSent   order = ""
	inAny    order = "~"
	inPairs  order = "~2"
	ofType   order = "?"
	withIDs  order = "@"
	resp3Tag       = "resp3:"
)

// What stands in place of a reply.
const (
	noReply = "(no reply)"
	closed  = "(closed)"
)

var (
	callLine = regexp.MustCompile(`^([a-z]?)(~2|~|\?|@)?> ?(.*)$`)
	readLine = regexp.MustCompile(`^<(@?) ?([a-z]?)$`)
)

// isMark reports whether a line belongs to no reply.
func isMark(line string) bool {
	return line == "" || line == resp3Tag || strings.ContainsRune("#!<>~?@", rune(line[0])) || callLine.MatchString(line)
}

// Parse reads a file, replies or not: a file without can be recorded.
func Parse(r io.Reader) (*File, error) {
	f := new(File)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 64<<20)
	p := parser{file: f}
	for lines.Scan() {
		p.line++
		if err := p.add(lines.Text()); err != nil {
			return nil, fmt.Errorf("transcript: line %d: %w", p.line, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("transcript: line %d: %w", p.line+1, err)
	}
	p.endReply()
	return f, nil
}

type parser struct {
	file    *File
	line    int
	replies [2][]string // of the last step, so far
	inResp3 bool
	ended   bool // the last step takes no reply any more
}

func (p *parser) add(line string) error {
	if line == resp3Tag {
		if p.inResp3 || p.ended || p.replies[0] == nil {
			return fmt.Errorf("%s without a reply before it", resp3Tag)
		}
		p.inResp3 = true
		return nil
	}
	if !isMark(line) {
		return p.addReply(line)
	}
	s, err := parseStep(line)
	if err != nil {
		return err
	}
	p.endReply()
	s.line = p.line
	p.file.steps = append(p.file.steps, s)
	p.ended = s.kind != call && s.kind != read
	return nil
}

func (p *parser) addReply(line string) error {
	if p.ended || len(p.file.steps) == 0 {
		return fmt.Errorf("%q: no step that it belongs to", line)
	}
	i := 0
	if p.inResp3 {
		i = 1
	}
	p.replies[i] = append(p.replies[i], line)
	return nil
}

// endReply gives the last step the replies that were read.
func (p *parser) endReply() {
	if p.replies[0] != nil {
		s := &p.file.steps[len(p.file.steps)-1]
		s.recorded = true
		for i := range s.replies {
			s.replies[i] = strings.Join(p.replies[i], "\n")
		}
		if !p.inResp3 {
			s.replies[1] = s.replies[0]
		}
	}
	p.replies, p.inResp3 = [2][]string{}, false
}

func parseStep(line string) (step, error) {
	s := step{text: line}
	switch {
	case line == "" || line[0] == '#':
		return s, nil
	case line[0] == '!':
		return parseDirective(s)
	case line[0] == '<':
		m := readLine.FindStringSubmatch(line)
		if m == nil {
			return s, fmt.Errorf("%q: want \"< a\"", line)
		}
		s.kind, s.order, s.conn = read, order(m[1]), m[2]
		return s, nil
	}
	m := callLine.FindStringSubmatch(line)
	if m == nil {
		return s, fmt.Errorf("%q: not a step", line)
	}
	s.kind, s.conn, s.order, s.text = call, m[1], order(m[2]), m[3]
	var err error
	s.words, err = splitWords(s.text)
	return s, err
}

func parseDirective(s step) (step, error) {
	words := strings.Fields(s.text[1:])
	if len(words) == 2 && words[0] == "advance" {
		d, err := time.ParseDuration(words[1])
		s.kind, s.pause = advance, d
		return s, err
	}
	if len(words) == 2 && words[0] == "since" {
		_, err := parseVersion(words[1])
		s.kind, s.since = since, words[1]
		return s, err
	}
	return s, fmt.Errorf("%q: want \"! advance 60ms\" or \"! since 7.2\"", s.text)
}

// parseVersion reads up to three numbers with dots between them.
func parseVersion(s string) (v [3]int, err error) {
	n, _ := fmt.Sscanf(s+".0.0", "%d.%d.%d", &v[0], &v[1], &v[2])
	if n != len(v) {
		err = fmt.Errorf("%q is no version", s)
	}
	return v, err
}

// Older reports whether a server of one version of Redis lacks what came with
// another; "" is the latest as a server's, and the first as a feature's.
func Older(server, feature string) bool {
	if server == "" || feature == "" {
		return false
	}
	a, _ := parseVersion(server)
	b, _ := parseVersion(feature)
	return slices.Compare(a[:], b[:]) < 0
}

// A Step is what is done in a conversation: a call, or letting time pass.
type Step struct {
	Line  int
	Conn  string // "": the main connection
	Words []string
	Pause time.Duration // not 0: this is no call
	Since string        // the version of Redis that it needs
}

// Steps lists what is done in the file, in order.
func (f *File) Steps() []Step {
	var steps []Step
	version := ""
	for _, s := range f.steps {
		switch s.kind {
		case since:
			version = s.since
		case call:
			steps = append(steps, Step{Line: s.line, Conn: s.conn, Words: s.words, Since: version})
		case advance:
			steps = append(steps, Step{Line: s.line, Pause: s.pause, Since: version})
		}
	}
	return steps
}

// WriteTo writes the file in its one form: what Parse reads from it is the same.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	blank := true // at the top of the file there is no blank line
	for _, s := range f.steps {
		line := s.String()
		if line == "" && blank {
			continue
		}
		blank = line == ""
		b.WriteString(line + "\n")
		if !s.recorded {
			continue
		}
		b.WriteString(s.replies[0] + "\n")
		if s.replies[1] != s.replies[0] {
			b.WriteString(resp3Tag + "\n" + s.replies[1] + "\n")
		}
	}
	text := b.String()
	if blank {
		text = strings.TrimSuffix(text, "\n")
	}
	n, err := io.WriteString(w, text)
	return int64(n), err
}

// String is the line of the step, without replies.
func (s step) String() string {
	switch s.kind {
	case call:
		return s.conn + string(s.order) + "> " + s.text
	case read:
		return strings.TrimSuffix("<"+string(s.order)+" "+s.conn, " ")
	}
	return s.text
}
