package commands_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
)

// TestTranscriptsShowEveryOption holds each row's transcript against its syntax:
// a word that the syntax has is given there at least once.
func TestTranscriptsShowEveryOption(t *testing.T) {
	for _, m := range commands.Standard().Rows() {
		shown := make(map[string]bool)
		for line := range strings.Lines(transcriptsOf(t, m)) {
			if strings.Contains(line, "> ") {
				for word := range strings.FieldsSeq(strings.ToUpper(line)) {
					shown[word] = true
				}
			}
		}
		for _, row := range append(m.Children(), m) {
			for _, word := range tokensOf(row.Arguments()) {
				if !shown[word] {
					t.Errorf("testdata/%s.txt: %s is not called with %s", m.Name, row.FullName(), word)
				}
			}
		}
	}
}

// transcriptsOf is the text of a row's transcript, and of those of the rows
// below it that have their own.
func transcriptsOf(t *testing.T, m *commands.Command) string {
	var all strings.Builder
	for _, name := range transcripts(t) {
		if about, _, _ := strings.Cut(rowOf(name), "|"); about == m.Name {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			all.Write(text)
		}
	}
	return all.String()
}

func tokensOf(list []commands.Argument) (words []string) {
	for _, a := range list {
		if a.Token != "" {
			words = append(words, a.Token)
		}
		words = append(words, tokensOf(a.Arguments)...)
	}
	return words
}

// TestTranscriptsShowEveryError finds the texts of errors in the code of the
// commands: each is in a transcript.
func TestTranscriptsShowEveryError(t *testing.T) {
	var all strings.Builder
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		all.Write(text)
	}
	sources, err := filepath.Glob("*.go")
	require.NoError(t, err)
	found := 0
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			if text, ok := errorText(n); ok {
				if !reply.MatchString(text) {
					return true // of a table that is wrong, and no reply
				}
				found++
				for part := range strings.SplitSeq(text, "%") {
					part = strings.TrimLeft(part, "dsqv.0123456789") // of the verb
					if len(part) > 4 && !strings.Contains(all.String(), part) && !unseen[part] {
						t.Errorf("%s: no transcript shows %q", name, part)
					}
				}
			}
			return true
		})
	}
	require.Greater(t, found, 50)
}

// unseen are texts of errors that no transcript can show, each for its reason.
var unseen = map[string]bool{
	"ERR There was an error trying to save the ACLs. Please check the server logs for more information": true, // needs a file
	"ERR too many wrong passwords from this address, try again later":                                   true, // parley's own
	"ERR internal error: the command did not write one whole reply":                                     true, // of commands that a program adds
	"ERR the reply would be too large":                                                                  true, // takes a gigabyte
	"ERR Bad data format: the payload holds a list or a stream, and this server has neither":            true, // parley's own
	"ERR Replica can't interact with the keyspace":                                                      true, // a client that monitors, whose replies come among what it is shown
	"ERR SHUTDOWN is not for clients of this server":                                                    true, // parley's own
	"ERR Errors trying to SHUTDOWN. Check logs.":                                                        true, // needs a directory that cannot be written to
	"ERR SORT with STORE makes a list, and this server has no lists":                                    true, // parley's own
	"ERR SORT would have to look up too many keys":                                                      true, // parley's own
	"ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.": true, // the transcripts' servers allow it
	"UNBLOCKED client unblocked via CLIENT UNBLOCK": true, // needs the client's id
}

var reply = regexp.MustCompile(`^-?[A-Z]+ `)

// errorText returns the text of resp.Error("...") and Errorf("...", ...).
func errorText(n ast.Node) (string, bool) {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return "", false
	}
	name := ""
	switch f := call.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
	}
	if name != "Error" && name != "Errorf" {
		return "", false
	}
	return constant(call.Args[0])
}

// constant adds up the strings of an expression like "a" + "b".
func constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		a, ok1 := constant(e.X)
		b, ok2 := constant(e.Y)
		return a + b, ok1 && ok2
	}
	return "", false
}
