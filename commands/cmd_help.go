package commands

import "strings"

// Help is the HELP of a row that holds others: their syntax and summaries, so
// that it tells of what exists here and of nothing else. The form is Redis's.
func Help(c *Context) error {
	of := c.Command.parent
	name := strings.ToUpper(of.Name)
	c.Array(1 + 2*len(of.Subs))
	c.Status(name + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
	for i := range of.Subs {
		sub := &of.Subs[i]
		c.Status(strings.TrimSpace(strings.ToUpper(sub.Name) + " " + sub.Syntax))
		c.Status("    " + sub.Summary)
	}
	return nil
}
