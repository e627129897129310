package commands

import (
	"strings"
	"testing"
)

// SetMaxDueFields changes, for one test, how many fields of a hash are expired
// before a change of it. The others are hidden.
func SetMaxDueFields(t *testing.T, n int) {
	before := maxDueFields
	maxDueFields = n
	t.Cleanup(func() { maxDueFields = before })
}

// ParseSyntax reads a row's syntax without the row's types of arguments.
func ParseSyntax(syntax string) ([]Argument, error) { return parseSyntax(syntax, nil) }

// FormatSyntax writes arguments in the notation that ParseSyntax reads.
func FormatSyntax(arguments []Argument) string {
	texts := make([]string, len(arguments))
	for i, a := range arguments {
		texts[i] = a.String()
	}
	return strings.Join(texts, " ")
}

// String returns the argument in the manual's notation, as redis-cli shows it.
func (a Argument) String() string {
	text := a.body()
	if a.Type == "oneof" && a.Token != "" && !a.Optional && !a.Multiple {
		text = "<" + text + ">" // or the token would seem to belong to the first only
	}
	if a.Token != "" && a.Type != "pure-token" && !a.MultipleToken {
		text = a.Token + " " + text
	}
	switch {
	case a.Optional:
		return "[" + text + "]"
	case a.Type == "oneof" && a.Token == "":
		return "<" + text + ">"
	}
	return text
}

// body is the argument without the brackets around it, repetitions included.
func (a Argument) body() string {
	var text string
	switch a.Type {
	case "pure-token":
		text = a.Token
	case "block":
		text = FormatSyntax(a.Arguments)
	case "oneof":
		choices := make([]string, len(a.Arguments))
		for i, b := range a.Arguments {
			choices[i] = b.String()
		}
		text = strings.Join(choices, " | ")
	default:
		text = a.Name
	}
	if a.MultipleToken && a.Type != "pure-token" {
		text = a.Token + " " + text
	}
	if a.Multiple {
		text += " [" + text + " ...]"
	}
	return text
}
