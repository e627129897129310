package commands

import "time"

// Report tells those who look on of a call that has run: the counters of INFO,
// the slow log, monitors. The engine calls it for each, those within EXEC
// included, once its handler has returned.
func (c *Context) Report(m *Command, args [][]byte, o Outcome, took time.Duration) {
	c.Stats.count(m, o.Err, took)
	if o.Failed {
		return
	}
	if o.Wait == nil {
		c.reportTime(m, args, o, took)
	}
	if m.Has(Fast) {
		c.reportLatency(latencyFastCommand, took)
	} else {
		c.reportLatency(latencyCommand, took)
	}
	if c.Monitors.Len() > 0 {
		c.FeedMonitors(m, args)
	}
}

// ReportServed tells of a call that had to wait and has been answered: what it
// took before and what it took now. That it was made has been told.
func (c *Context) ReportServed(m *Command, args [][]byte, o Outcome, before, now time.Duration) {
	c.Stats.Of(m).Nanos.Add(int64(now))
	c.reportTime(m, args, o, before+now)
	c.reportLatency(latencyUnblocking, now)
}

func (c *Context) reportTime(m *Command, args [][]byte, o Outcome, took time.Duration) {
	if c.Config.LatencyTracking {
		c.Stats.Of(m).addTime(took)
	}
	if least := c.Config.SlowlogSlowerThan; least >= 0 && took.Microseconds() >= least && !m.Has(SkipSlowlog) {
		c.slowLog.add(c, m.Redact(args), took.Microseconds())
	}
}
