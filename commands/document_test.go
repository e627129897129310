package commands_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/internal/test/redistest"
)

var writeDocument = flag.Bool("document", false, "write docs/COMMANDS.md from the table of commands")

const commandsDocument = "../docs/COMMANDS.md"

// docs/COMMANDS.md says what the table says. With -document it is written anew.
func TestCommandsDocument(t *testing.T) {
	want := document(t)
	if *writeDocument {
		require.NoError(t, os.WriteFile(commandsDocument, []byte(want), 0o666))
		return
	}
	got, err := os.ReadFile(commandsDocument)
	require.NoError(t, err)
	if string(got) != want {
		t.Fatalf("docs/COMMANDS.md is stale: the table, or a transcript's name, says otherwise. Run `make docs`. First difference:\n%s",
			firstDifference(string(got), want))
	}
}

// Each heading has an address of its own, so that links go where they say.
func TestCommandsDocumentLinks(t *testing.T) {
	page := document(t)
	anchors := make(map[string]bool)
	for line := range strings.Lines(page) {
		if marks, heading, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.Trim(marks, "#") == "" {
			require.False(t, anchors[anchor(heading)], "two headings %q", heading)
			anchors[anchor(heading)] = true
		}
	}
	require.Greater(t, len(anchors), 100)
	for _, link := range regexp.MustCompile(`\]\(#([^)]+)\)`).FindAllStringSubmatch(page, -1) {
		require.True(t, anchors[link[1]], "no heading for %s", link[0])
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d\n  there: %s\n  now:   %s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("there: %d lines, now: %d", len(g), len(w))
}

// chapters are the groups of the manual in the order of the page. A row of a
// group that is not among them fails the test.
var chapters = []struct{ group, title, text string }{
	{"string", "Strings", ""},
	{"hash", "Hashes", ""},
	{"set", "Sets", "SINTER, SINTERCARD and SINTERSTORE take sorted sets too, unless the server is strict."},
	{"sorted-set", "Sorted sets", ""},
	{"generic", "Keys and expiry", "What can be done with a key whatever the type of its value."},
	{"pubsub", "Messages", ""},
	{"transactions", "Transactions", ""},
	{"connection", "Connections", ""},
	{"server", "Server", ""},
	{"cluster", "Redis Cluster", "parley forms no cluster. As in a Redis that is not part of one, these commands are there and answer " +
		"that cluster support is disabled: client libraries take that as the sign to go on without."},
}

const documentHead = `# Commands

<!-- Written by ` + "`make docs`" + ` from the table of commands, and checked by the tests: do not edit. -->

Every command of parley, by family. Syntax is in the notation of Redis's manual: words in capitals stand as they are, others
stand for values; ` + "`[a]`" + ` may be left out, ` + "`<a | b>`" + ` is a choice, ` + "`[x ...]`" + ` repeats. *Since* is the version of Redis that
brought a command.

A *transcript* shows calls and their replies, errors and corner cases included, in RESP2 and RESP3. Those of commands that
Redis %s has were recorded from it, and the tests play them on both servers.

What is left out, and where parley differs: [COMPATIBILITY.md](COMPATIBILITY.md).
`

// document writes the page.
func document(t *testing.T) string {
	var b strings.Builder
	fmt.Fprintf(&b, documentHead, redistest.Version)
	b.WriteString("\n| family | commands |\n|---|---|\n")
	families := make(map[string][]*commands.Command)
	for _, m := range slices.SortedFunc(slices.Values(commands.Standard().Rows()), byName) {
		families[m.Group] = append(families[m.Group], m)
	}
	for _, c := range chapters {
		fmt.Fprintf(&b, "| [%s](#%s) | %s |\n", c.title, anchor(c.title), links(families[c.group]))
	}
	if later := laterRows(); len(later) > 0 {
		fmt.Fprintf(&b, "\nFrom versions after %s, since the clients of today use them: %s.\n", redistest.Version, links(later))
	}
	shown := shownBy(t)
	for _, c := range chapters {
		fmt.Fprintf(&b, "\n## %s\n", c.title)
		if c.text != "" {
			fmt.Fprintf(&b, "\n%s\n", c.text)
		}
		for _, m := range families[c.group] {
			documentRow(&b, m, shown)
		}
		delete(families, c.group)
	}
	require.Empty(t, families, "groups without a chapter")
	return b.String()
}

func byName(a, b *commands.Command) int { return strings.Compare(a.FullName(), b.FullName()) }

func laterRows() (later []*commands.Command) {
	eachRow(func(m *commands.Command) {
		if isLater(m) {
			later = append(later, m)
		}
	})
	slices.SortFunc(later, byName)
	return later
}

// isLater tells whether Redis has had the command only since a version after 7.0.
func isLater(m *commands.Command) bool { return m.Since > "7.1" }

// documentRow writes the entry of a row, and behind it those of its Subs.
func documentRow(b *strings.Builder, m *commands.Command, shown map[*commands.Command]string) {
	fmt.Fprintf(b, "\n### %s\n\n", title(m))
	if len(m.Subs) > 0 {
		children := slices.SortedFunc(slices.Values(m.Children()), byName)
		fmt.Fprintf(b, "%s %s\n\n", m.Summary, links(children))
		if m.Run != nil {
			documentFacts(b, m, shown)
		} else {
			fmt.Fprintf(b, "Since %s.\n", m.Since)
		}
		for _, sub := range children {
			documentRow(b, sub, shown)
		}
		return
	}
	fmt.Fprintf(b, "    %s\n\n%s\n\n", strings.TrimSpace(title(m)+" "+m.Syntax), m.Summary)
	documentFacts(b, m, shown)
}

// documentFacts writes the last line of an entry.
func documentFacts(b *strings.Builder, m *commands.Command, shown map[*commands.Command]string) {
	facts := []string{"Since " + m.Since}
	if m.Deprecated != "" {
		facts = append(facts, "deprecated since "+m.Deprecated+" ("+m.ReplacedBy+")")
	}
	facts = append(facts, m.Complexity)
	facts = append(facts, properties(m)...)
	if name := shown[m]; name != "" {
		facts = append(facts, fmt.Sprintf("[transcript](../commands/testdata/%s.txt)", name))
	}
	fmt.Fprintf(b, "%s\n", strings.Join(facts, " · "))
}

// properties are those of a row's flags that its callers may want to know.
func properties(m *commands.Command) (list []string) {
	for _, p := range []struct {
		flag commands.Flags
		text string
	}{
		{commands.Write, "writes"},
		{commands.ReadOnly, "reads only"},
		{commands.Blocking, "may wait"},
		{commands.Admin, "for operators"},
		{commands.NoAuth, "allowed before AUTH"},
		{commands.Subscribed, "allowed while subscribed in RESP2"},
		{commands.NoMulti, "not inside MULTI"},
	} {
		if m.Has(p.flag) {
			list = append(list, p.text)
		}
	}
	return list
}

// shownBy finds for each row the transcript to look into: its own, if that
// calls it, or else the first that does.
func shownBy(t *testing.T) map[*commands.Command]string {
	shown := make(map[*commands.Command]string)
	table := commands.Standard()
	for _, name := range transcripts(t) {
		about := table.Named([]byte(rowOf(name)))
		for _, step := range load(t, name).Steps() {
			if len(step.Words) == 0 {
				continue
			}
			m, err := table.Find(bytesOf(step.Words))
			if err != nil {
				continue
			}
			if shown[m] == "" || m == about || slices.Contains(about.Children(), m) {
				shown[m] = fileOf(name)
			}
		}
	}
	return shown
}

// title is a row's name as callers write it: "CLIENT LIST".
func title(m *commands.Command) string {
	return spoken(m.FullName())
}

func links(rows []*commands.Command) string {
	list := make([]string, len(rows))
	for i, m := range rows {
		list[i] = fmt.Sprintf("[%s](#%s)", title(m), anchor(title(m)))
	}
	return strings.Join(list, ", ")
}

// anchor is where a heading can be found on the page.
func anchor(heading string) string {
	return strings.ReplaceAll(strings.ToLower(heading), " ", "-")
}
