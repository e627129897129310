package commands

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// The events that take long here, by Redis's names.
const (
	latencyCommand     = "command"
	latencyFastCommand = "fast-command"       // of rows that are Fast
	latencyUnblocking  = "command-unblocking" // a call that waited is served
	latencyExpiry      = "expire-cycle"       // keys go at their deadline
	latencyEviction    = "eviction-cycle"     // keys go because memory is full
)

// latencyMonitor is the latency monitor: of each event that took as long as
// latency-monitor-threshold says it keeps the last samples. The zero value is ready.
type latencyMonitor struct {
	mu     sync.Mutex // guards events: reads, which run side by side, add to it
	events map[string]*latencySeries
}

// maxLatencySamples of an event are kept, of each second the longest.
const maxLatencySamples = 160

type latencySeries struct {
	samples []latencySample // the oldest first
	max     int64           // ms; of all, those forgotten included
}

type latencySample struct{ time, ms int64 } // Unix s

// reportLatency enters an event, if it took as long as the operator has said.
func (c *Context) reportLatency(event string, took time.Duration) {
	if least := c.Config.LatencyThreshold; least > 0 && took.Milliseconds() >= least {
		c.latency.add(event, latencySample{c.Now / 1000, took.Milliseconds()})
	}
}

// ReportExpiry tells of a turn of deleting keys at their deadline.
func (c *Context) ReportExpiry(took time.Duration, done bool) {
	c.Stats.ExpiryNanos.Add(int64(took))
	if !done {
		c.Stats.ExpiryCut.Add(1)
	}
	c.reportLatency(latencyExpiry, took)
}

// ReportEviction tells of a turn of making room.
func (c *Context) ReportEviction(took time.Duration) { c.reportLatency(latencyEviction, took) }

func (l *latencyMonitor) add(event string, s latencySample) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.events == nil {
		l.events = make(map[string]*latencySeries)
	}
	e := l.events[event]
	if e == nil {
		e = new(latencySeries)
		l.events[event] = e
	}
	e.max = max(e.max, s.ms)
	if n := len(e.samples); n > 0 && e.samples[n-1].time == s.time {
		e.samples[n-1].ms = max(e.samples[n-1].ms, s.ms)
		return
	}
	if len(e.samples) == maxLatencySamples {
		e.samples = slices.Delete(e.samples, 0, 1)
	}
	e.samples = append(e.samples, s)
}

// of returns a copy of an event's series; one without samples if it never happened.
func (l *latencyMonitor) of(event string) latencySeries {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.events[event]
	if e == nil {
		return latencySeries{}
	}
	return latencySeries{slices.Clone(e.samples), e.max}
}

func (l *latencyMonitor) names() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.events))
}

// reset forgets an event and reports whether there was one.
func (l *latencyMonitor) reset(event string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, known := l.events[event]
	delete(l.events, event)
	return known
}
