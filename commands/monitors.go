package commands

import (
	"container/list"
	"fmt"

	"github.com/parley-chat/parley/commands/resp"
)

var monitorRow = Command{
	Name: "monitor", Syntax: "",
	Summary: "Shows this connection each call that the server runs from now on.",
	Since:   "1.0.0", Group: "server", Complexity: "O(1)",
	Arity: 1, Flags: Admin | NoScript | Loading | Stale | OfConnection,
	Run: monitor,
}

const errMonitorKeyspace = resp.Error("ERR Replica can't interact with the keyspace")

// Monitors are the clients that are shown all calls. The zero value is ready.
type Monitors struct {
	list list.List // of *Client, in the order in which they came
}

// Len counts the monitors.
func (s *Monitors) Len() int { return s.list.Len() }

// Remove lets a client be an ordinary one again.
func (s *Monitors) Remove(l *Client) {
	if l.monitor != nil {
		s.list.Remove(l.monitor)
		l.monitor = nil
	}
}

// Monitors reports whether the client is shown all calls.
func (l *Client) Monitors() bool { return l.monitor != nil }

// MonitorRefusal is why a monitor may not make a call, or nil. To Redis it is a
// kind of replica, which is not to touch data.
func (l *Client) MonitorRefusal(m *Command) error {
	if l.Monitors() && m.Flags&(ReadOnly|Write|MayReplicate) != 0 {
		return errMonitorKeyspace
	}
	return nil
}

// monitor answers a client that is a monitor already with nothing at all, as
// Redis does.
func monitor(c *Context) error {
	switch {
	case c.Final:
		return Errorf("ERR MONITOR isn't allowed for DENY BLOCKING client")
	case c.Client.Monitors():
		return nil
	}
	c.Client.monitor = c.Monitors.list.PushBack(c.Client)
	c.OK()
	return nil
}

// Show sends a call to all monitors, but for those that are only for operators.
func (c *Context) Show(m *Command, args [][]byte) {
	if c.Monitors.Len() == 0 || m.Flags&(SkipMonitor|Admin) != 0 {
		return
	}
	line := c.monitorLine(m.Redact(args))
	message := NewMessage(func(w *resp.Writer) { w.Status(line) })
	for at := c.Monitors.list.Front(); at != nil; at = at.Next() {
		l := at.Value.(*Client)
		if l.Muted() {
			continue // to Redis these are no messages
		}
		c.Send(l, message)
	}
}

// monitorLine is a call with its time and where it comes from, as in
// `1700000000.000123 [0 127.0.0.1:50000] "GET" "k"`.
func (c *Context) monitorLine(args [][]byte) string {
	size := 64
	for _, a := range args {
		size += len(a) + 3
	}
	line := make([]byte, 0, size)
	line = fmt.Appendf(line, "%d.%06d [%d %s]", c.Micros/1e6, c.Micros%1e6, c.index, c.source())
	for _, a := range args {
		line = AppendQuoted(append(line, ' '), a)
	}
	return string(line)
}

// source is where the client of a call is.
func (c *Context) source() string {
	switch l := c.Client; {
	case l == nil || l.Direct:
		return "direct"
	case c.onSocket(l):
		return "unix:" + c.Host.Socket
	default:
		return l.Addr
	}
}

// onSocket reports whether a client has come by the unix socket.
func (s *State) onSocket(l *Client) bool {
	return s.Host.Socket != "" && l.LocalAddr == s.Host.Socket+":0"
}

// AppendQuoted appends a word as Redis shows it to people: in quotes, and all
// that is not printable ASCII escaped.
func AppendQuoted(line, word []byte) []byte {
	line = append(line, '"')
	for _, b := range word {
		switch b {
		case '\\', '"':
			line = append(line, '\\', b)
		case '\n':
			line = append(line, `\n`...)
		case '\r':
			line = append(line, `\r`...)
		case '\t':
			line = append(line, `\t`...)
		case '\a':
			line = append(line, `\a`...)
		case '\b':
			line = append(line, `\b`...)
		default:
			if ' ' <= b && b <= '~' {
				line = append(line, b)
			} else {
				line = fmt.Appendf(line, `\x%02x`, b)
			}
		}
	}
	return append(line, '"')
}
