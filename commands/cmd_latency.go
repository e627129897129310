package commands

import (
	"fmt"
	"strconv"
	"strings"
)

var latencyRow = Command{
	Name: "latency", Syntax: "",
	Summary: "Holds the commands about how long things take.",
	Since:   "2.8.13", Group: "server", Complexity: "That of the subcommand",
	Arity: -2,
	Subs: []Command{
		{
			Name: "doctor", Syntax: "",
			Summary: "Says in words what the latency monitor has seen.",
			Since:   "2.8.13", Group: "server", Complexity: "O(1)",
			Arity: 2, Flags: Admin | NoScript | Loading | Stale,
			Tips: latencyTips,
			Run:  latencyDoctor,
		},
		{
			Name: "graph", Syntax: "event",
			Summary: "Draws the samples of an event in characters.",
			Since:   "2.8.13", Group: "server", Complexity: "O(1)",
			Arity: 3, Flags: Admin | NoScript | Loading | Stale,
			Tips: latencyTips,
			Run:  latencyGraph,
		},
		{
			Name: "help", Syntax: "",
			Summary: "Lists these subcommands.",
			Since:   "2.8.13", Group: "server", Complexity: "O(1)",
			Arity: 2, Flags: Loading | Stale,
			Run: Help,
		},
		{
			Name: "histogram", Syntax: "[command [command ...]]",
			Summary: "Tells how many calls of commands took how long.",
			Since:   "7.0.0", Group: "server", Complexity: "O(N), N being the number of commands told of",
			Arity: -2, Flags: Admin | NoScript | Loading | Stale,
			Tips: latencyTips,
			Run:  latencyHistogram,
		},
		{
			Name: "history", Syntax: "event",
			Summary: "Lists the samples of an event.",
			Since:   "2.8.13", Group: "server", Complexity: "O(1)",
			Arity: 3, Flags: Admin | NoScript | Loading | Stale,
			Tips: latencyTips,
			Run:  latencyHistory,
		},
		{
			Name: "latest", Syntax: "",
			Summary: "Lists the last sample and the longest of each event.",
			Since:   "2.8.13", Group: "server", Complexity: "O(1)",
			Arity: 2, Flags: Admin | NoScript | Loading | Stale,
			Tips: latencyTips,
			Run:  latencyLatest,
		},
		{
			Name: "reset", Syntax: "[event [event ...]]",
			Summary: "Forgets the samples of events, or of all.",
			Since:   "2.8.13", Group: "server", Complexity: "O(1)",
			Arity: -2, Flags: Admin | NoScript | Loading | Stale,
			Tips: []string{"request_policy:all_nodes", "response_policy:all_succeeded"},
			Run:  latencyReset,
		},
	},
}

var latencyTips = []string{"nondeterministic_output", "request_policy:all_nodes", "response_policy:special"}

func latencyLatest(c *Context) error {
	names := c.latency.names()
	c.Array(len(names))
	for _, name := range names {
		e := c.latency.of(name)
		last := e.samples[len(e.samples)-1]
		c.Array(4)
		c.BulkString(name)
		c.Int64(last.time)
		c.Int64(last.ms)
		c.Int64(e.max)
	}
	return nil
}

func latencyHistory(c *Context) error {
	samples := c.latency.of(string(c.Args[2])).samples
	c.Array(len(samples))
	for _, s := range samples {
		c.Array(2)
		c.Int64(s.time)
		c.Int64(s.ms)
	}
	return nil
}

func latencyReset(c *Context) error {
	names := c.latency.names()
	if len(c.Args) > 2 {
		names = names[:0]
		for _, word := range c.Args[2:] {
			names = append(names, string(word))
		}
	}
	n := 0
	for _, name := range names {
		if c.latency.reset(name) {
			n++
		}
	}
	c.Int(n)
	return nil
}

func latencyGraph(c *Context) error {
	name := string(c.Args[2])
	e := c.latency.of(name)
	if len(e.samples) == 0 {
		return Errorf("ERR No samples available for event '%s'", cut(c.Args[2], len(c.Args[2])))
	}
	low, high := e.samples[0].ms, e.samples[0].ms
	marks := make([]mark, len(e.samples))
	for i, s := range e.samples {
		low, high = min(low, s.ms), max(high, s.ms)
		marks[i] = mark{s.ms, age(c.Now/1000 - s.time)}
	}
	c.Verbatim("txt", fmt.Sprintf("%s - high %d ms, low %d ms (all time high %d ms)\n%s\n%s",
		name, high, low, e.max, strings.Repeat("-", graphColumns), sparkline(marks)))
	return nil
}

// age writes seconds in the largest unit that they fill.
func age(seconds int64) string {
	switch {
	case seconds < 60:
		return strconv.FormatInt(seconds, 10) + "s"
	case seconds < 60*60:
		return strconv.FormatInt(seconds/60, 10) + "m"
	case seconds < 24*60*60:
		return strconv.FormatInt(seconds/(60*60), 10) + "h"
	}
	return strconv.FormatInt(seconds/(24*60*60), 10) + "d"
}

func latencyDoctor(c *Context) error {
	c.Verbatim("txt", latencyReport(c))
	return nil
}

func latencyReport(c *Context) string {
	if c.Config.LatencyThreshold == 0 {
		return "The latency monitor is off. CONFIG SET latency-monitor-threshold <milliseconds> turns it on.\n"
	}
	names := c.latency.names()
	if len(names) == 0 {
		return fmt.Sprintf("Nothing has taken %d ms or more since the latency monitor was turned on or reset.\n", c.Config.LatencyThreshold)
	}
	var b strings.Builder
	for _, name := range names {
		e := c.latency.of(name)
		sum, first := int64(0), e.samples[0].time
		for _, s := range e.samples {
			sum += s.ms
		}
		fmt.Fprintf(&b, "%s: %s: %d samples in %d s, on average %d ms, at most %d ms.\n",
			name, latencyAdvice[name], len(e.samples), max(1, c.Now/1000-first), sum/int64(len(e.samples)), e.max)
	}
	return b.String()
}

// latencyAdvice says what an event is, and where to look.
var latencyAdvice = map[string]string{
	latencyCommand:     "a command that may take long; SLOWLOG GET tells which calls",
	latencyFastCommand: "a command that should be fast: a very large value, or a machine that is short of time",
	latencyUnblocking:  "serving a call that waited",
	latencyExpiry:      "many keys whose deadline is the same",
}

// latencyHistogram passes over names of nothing, and of what was not called.
func latencyHistogram(c *Context) error {
	mark, n := c.Mark(), 0
	tell := func(m *Command) {
		if h := c.Stats.Of(m).times.Load(); h != nil {
			writeDistribution(c, m.FullName(), h.parts())
			n++
		}
	}
	all := func(m *Command) {
		tell(m)
		for _, sub := range m.Children() {
			tell(sub)
		}
	}
	if len(c.Args) == 2 {
		for _, m := range c.Table.Rows() {
			all(m)
		}
	}
	for _, name := range c.Args[2:] {
		if m := c.Table.Named(name); m != nil {
			all(m)
		}
	}
	c.CloseMap(mark, n)
	return nil
}

func writeDistribution(c *Context, name string, parts []part) {
	list := distribution(parts)
	calls := uint64(0)
	if len(list) > 0 {
		calls = list[len(list)-1].count
	}
	c.BulkString(name)
	c.Map(2)
	c.BulkString("calls")
	c.Int64(int64(calls))
	c.BulkString("histogram_usec")
	c.Map(len(list))
	for _, s := range list {
		c.Int64(s.micros)
		c.Int64(int64(s.count))
	}
}
