package commands

import (
	"container/list"
	"fmt"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/parley-chat/parley/commands/resp"
)

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

// isMonitor reports whether the client has sent MONITOR.
func (l *Client) isMonitor() bool { return l.monitor != nil }

// MonitorError returns the error if a monitor may not make a call, or nil. Redis treats a
// monitor as a kind of replica, which must not touch data.
func (l *Client) MonitorError(m *Command) error {
	if l.isMonitor() && m.Flags&(ReadOnly|Write|mayReplicate) != 0 {
		return errMonitorKeyspace
	}
	return nil
}

// FeedMonitors sends a call to all monitors, unless its row is Admin or SkipMonitor.
func (c *Context) FeedMonitors(m *Command, args [][]byte) {
	if c.Monitors.Len() == 0 || m.Flags&(SkipMonitor|Admin) != 0 {
		return
	}
	line := c.monitorLine(m.Redact(args))
	message := newMessage(func(w *wire.Writer) { w.Status(line) })
	for at := c.Monitors.list.Front(); at != nil; at = at.Next() {
		l := at.Value.(*Client)
		if l.Muted() {
			continue // to Redis these are no messages
		}
		c.send(l, message)
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
