package commands_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
)

func TestSyntaxOfEveryRowIsRead(t *testing.T) {
	eachRow(func(m *commands.Command) {
		list, err := commands.ParseSyntax(m.Syntax)
		require.NoError(t, err, m.FullName())
		require.Equal(t, m.Syntax, commands.FormatSyntax(list), m.FullName())
		require.Equal(t, m.Syntax, commands.FormatSyntax(m.Arguments()), m.FullName())
	})
}

func TestSyntax(t *testing.T) {
	token := func(word, name string) commands.Argument {
		return commands.Argument{Name: name, Token: word, Type: "pure-token"}
	}
	for _, x := range []struct {
		syntax string
		want   commands.Argument
	}{
		{"key", commands.Argument{Name: "key", Type: "key"}},
		{"[NOW]", commands.Argument{Name: "now", Token: "NOW", Type: "pure-token", Optional: true}},
		{"[COUNT count]", commands.Argument{Name: "count", Token: "COUNT", Type: "integer", Optional: true}},
		{"member [member ...]", commands.Argument{Name: "member", Type: "string", Multiple: true}},
		{"[PREFIX prefix [PREFIX prefix ...]]", commands.Argument{
			Name: "prefix", Token: "PREFIX", Type: "string", Optional: true, Multiple: true, MultipleToken: true,
		}},
		{"field value [field value ...]", commands.Argument{
			Name: "field_value", Type: "block", Multiple: true,
			Arguments: []commands.Argument{{Name: "field", Type: "string"}, {Name: "value", Type: "string"}},
		}},
		{"FIELDS numfields field [field ...]", commands.Argument{
			Name: "numfields_field", Token: "FIELDS", Type: "block",
			Arguments: []commands.Argument{{Name: "numfields", Type: "integer"}, {Name: "field", Type: "string", Multiple: true}},
		}},
		{"<YES | NO>", commands.Argument{
			Name: "yes_no", Type: "oneof",
			Arguments: []commands.Argument{token("YES", "yes"), token("NO", "no")},
		}},
		{"[TYPE NORMAL | PUBSUB]", commands.Argument{
			Name: "type", Token: "TYPE", Type: "oneof", Optional: true,
			Arguments: []commands.Argument{token("NORMAL", "normal"), token("PUBSUB", "pubsub")},
		}},
		{"[EX seconds | PERSIST]", commands.Argument{
			Name: "seconds_persist", Type: "oneof", Optional: true,
			Arguments: []commands.Argument{
				{Name: "seconds", Token: "EX", Type: "integer"}, token("PERSIST", "persist"),
			},
		}},
		{"<a | [B b] [a | [B b] ...]>", commands.Argument{
			Name: "a_b", Type: "oneof", Multiple: true,
			Arguments: []commands.Argument{
				{Name: "a", Type: "string"}, {Name: "b", Token: "B", Type: "string", Optional: true},
			},
		}},
	} {
		list, err := commands.ParseSyntax(x.syntax)
		require.NoError(t, err)
		require.Equal(t, []commands.Argument{x.want}, list, x.syntax)
		require.Equal(t, x.syntax, commands.FormatSyntax(list))
	}
}

func TestSyntaxThatMakesNoSense(t *testing.T) {
	for _, syntax := range []string{
		"[", "]", "<a", "a>", "[a>", "[]", "<a | >", "| a", "a | b", "...", "a ...", "a [b ...]", "[a ...]", "[...]",
	} {
		_, err := commands.ParseSyntax(syntax)
		require.Error(t, err, syntax)
	}
}

func FuzzSyntax(f *testing.F) {
	f.Add("key [NX | XX] [GET] [EX seconds | PX milliseconds] [key ...]")
	f.Add("[A [A ...]]")
	f.Add("<a | <[ID id] | [T X | Y] [[ID id] | [T X | Y] ...]>>")
	f.Fuzz(func(t *testing.T, syntax string) {
		list, err := commands.ParseSyntax(syntax)
		if err != nil {
			return
		}
		again, err := commands.ParseSyntax(commands.FormatSyntax(list))
		require.NoError(t, err)
		require.Equal(t, commands.FormatSyntax(list), commands.FormatSyntax(again))
	})
}

// eachRow walks all rows and sub-rows.
func eachRow(visit func(*commands.Command)) {
	for _, m := range commands.Standard().Rows() {
		visit(m)
		for _, sub := range m.Children() {
			visit(sub)
		}
	}
}
