package testkit

import (
	"context"
	"strings"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/parley-chat/parley/commands"
)

// lintRows are the subcommands for Lint.
func (w *testCommand) lintRows() []commands.Command {
	return []commands.Command{
		subcommand("lint", "<OFF | ALL> [VERSION version] [TTL prefix [TTL prefix ...]]",
			"Starts to report calls that would fail or be harmful on a real Redis of a version; keys with the prefixes must expire.", -3, w.lint),
		subcommand("findings", "", "Lists the findings, each cause once.", 2, w.findings),
	}
}

func (w *testCommand) lint(_ context.Context, words []string) (replyFunc, error) {
	l := LintAll()
	switch off := strings.EqualFold(words[0], "OFF"); {
	case off && len(words) == 1:
		l = Lint{}
	case off || !strings.EqualFold(words[0], "ALL") || len(words)%2 == 0:
		return nil, commands.ErrSyntax
	}
	for i := 1; i < len(words); i += 2 {
		switch strings.ToUpper(words[i]) {
		case "VERSION":
			l.Version = words[i+1]
		case "TTL":
			l.TTLPrefixes = append(l.TTLPrefixes, words[i+1])
		default:
			return nil, commands.ErrSyntax
		}
	}
	return okReply, w.kit.StartLint(l)
}

func (w *testCommand) findings(context.Context, []string) (replyFunc, error) {
	list := w.kit.Findings()
	return func(out *wire.Writer) {
		out.Array(len(list))
		for _, f := range list {
			out.BulkString(f.String())
		}
	}, nil
}
