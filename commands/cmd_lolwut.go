package commands

import (
	"fmt"
	"strings"
)

var lolwutRow = Command{
	Name: "lolwut", Syntax: "[VERSION version]",
	Summary: "Draws something, and tells the version.",
	Since:   "5.0.0", Group: "server", Complexity: "O(N), N being the size of the drawing",
	Arity: -1, Flags: ReadOnly | Fast,
	Run: lolwut,
}

// The size of a drawing, in characters: as asked for, within bounds.
const (
	usualColumns, maxColumns = 66, 1000
	usualRows, maxRows       = 12, 200
)

// lolwut draws for the versions that Redis draws for, 5 and 6; it is another
// drawing. Behind the version stand columns and rows. All else is answered with
// the version of Redis alone, as by Redis 7.
func lolwut(c *Context) error {
	last := fmt.Sprintf("Redis ver. %s\n", RedisVersion)
	words := c.Args[1:]
	if len(words) < 2 || !Is(words[0], "VERSION") {
		c.Verbatim("txt", last)
		return nil
	}
	version, ok := ParseInt(words[1])
	if !ok {
		return errNotInteger
	}
	if version != 5 && version != 6 {
		c.Verbatim("txt", last)
		return nil
	}
	size := [2]int64{usualColumns, usualRows}
	most := [2]int64{maxColumns, maxRows}
	for i, word := range words[2:min(len(words), 4)] {
		n, ok := ParseInt(word)
		if !ok {
			return errNotInteger
		}
		size[i] = min(max(n, 1), most[i])
	}
	c.Verbatim("txt", maze(c, int(size[0]), int(size[1]))+"\nA maze, and nobody knows whether there is a way. "+last)
	return nil
}

// maze draws walls that lean to one side or the other.
func maze(c *Context, columns, rows int) string {
	var b strings.Builder
	for range rows {
		for range columns {
			if c.Rand.IntN(2) == 0 {
				b.WriteRune('╱')
			} else {
				b.WriteRune('╲')
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
