package testkit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parley-chat/parley/commands"
)

// A faultWord is a word of a fault's text: how to parse it, and how to format
// it ("" to leave it out).
type faultWord struct {
	name  string
	set   func(f *Fault, value string) error
	text  func(f *Fault) string
	alone bool // has no value
}

var faultWords = []faultWord{
	textWord("command", func(f *Fault) *string { return &f.Command }),
	textWord("key", func(f *Fault) *string { return &f.Key }),
	textWord("channel", func(f *Fault) *string { return &f.Channel }),
	textWord("client", func(f *Fault) *string { return &f.Client }),
	{"id", func(f *Fault, v string) (err error) { f.ID, err = strconv.ParseInt(v, 10, 64); return err }, func(f *Fault) string { return digits(f.ID) }, false},
	countWord("nth", func(f *Fault) *int { return &f.Nth }),
	countWord("from", func(f *Fault) *int { return &f.From }),
	countWord("times", func(f *Fault) *int { return &f.Times }),
	{"chance", func(f *Fault, v string) (err error) { f.Chance, err = strconv.ParseFloat(v, 64); return err }, chanceText, false},
	{"error", func(f *Fault, v string) error { f.Error = v; return nil }, errorText, false},
	{"delay", func(f *Fault, v string) (err error) { f.Delay, err = time.ParseDuration(v); return err }, delayText, false},
	{"cut", setCut, cutText, false},
	flagWord("hold", func(f *Fault) *bool { return &f.Hold }),
	flagWord("partition", func(f *Fault) *bool { return &f.Partition }),
	flagWord("drop", func(f *Fault) *bool { return &f.Drop }),
	flagWord("double", func(f *Fault) *bool { return &f.Double }),
	flagWord("may-miss", func(f *Fault) *bool { return &f.MayMiss }),
}

// cutNames are the names of the cuts, in their order.
var cutNames = [...]string{"", "before", "no-reply", "mid-reply", "after"}

func textWord(name string, of func(*Fault) *string) faultWord {
	return faultWord{name, func(f *Fault, v string) error { *of(f) = v; return nil }, func(f *Fault) string { return *of(f) }, false}
}

func countWord(name string, of func(*Fault) *int) faultWord {
	return faultWord{name, func(f *Fault, v string) (err error) { *of(f), err = strconv.Atoi(v); return err }, func(f *Fault) string { return digits(*of(f)) }, false}
}

// flagWord is a word without a value.
func flagWord(name string, of func(*Fault) *bool) faultWord {
	text := func(f *Fault) string {
		if *of(f) {
			return name
		}
		return ""
	}
	return faultWord{name, func(f *Fault, _ string) error { *of(f) = true; return nil }, text, true}
}

func digits[T int | int64](n T) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(int64(n), 10)
}

func chanceText(f *Fault) string {
	if f.Chance == 0 {
		return ""
	}
	return strconv.FormatFloat(f.Chance, 'g', -1, 64)
}

// errorText is the error's code if that suffices, or its text.
func errorText(f *Fault) string {
	if code := errorCode(f.Error); fullErrorText(code) == f.Error {
		return code
	}
	return f.Error
}

func delayText(f *Fault) string {
	if f.Delay == 0 {
		return ""
	}
	return f.Delay.String()
}

func setCut(f *Fault, v string) error {
	i := slices.Index(cutNames[1:], v)
	if i < 0 {
		return fmt.Errorf("want one of %s", strings.Join(cutNames[1:], ", "))
	}
	f.Cut = Cut(i + 1)
	return nil
}

func cutText(f *Fault) string {
	if f.Cut < 0 || int(f.Cut) >= len(cutNames) {
		return strconv.Itoa(int(f.Cut))
	}
	return cutNames[f.Cut]
}

// ParseFault parses the text of a fault:
//
//	command=get,mget key=user:* client=app nth=3 error="ERR it broke"
//	command=@write chance=0.1 error=READONLY
//	client=app-* cut=no-reply
//
// Its words are the fields of Fault in lower case, each at most once and in any
// order: command, key, channel, client, id, nth, from, times, chance, error,
// delay (a number with a unit, 1.5s), cut (before, no-reply, mid-reply, after),
// hold, partition, drop, double, may-miss. The last five have no value. Words
// are quoted as in redis-cli. Inject checks whether the fault is valid.
func ParseFault(text string) (f Fault, err error) {
	words, ok := commands.SplitWords(nil, []byte(text))
	if !ok || strings.Contains(text, "\x00") {
		return f, fmt.Errorf("servertest: fault %q: a quote is not closed, or ends within a word", text)
	}
	seen := make(map[string]bool)
	for _, word := range words {
		name, value, given := strings.Cut(string(word), "=")
		at := slices.IndexFunc(faultWords, func(w faultWord) bool { return w.name == name })
		switch {
		case at < 0:
			return f, fmt.Errorf("servertest: fault %q: no word %q", text, name)
		case seen[name]:
			return f, fmt.Errorf("servertest: fault %q: %s twice", text, name)
		case faultWords[at].alone && given:
			return f, fmt.Errorf("servertest: fault %q: %s takes no value", text, name)
		case !faultWords[at].alone && value == "":
			return f, fmt.Errorf("servertest: fault %q: %s needs a value", text, name)
		}
		seen[name] = true
		if err := faultWords[at].set(&f, value); err != nil {
			return f, fmt.Errorf("servertest: fault %q: %s: %w", text, name, err)
		}
	}
	return f, nil
}

// String returns the fault's text: see ParseFault.
func (f Fault) String() string {
	var line []byte
	for _, w := range faultWords {
		text := w.text(&f)
		if text == "" {
			continue
		}
		if len(line) > 0 {
			line = append(line, ' ')
		}
		if line = append(line, w.name...); !w.alone {
			line = appendWord(append(line, '='), text)
		}
	}
	return string(line)
}

// appendWord appends a value, quoted if necessary.
func appendWord(line []byte, value string) []byte {
	plain := func(r rune) bool { return r > ' ' && r < 0x7f && r != '"' && r != '\'' && r != '\\' }
	if strings.IndexFunc(value, func(r rune) bool { return !plain(r) }) < 0 {
		return append(line, value...)
	}
	return commands.AppendQuoted(line, []byte(value))
}
